// SPDX-License-Identifier: MIT
//
// Values of the object bus and the C++ types that stand for them:
//
//   bool, integers of every width, float, double      b c C w W i I l L f d
//   std::string; std::string_view, const char*        s (these two to send; to receive, see below)
//   std::vector<std::byte>                            r (raw data)
//   std::vector<T>                                    [T]
//   std::map<K, V>, std::unordered_map<K, V>          {KV}
//   std::tuple<T...>, std::pair<A, B>                 (T...)
//   std::optional<T>                                  +T
//   structs named in MILLRACE_QI_STRUCT               (T...)<Name,field...>
//   qi::value                                         m (a dynamic: any value with its type)
//   void                                              v
//
// What is received owns its bytes: a std::string_view would outlive them, and does not compile as a result or inside of one. As
// a parameter of a method or of a function that is told of events it is fine: the text lives as long as the call.
//
// Objects (o) are in object.hpp and client.hpp.
#ifndef MILLRACE_QI_VALUE_HPP
#define MILLRACE_QI_VALUE_HPP

#include <millrace/qi/error.hpp>

#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace millrace::qi {

class value;

/// How a C++ type goes over the bus: its signature, the value that it makes, and what is read from one of that signature.
/// Specialise it for types of your own, or use MILLRACE_QI_STRUCT.
template <class T, class = void>
struct codec {
    static_assert(sizeof(T) == 0, "this type is none of the bus: name it in MILLRACE_QI_STRUCT, or specialise millrace::qi::codec");
};

/// The signature of a C++ type, as [i] for std::vector<int>.
template <class T>
std::string signature_of() {
    if constexpr (std::is_void_v<T>) return "v";
    else return codec<std::remove_cv_t<std::remove_reference_t<T>>>::signature();
}

/// The signature of a tuple: what methods and signals take.
template <class... T>
std::string signature_of_arguments() {
    return "(" + (std::string() + ... + signature_of<T>()) + ")";
}

/// Any value of the bus. Immutable; copies share it.
class value {
public:
    /// No value: what methods without a result return.
    value() : handle_(detail::need(nnqi_void())) {}

    /// The value of a C++ object.
    template <class T, std::enable_if_t<!std::is_same_v<std::decay_t<T>, value>, int> = 0>
    explicit value(const T& from) : handle_(codec<std::decay_t<T>>::make(from)) {}
    template <class T>
    value(std::error_code& code, const T& from) : value(detail::told(code, [&] { return value(from); })) {}

    value(value&&) noexcept = default;
    value& operator=(value&&) noexcept = default;
    value(const value& other) : handle_(other ? detail::need(nnqi_copy(other.get())) : 0) {}
    value& operator=(const value& other) {
        handle_ = detail::handle<nnqi_free>(other ? detail::need(nnqi_copy(other.get())) : 0);
        return *this;
    }

    /// Takes over a handle of the C interface.
    static value adopt(nnqi_value handle) {
        value taken{nothing()};
        taken.handle_.reset(detail::need(handle));
        return taken;
    }
    nnqi_value get() const noexcept { return handle_.get(); }
    nnqi_value release() noexcept { return handle_.release(); }
    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

    /// What JSON says, as a value of this signature; without one, of the types that the text suggests.
    static value from_json(const std::string& json, const std::string& signature = "") {
        return adopt(nnqi_from_json(json.c_str(), signature.empty() ? nullptr : signature.c_str()));
    }
    static value from_json(std::error_code& code, const std::string& json, const std::string& signature = "") {
        return detail::told(code, [&] { return from_json(json, signature); });
    }
    std::string json() const {
        return detail::text_of([&](char* room, std::size_t size) { return nnqi_to_json(get(), room, size); });
    }
    std::string json(std::error_code& code) const {
        return detail::told(code, [&] { return json(); });
    }

    std::string signature() const {
        return detail::text_of([&](char* room, std::size_t size) { return nnqi_signature(get(), room, size); });
    }
    std::string signature(std::error_code& code) const {
        return detail::told(code, [&] { return signature(); });
    }

    /// The value as a C++ type, converted by the rules of the bus. Throws std::errc::invalid_argument if it cannot be.
    template <class T>
    T as() const {
        if constexpr (std::is_void_v<T>) {
            return;
        } else if constexpr (std::is_same_v<T, value>) {
            return nnqi_kind(get()) == 'm' ? adopt(nnqi_unwrap(get())) : *this;
        } else {
            const value converted = adopt(nnqi_convert(get(), signature_of<T>().c_str()));
            return codec<T>::read(converted.get());
        }
    }

