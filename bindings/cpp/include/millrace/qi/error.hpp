// SPDX-License-Identifier: MIT
//
// Errors of the object bus, and the handles that everything of it is.
#ifndef MILLRACE_QI_ERROR_HPP
#define MILLRACE_QI_ERROR_HPP

#include <millrace/error.hpp>
#include <millrace/qi.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

namespace millrace::qi {

/// Thrown by everything of the object bus. what() is the reason in words: of a method that failed, the words of its
/// Error; code() compares with std::errc.
class error : public millrace::error {
public:
    error(int number, const std::string& what) : millrace::error(code_of(number), what) {}
};

namespace detail {

[[noreturn]] inline void fail() {
    const int number = errno;
    throw error(number, nnqi_error());
}

/// Throws if a function of the library has returned no handle.
inline std::uint64_t need(std::uint64_t handle) {
    if (handle == 0) fail();
    return handle;
}

/// Throws if a function of the library has returned something negative.
template <class Result>
Result check(Result result) {
    if (result < 0) fail();
    return result;
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
        const auto length = static_cast<std::size_t>(check(copy(text.data(), text.size())));
        if (length < text.size()) {
            text.resize(length);
            return text;
        }
        text.resize(length + 1);
    }
}

}  // namespace detail
}  // namespace millrace::qi

#endif
