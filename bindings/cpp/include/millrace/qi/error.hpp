// SPDX-License-Identifier: MIT
//
// Errors of the object bus, and the handles that everything of it is.
//
// Every function of the bus that can fail comes in two forms, constructors too: one throws qi::error, the other has a std::error_code& as
// its first parameter (methods and signals have any number of others) and throws nothing but std::bad_alloc, and what code of the
// program throws. It then gives an empty value, or an object whose handle is 0, and failure() has the words.
#ifndef MILLRACE_QI_ERROR_HPP
#define MILLRACE_QI_ERROR_HPP

#include <millrace/error.hpp>

// Its statistics are structs, and functions of the same name, which in C++ hide their constructors.
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <millrace/qi.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include <cerrno>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace millrace::qi {

/// Thrown by every function of the object bus without an error_code parameter. what() is the reason in words: of a method that
/// failed, the words of its Error; code() compares with std::errc.
class MILLRACE_ONE_IN_A_PROGRAM error : public millrace::error {
public:
    error(int number, const std::string& what) : millrace::error(code_of(number), what) {}
};

namespace detail {

/// What becomes of failures on this thread while this is there: the first one goes to a code, or all are thrown. What follows from the first
/// is done with handles of nothing, which the library refuses, and with values that are empty.
class failures {
public:
    explicit failures(std::error_code* told) noexcept : told_(told), before_(std::exchange(current(), this)) {}
    failures(const failures&) = delete;
    failures& operator=(const failures&) = delete;
    ~failures() { current() = before_; }

    /// Something has failed, and was not thrown.
    static bool any() noexcept { return current() != nullptr && current()->told_ != nullptr && *current()->told_; }
    /// The words of the last failure that went to a code.
    static std::string& words() noexcept {
        static thread_local std::string last;
        return last;
    }
    /// Takes the last failure of the library.
    static void add() { add(errno, nnqi_error()); }
    /// A failure that has been found here.
    static void add(int number, const std::string& what) {
        if (current() == nullptr || current()->told_ == nullptr) millrace::detail::throw_or_end(error(number, what));
        if (any()) return;
        words() = what;
        *current()->told_ = code_of(number);
    }

private:
    static failures*& current() noexcept {
        static thread_local failures* now = nullptr;
        return now;
    }

    std::error_code* told_;
    failures* before_;
};

/// The form with an error code of what the work does.
template <class Work>
auto told(std::error_code& code, Work work) {
    code.clear();
    const failures here(&code);
    return work();
}

/// Runs code of the program for the library. If it fails, or throws, the words of that are handed on.
template <class Work, class Failed>
void guarded(Work work, Failed failed) noexcept {
#ifdef __cpp_exceptions
    const failures thrown(nullptr);
    try {
        work();
    } catch (const std::exception& caught) {
        failed(std::string(caught.what()));
    } catch (...) {
        failed(std::string("it has failed with an exception that says nothing"));
    }
#else
    std::error_code code;
    const failures here(&code);
    work();
    if (code) failed(failures::words());
#endif
}

/// Looks whether a function of the library has returned a handle.
inline std::uint64_t need(std::uint64_t handle) {
    if (handle == 0) failures::add();
    return handle;
}

/// Looks whether a function of the library has returned something negative.
template <class Result>
Result check(Result result) {
    if (result < 0) failures::add();
    return result;
}

/// The number that a function of the library has returned; 0 if it failed.
template <class Number = std::size_t, class Result>
Number count(Result result) {
    return check(result) < 0 ? Number{0} : static_cast<Number>(result);
}

/// A handle of the library and how it is freed.
template <int (*Free)(std::uint64_t)>
class handle {
public:
    handle() noexcept = default;
    explicit handle(std::uint64_t number) noexcept : number_(number) {}
    handle(handle&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
    handle& operator=(handle&& other) noexcept {
        if (this != &other) reset(std::exchange(other.number_, 0));
        return *this;
    }
    ~handle() { reset(); }

    std::uint64_t get() const noexcept { return number_; }
    std::uint64_t release() noexcept { return std::exchange(number_, 0); }
    explicit operator bool() const noexcept { return number_ != 0; }
    void reset(std::uint64_t next = 0) noexcept {
        if (number_ != 0) Free(number_);
        number_ = next;
    }

private:
    std::uint64_t number_ = 0;
};

/// Reads a text that a function of the library copies to a buffer, whatever its length.
template <class Copy>
std::string text_of(Copy copy) {
    std::string text(64, '\0');
    for (;;) {
        const auto length = count(copy(text.data(), text.size()));
        if (length < text.size()) {
            text.resize(length);
            return text;
        }
        text.resize(length + 1);
    }
}

}  // namespace detail

/// What failed last on this thread in a form with an error code, in words: of a method that failed, the words of its Error.
inline std::string failure() { return detail::failures::words(); }

}  // namespace millrace::qi

#endif