    template <class T>
    T as(std::error_code& code) const {
        return detail::told(code, [&] { return as<T>(); });
    }

    /// Items of a list, members of a tuple, entries of a map.
    std::size_t size() const { return detail::count(nnqi_count(get())); }
    std::size_t size(std::error_code& code) const {
        return detail::told(code, [&] { return size(); });
    }
    value operator[](std::size_t index) const { return adopt(nnqi_item(get(), index)); }
    /// The field of a struct, or the entry of a map.
    value operator[](const std::string& name) const { return adopt(nnqi_find(get(), name.c_str())); }
    /// The same as operator[], which cannot have a code.
    value at(std::error_code& code, std::size_t index) const {
        return detail::told(code, [&] { return (*this)[index]; });
    }
    value at(std::error_code& code, const std::string& name) const {
        return detail::told(code, [&] { return (*this)[name]; });
    }

    friend bool operator==(const value& a, const value& b) { return detail::check(nnqi_equal(a.get(), b.get())) == 1; }
    friend bool operator!=(const value& a, const value& b) { return !(a == b); }

private:
    struct nothing {};
    explicit value(nothing) noexcept {}

    detail::handle<nnqi_free> handle_;
};

namespace detail {

/// Handles that are being collected for a call that takes them.
class handles {
public:
    explicit handles(std::size_t count) { all_.reserve(count); }
    handles(const handles&) = delete;
    handles& operator=(const handles&) = delete;
    ~handles() {
        for (nnqi_value handle : all_) nnqi_free(handle);
    }
    void add(nnqi_value handle) { all_.push_back(need(handle)); }
    /// Calls what takes them all, even if it fails; or nothing, if one of them could not be made.
    template <class Take>
    nnqi_value hand_over(Take take) {
        if (failures::any()) return 0;
        const std::vector<nnqi_value> given = std::move(all_);
        all_.clear();
        return need(take(given.data(), given.size()));
    }

private:
    std::vector<nnqi_value> all_;
};

/// A part of a value that is read.
using part = handle<nnqi_free>;

template <class T>
T read_item(nnqi_value from, std::size_t index) {
    const part item(need(nnqi_item(from, index)));
    return codec<T>::read(item.get());
}

inline std::string read_text(nnqi_value from) {
    std::size_t size = 0;
    const char* bytes = nnqi_get_string(from, &size);
    if (bytes != nullptr) return std::string(bytes, size);
    failures::add();
    return std::string();
}

template <class T>
inline constexpr char letter_of = sizeof(T) == 1 ? 'c' : sizeof(T) == 2 ? 'w' : sizeof(T) == 4 ? 'i' : 'l';

template <class Map>
struct map_codec {
    using K = typename Map::key_type;
    using V = typename Map::mapped_type;
    static std::string signature() { return "{" + signature_of<K>() + signature_of<V>() + "}"; }
    static nnqi_value make(const Map& map) {
        handles keys(map.size()), values(map.size());
        for (const auto& [key, entry] : map) {
            keys.add(codec<K>::make(key));
            values.add(codec<V>::make(entry));
        }
        return keys.hand_over([&](const nnqi_value* k, std::size_t count) {
            return values.hand_over([&](const nnqi_value* v, std::size_t) {
                return nnqi_map(signature_of<K>().c_str(), signature_of<V>().c_str(), k, v, count);
            });
        });
    }
    static Map read(nnqi_value from) {
        Map map;
        const std::size_t size = count(nnqi_count(from));
        for (std::size_t i = 0; i < size; i++) {
            const part key(need(nnqi_map_key(from, i))), entry(need(nnqi_map_value(from, i)));
            map.emplace(codec<K>::read(key.get()), codec<V>::read(entry.get()));
        }
        return map;
    }
};

template <class Tuple, class... T>
struct tuple_codec {
    static std::string signature() { return signature_of_arguments<T...>(); }
    static nnqi_value make(const Tuple& tuple) {
        handles members(sizeof...(T));
        std::apply([&](const auto&... member) { (members.add(codec<T>::make(member)), ...); }, tuple);
        return members.hand_over(nnqi_tuple);
    }
    static Tuple read(nnqi_value from) { return read(from, std::index_sequence_for<T...>()); }
    template <std::size_t... I>
    static Tuple read([[maybe_unused]] nnqi_value from, std::index_sequence<I...>) {
        return Tuple{read_item<T>(from, I)...};
    }
};

}  // namespace detail

