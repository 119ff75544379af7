// SPDX-License-Identifier: MIT
//
// Views of bytes that belong to somebody else: what is passed to send, and what recv fills.
#ifndef MILLRACE_BUFFER_HPP
#define MILLRACE_BUFFER_HPP

#include <cstddef>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

namespace millrace {
namespace detail {

template <class Container>
using element_of = std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>;

/// Contiguous memory of things that may be copied byte by byte: vectors, arrays, spans, C arrays.
template <class Container, class = void>
struct is_bytes : std::false_type {};
template <class Container>
struct is_bytes<Container, std::void_t<element_of<Container>, decltype(std::size(std::declval<Container&>()))>>
    : std::is_trivially_copyable<element_of<Container>> {};

/// Strings and pointers to text. Arrays are looked at by themselves: only a literal is text.
template <class Text>
inline constexpr bool is_text = std::is_convertible_v<const Text&, std::string_view> && !std::is_array_v<Text>;

/// What literals consist of.
template <class Char>
inline constexpr bool is_letter = std::is_same_v<Char, char>;
#ifdef __cpp_char8_t
template <>
inline constexpr bool is_letter<char8_t> = true;
#endif

/// How many letters there are before the terminator; all of them if there is none.
template <class Char, std::size_t N>
constexpr std::size_t length_of(const Char (&text)[N]) noexcept {
    std::size_t length = 0;
    while (length < N && text[length] != Char()) length++;
    return length;
}

}  // namespace detail

/// Bytes to be read. Made from text, from any contiguous container of trivially copyable elements, or from a pointer and a
/// size. Constant arrays of char are text, as literals are: they end before the first NUL. Others are memory, all of it, as
/// recv fills it; for text in one say std::string_view(array). It owns nothing: what it shows must live as long as it is used.
class const_buffer {
public:
    constexpr const_buffer() noexcept = default;
    constexpr const_buffer(const void* data, std::size_t size) noexcept : data_(data), size_(size) {}

    template <class Text, std::enable_if_t<detail::is_text<Text>, int> = 0>
    constexpr const_buffer(const Text& text) noexcept : const_buffer(std::string_view(text)) {}
    constexpr const_buffer(std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}
    template <class Char, std::size_t N, std::enable_if_t<detail::is_letter<Char>, int> = 0>
    constexpr const_buffer(const Char (&literal)[N]) noexcept : data_(literal), size_(detail::length_of(literal)) {}
    template <class Char, std::size_t N, std::enable_if_t<detail::is_letter<Char>, int> = 0>
    constexpr const_buffer(Char (&memory)[N]) noexcept : data_(memory), size_(N * sizeof(Char)) {}

    template <class Container,
              std::enable_if_t<!detail::is_text<Container> && detail::is_bytes<const Container>::value, int> = 0>
    constexpr const_buffer(const Container& container) noexcept
        : data_(std::data(container)), size_(std::size(container) * sizeof(detail::element_of<const Container>)) {}

    constexpr const void* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }

private:
    const void* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Bytes to be written, in memory of the caller: any contiguous container of trivially copyable elements, or a view of one.
class mutable_buffer {
public:
    constexpr mutable_buffer(void* data, std::size_t size) noexcept : data_(data), size_(size) {}

    template <class Container, std::enable_if_t<detail::is_bytes<Container>::value &&
                                                    !std::is_const_v<detail::element_of<Container>>, int> = 0>
    constexpr mutable_buffer(Container& container) noexcept
        : data_(std::data(container)), size_(std::size(container) * sizeof(detail::element_of<Container>)) {}
    // A view, as std::span, shows memory that may be written also if the view itself is constant, or a temporary.
    template <class View, std::enable_if_t<detail::is_bytes<const View>::value &&
                                               !std::is_const_v<detail::element_of<const View>>, int> = 0>
    constexpr mutable_buffer(const View& view) noexcept
        : data_(std::data(view)), size_(std::size(view) * sizeof(detail::element_of<const View>)) {}

    constexpr void* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

private:
    void* data_;
    std::size_t size_;
};

}  // namespace millrace

#endif
