// SPDX-License-Identifier: MIT
//
// A message in memory of the library, which send hands over and recv gives without copying.
#ifndef MILLRACE_MESSAGE_HPP
#define MILLRACE_MESSAGE_HPP

#include <millrace/buffer.hpp>
#include <millrace/error.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

/// A block of nn_allocmsg, owned by one at a time. Moving is a pointer's worth; there is no copying but copy().
class message {
public:
    using value_type = std::byte;

    /// An empty message. It allocates nothing.
    message() noexcept = default;

    /// A message of so many bytes, whose content is arbitrary. Throws std::bad_alloc.
    explicit message(std::size_t size) : data_(allocate(size)), size_(size) {}

    /// A copy of bytes. Throws std::bad_alloc.
    explicit message(const_buffer bytes) : message(bytes.size()) {
        if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
    }

    message(message&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    message& operator=(message&& other) noexcept {
        message(std::move(other)).swap(*this);
        return *this;
    }
    message(const message&) = delete;
    message& operator=(const message&) = delete;
    ~message() {
        if (data_ != nullptr) nn_freemsg(data_);
    }

    /// Takes over a block of nn_allocmsg that has so many bytes.
    static message adopt(void* block, std::size_t size) noexcept {
        message taken;
        taken.data_ = block;
        taken.size_ = size;
        return taken;
    }

    /// The block, which is the caller's now, to be freed with nn_freemsg; null if there is none. The message is empty.
    void* release() noexcept {
        size_ = 0;
        return std::exchange(data_, nullptr);
    }

    message copy() const { return message(const_buffer(*this)); }

    std::byte* data() noexcept { return static_cast<std::byte*>(data_); }
    const std::byte* data() const noexcept { return static_cast<const std::byte*>(data_); }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::byte* begin() noexcept { return data(); }
    std::byte* end() noexcept { return data() + size_; }
    const std::byte* begin() const noexcept { return data(); }
    const std::byte* end() const noexcept { return data() + size_; }

    /// The bytes as text, valid as long as the message is and is not resized.
    std::string_view view() const noexcept { return {static_cast<const char*>(data_), size_}; }
    std::string str() const { return std::string(view()); }

    /// Changes the size; what is there stays, what is added is arbitrary. Throws std::bad_alloc, and nothing has changed.
    void resize(std::size_t size) {
        void* grown = data_ == nullptr ? nn_allocmsg(size, 0) : nn_reallocmsg(data_, size);
        if (grown == nullptr) detail::throw_or_end(std::bad_alloc());
        data_ = grown;
        size_ = size;
    }

    void swap(message& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

private:
    static void* allocate(std::size_t size) {
        void* block = nn_allocmsg(size, 0);
        if (block == nullptr) detail::throw_or_end(std::bad_alloc());
        return block;
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace millrace

#endif