template <>
struct codec<bool> {
    static std::string signature() { return "b"; }
    static nnqi_value make(bool flag) { return detail::need(nnqi_bool(flag ? 1 : 0)); }
    static bool read(nnqi_value from) {
        int flag = 0;
        detail::check(nnqi_get_bool(from, &flag));
        return flag != 0;
    }
};

template <class T>
struct codec<T, std::enable_if_t<std::is_integral_v<T> && std::is_signed_v<T>>> {
    static std::string signature() { return std::string(1, detail::letter_of<T>); }
    static nnqi_value make(T number) { return detail::need(nnqi_int(detail::letter_of<T>, number)); }
    static T read(nnqi_value from) {
        std::int64_t number = 0;
        detail::check(nnqi_get_int(from, &number));
        return static_cast<T>(number);
    }
};

template <class T>
struct codec<T, std::enable_if_t<std::is_integral_v<T> && std::is_unsigned_v<T> && !std::is_same_v<T, bool>>> {
    static constexpr char letter = static_cast<char>(detail::letter_of<T> - 'a' + 'A');
    static std::string signature() { return std::string(1, letter); }
    static nnqi_value make(T number) { return detail::need(nnqi_uint(letter, number)); }
    static T read(nnqi_value from) {
        std::uint64_t number = 0;
        detail::check(nnqi_get_uint(from, &number));
        return static_cast<T>(number);
    }
};

template <class T>
struct codec<T, std::enable_if_t<std::is_floating_point_v<T>>> {
    static_assert(sizeof(T) <= sizeof(double), "the bus has no long double");
    static constexpr bool is_float = sizeof(T) == sizeof(float);
    static std::string signature() { return is_float ? "f" : "d"; }
    static nnqi_value make(T number) {
        if constexpr (is_float) return detail::need(nnqi_float(number));
        else return detail::need(nnqi_double(number));
    }
    static T read(nnqi_value from) {
        double number = 0;
        detail::check(nnqi_get_double(from, &number));
        return static_cast<T>(number);
    }
};

template <>
struct codec<std::string> {
    static std::string signature() { return "s"; }
    static nnqi_value make(std::string_view text) { return detail::need(nnqi_string(text.data(), text.size())); }
    static std::string read(nnqi_value from) { return detail::read_text(from); }
};
namespace detail {

/// Text that somebody else owns: it can be sent. What is received must own its bytes, or they would be gone when it is looked at.
template <class View>
struct view_codec {
    static std::string signature() { return "s"; }
    static nnqi_value make(std::string_view text) { return codec<std::string>::make(text); }
    template <class From>
    static View read(From) {
        static_assert(!std::is_same_v<From, nnqi_value>, "a view can be sent but not received: say std::string here");
    }
};

}  // namespace detail
template <>
struct codec<std::string_view> : detail::view_codec<std::string_view> {};
template <>
struct codec<const char*> : detail::view_codec<const char*> {};
template <>
struct codec<char*> : detail::view_codec<char*> {};

template <>
struct codec<std::vector<std::byte>> {
    static std::string signature() { return "r"; }
    static nnqi_value make(const std::vector<std::byte>& bytes) {
        return detail::need(nnqi_raw(bytes.data(), bytes.size()));
    }
    static std::vector<std::byte> read(nnqi_value from) {
        std::size_t size = 0;
        const auto* bytes = static_cast<const std::byte*>(nnqi_get_raw(from, &size));
        if (bytes != nullptr) return {bytes, bytes + size};
        detail::failures::add();
        return {};
    }
};

template <class T>
struct codec<std::vector<T>> {
    static std::string signature() { return "[" + signature_of<T>() + "]"; }
    static nnqi_value make(const std::vector<T>& items) {
        detail::handles made(items.size());
        for (const auto& item : items) made.add(codec<T>::make(item));
        return made.hand_over([](const nnqi_value* all, std::size_t count) {
            return nnqi_list(signature_of<T>().c_str(), all, count);
        });
    }
    static std::vector<T> read(nnqi_value from) {
        std::vector<T> items;
        const std::size_t size = detail::count(nnqi_count(from));
        items.reserve(size);
        for (std::size_t i = 0; i < size; i++) items.push_back(detail::read_item<T>(from, i));
        return items;
    }
};

