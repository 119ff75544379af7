// SPDX-License-Identifier: MIT
//
// Errors of the library as std::error_code, and the exception that carries one.
#ifndef MILLRACE_ERROR_HPP
#define MILLRACE_ERROR_HPP

#include <nanomsg/nn.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

/// One and the same in all libraries of a program, also in those that are compiled with -fvisibility=hidden: codes compare by the address of their
/// category, and some C++ libraries know exceptions by that of their type.
#define MILLRACE_ONE_IN_A_PROGRAM __attribute__((visibility("default")))

namespace millrace {

/// What the system has no name for. Everything else is a std::errc: `error.code() == std::errc::timed_out`.
enum class errc : int {
    /// The library was ended by millrace::term().
    terminated = ETERM,
    /// Not possible in the socket's present state, as a reply without a request.
    wrong_state = EFSM,
};

namespace detail {

class MILLRACE_ONE_IN_A_PROGRAM category final : public std::error_category {
public:
    const char* name() const noexcept override { return "nanomsg"; }
    std::string message(int code) const override { return nn_strerror(code); }
    // The library's numbers are the system's wherever the system has one, so that std::errc compares.
    std::error_condition default_error_condition(int code) const noexcept override {
        return code < NN_HAUSNUMERO ? std::generic_category().default_error_condition(code)
                                    : std::error_condition(code, *this);
    }
};

}  // namespace detail

/// The category of all error codes of this binding. Its messages are those of nn_strerror.
MILLRACE_ONE_IN_A_PROGRAM inline const std::error_category& category() noexcept {
    static const detail::category instance;
    return instance;
}

inline std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), category()}; }

/// The error code of an errno of the library.
inline std::error_code code_of(int number) noexcept { return {number, category()}; }

/// The last error of the calling thread, right after a function of the library has failed.
inline std::error_code last_error() noexcept { return code_of(nn_errno()); }

/// Thrown by every function without an error_code parameter. what() begins with what was tried. In a program that is compiled without
/// exceptions (-fno-exceptions) what would be thrown is written to the standard error, and ends the program.
class MILLRACE_ONE_IN_A_PROGRAM error : public std::system_error {
public:
    error(std::error_code code, const char* what) : std::system_error(code, what) {}
    error(std::error_code code, const std::string& what) : std::system_error(code, what) {}
};

namespace detail {

/// Throws, where there are exceptions.
template <class Exception>
[[noreturn]] void throw_or_end(const Exception& exception) {
#ifdef __cpp_exceptions
    throw exception;
#else
    std::fprintf(stderr, "millrace: %s\n", exception.what());
    std::abort();
#endif
}

/// Throws the last error if a function of the library returned something negative.
template <class Result>
Result check(Result result, const char* what) {
    if (result < 0) throw_or_end(error(last_error(), what));
    return result;
}

/// Whether a function of the library has succeeded; if it returned something negative, the code is the last error.
inline bool succeeded(int result, std::error_code& code) noexcept {
    if (result < 0) {
        code = last_error();
        return false;
    }
    code.clear();
    return true;
}

/// Throws what a non-throwing form has left in its error code.
inline void raise(const std::error_code& code, const char* what) {
    if (code) throw_or_end(error(code, what));
}

}  // namespace detail
}  // namespace millrace

template <>
struct std::is_error_code_enum<millrace::errc> : std::true_type {};

#endif