template <class K, class V>
struct codec<std::map<K, V>> : detail::map_codec<std::map<K, V>> {};
template <class K, class V>
struct codec<std::unordered_map<K, V>> : detail::map_codec<std::unordered_map<K, V>> {};
template <class... T>
struct codec<std::tuple<T...>> : detail::tuple_codec<std::tuple<T...>, T...> {};
template <class A, class B>
struct codec<std::pair<A, B>> : detail::tuple_codec<std::pair<A, B>, A, B> {};

template <class T>
struct codec<std::optional<T>> {
    static std::string signature() { return "+" + signature_of<T>(); }
    static nnqi_value make(const std::optional<T>& from) {
        const nnqi_value inner = from ? codec<T>::make(*from) : 0;
        if (detail::failures::any()) return 0;
        return detail::need(nnqi_optional(signature_of<T>().c_str(), inner));
    }
    static std::optional<T> read(nnqi_value from) {
        if (detail::count(nnqi_count(from)) == 0) return std::nullopt;
        return detail::read_item<T>(from, 0);
    }
};

template <>
struct codec<value> {
    static std::string signature() { return "m"; }
    static nnqi_value make(const value& from) { return detail::need(nnqi_dynamic(detail::need(nnqi_copy(from.get())))); }
    static value read(nnqi_value from) { return value::adopt(nnqi_unwrap(from)); }
};

namespace detail {

/// Arguments as the tuple that calls, signals and posts take. The caller hands it over.
template <class... T>
nnqi_value arguments_of(const T&... arguments) {
    handles made(sizeof...(T));
    (made.add(codec<std::decay_t<T>>::make(arguments)), ...);
    return made.hand_over(nnqi_tuple);
}

}  // namespace detail
}  // namespace millrace::qi

// MILLRACE_QI_STRUCT(robot::pose, "Pose", x, y) after the definition of struct pose { double x, y; }, in no namespace: the
// struct goes over the bus as (dd)<Pose,x,y>, and is found by the names of its fields. At most 12 fields.
#define MILLRACE_QI_STRUCT(type, name, ...)                                                                       \
    template <>                                                                                                   \
    struct millrace::qi::codec<type> {                                                                            \
        static std::string signature() {                                                                          \
            std::string types, names;                                                                             \
            MILLRACE_QI_EACH(MILLRACE_QI_SIGN, type, __VA_ARGS__)                                                 \
            return "(" + types + ")<" name + names + ">";                                                         \
        }                                                                                                         \
        static nnqi_value make(const type& from) {                                                                \
            detail::handles members(12);                                                                          \
            MILLRACE_QI_EACH(MILLRACE_QI_MAKE, type, __VA_ARGS__)                                                 \
            return members.hand_over([](const nnqi_value* all, std::size_t count) {                               \
                return nnqi_struct(signature().c_str(), all, count);                                              \
            });                                                                                                   \
        }                                                                                                         \
        static type read(nnqi_value from) {                                                                       \
            type made{};                                                                                          \
            std::size_t index = 0;                                                                                \
            MILLRACE_QI_EACH(MILLRACE_QI_READ, type, __VA_ARGS__)                                                 \
            return made;                                                                                          \
        }                                                                                                         \
    };

#define MILLRACE_QI_SIGN(type, field) \
    types += signature_of<decltype(type::field)>(), names += std::string(",") + #field;
#define MILLRACE_QI_MAKE(type, field) members.add(codec<decltype(type::field)>::make(from.field));
#define MILLRACE_QI_READ(type, field) made.field = detail::read_item<decltype(type::field)>(from, index++);

#define MILLRACE_QI_EACH(use, type, ...) \
    MILLRACE_QI_PICK(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)(use, type, __VA_ARGS__)
#define MILLRACE_QI_PICK(a, b, c, d, e, f, g, h, i, j, k, l, count, ...) MILLRACE_QI_EACH_##count
#define MILLRACE_QI_EACH_1(use, t, a) use(t, a)
#define MILLRACE_QI_EACH_2(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_1(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_3(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_2(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_4(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_3(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_5(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_4(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_6(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_5(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_7(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_6(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_8(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_7(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_9(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_8(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_10(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_9(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_11(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_10(use, t, __VA_ARGS__)
#define MILLRACE_QI_EACH_12(use, t, a, ...) use(t, a) MILLRACE_QI_EACH_11(use, t, __VA_ARGS__)

#endif
