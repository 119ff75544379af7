// SPDX-License-Identifier: MIT
//
// Objects that others call: methods are lambdas, whose types are the signatures.
#ifndef MILLRACE_QI_OBJECT_HPP
#define MILLRACE_QI_OBJECT_HPP

#include <millrace/qi/value.hpp>

#include <exception>
#include <functional>
#include <memory>

namespace millrace::qi {
namespace detail {

/// What a parameter is kept in for the time of a call: for a view, the text that it shows.
template <class Parameter>
using kept = std::conditional_t<std::is_same_v<std::decay_t<Parameter>, std::string_view>, std::string, std::decay_t<Parameter>>;

/// The types in the call operator of a lambda, or of a function.
template <class F>
struct signature_types : signature_types<decltype(&F::operator())> {};
template <class R, class... A>
struct signature_types<R (*)(A...)> {
    using result = R;
    using arguments = std::tuple<kept<A>...>;
    static constexpr bool has_views = (std::is_same_v<std::decay_t<A>, std::string_view> || ...);
};
template <class R, class... A>
struct signature_types<R (*)(A...) noexcept> : signature_types<R (*)(A...)> {};
template <class C, class R, class... A>
struct signature_types<R (C::*)(A...)> : signature_types<R (*)(A...)> {};
template <class C, class R, class... A>
struct signature_types<R (C::*)(A...) const> : signature_types<R (*)(A...)> {};
template <class C, class R, class... A>
struct signature_types<R (C::*)(A...) noexcept> : signature_types<R (*)(A...)> {};
template <class C, class R, class... A>
struct signature_types<R (C::*)(A...) const noexcept> : signature_types<R (*)(A...)> {};

inline void answer_error(nnqi_request request, const std::string& text) noexcept {
    if (nnqi_reply_error(request, text.c_str()) < 0 && errno == EINVAL)
        nnqi_reply_error(request, "the method has failed with a text that is not UTF-8");
}

}  // namespace detail

/// The answer that a method owes. A lambda whose first parameter is a responder<R> answers when it likes, from any thread;
/// the method's result is R. If it is destroyed unused, the caller gets an Error.
template <class R>
class responder {
public:
    explicit responder(nnqi_request request) noexcept : request_(request) {}
    responder(responder&& other) noexcept : request_(std::exchange(other.request_, 0)) {}
    responder& operator=(responder&& other) noexcept {
        std::swap(request_, other.request_);
        return *this;
    }
    ~responder() {
        if (request_ != 0) detail::answer_error(request_, "the method did not answer");
    }

    /// Answers with the result: reply(r), or reply() where R is void. The first answer counts.
    template <class... Result>
    void reply(const Result&... result) {
        static_assert(sizeof...(Result) == (std::is_void_v<R> ? 0 : 1), "one result, or none for void");
        nnqi_value made = 0;
        if constexpr (std::is_void_v<R>) made = nnqi_void();
        else made = codec<R>::make(result...);
        if (!detail::failures::any()) detail::check(nnqi_reply(take(), made));
    }
    template <class... Result>
    void reply(std::error_code& code, const Result&... result) {
        detail::told(code, [&] { reply(result...); });
    }
    /// Answers with an Error, whose words the caller gets.
    void fail(const std::string& text) { detail::answer_error(take(), text); }
    /// Answers a call that is_canceled().
    void canceled() { detail::check(nnqi_reply_canceled(take())); }
    void canceled(std::error_code& code) {
        detail::told(code, [&] { canceled(); });
    }

    /// Nobody waits for the answer any more.
    bool is_canceled() const { return detail::check(nnqi_is_canceled(request_)) == 1; }
    bool is_canceled(std::error_code& code) const {
        return detail::told(code, [&] { return is_canceled(); });
    }
    /// The caller's address.
    std::string caller() const {
        return detail::text_of([&](char* room, std::size_t size) { return nnqi_caller(request_, room, size); });
    }
    std::string caller(std::error_code& code) const {
        return detail::told(code, [&] { return caller(); });
    }

private:
    nnqi_request take() noexcept { return std::exchange(request_, 0); }
    nnqi_request request_;
};

namespace detail {

/// Code of an object, behind the pointer that the library hands back.
struct member {
    virtual ~member() = default;
    virtual void call(nnqi_request) {}
    virtual void check_value(nnqi_value) {}

    static void run(nnqi_request request, void* user) noexcept {
        guarded([&] { static_cast<member*>(user)->call(request); },
                [&](const std::string& why) { answer_error(request, why); });
    }
    static int approve(nnqi_value proposed, nnqi_value* told, void* user) noexcept {
        int verdict = NNQI_ACCEPT;
        const auto refuse = [&](const std::string& why) {
            *told = nnqi_string(why.data(), why.size());
            verdict = NNQI_REJECT;
        };
        guarded([&] { static_cast<member*>(user)->check_value(proposed); }, refuse);
        return verdict;
    }
};

/// Everything that one object's code needs; the library says when it is gone.
struct members {
    std::vector<std::unique_ptr<member>> all;
    static void gone(void* user) noexcept { delete static_cast<members*>(user); }
};

/// How a method's parameters and result follow from its lambda's.
template <class R, class Arguments>
struct method_types {
    using result = R;
    using arguments = Arguments;
    static constexpr bool answers_later = false;
};
template <class R, class Result, class... A>
struct method_types<R, std::tuple<responder<Result>, A...>> {
    using result = Result;
    using arguments = std::tuple<A...>;
    static constexpr bool answers_later = true;
};

template <class F>
struct method final : member {
    using declared = signature_types<F>;
    using types = method_types<typename declared::result, typename declared::arguments>;
    using result = typename types::result;
    F code;
    explicit method(F taken) : code(std::move(taken)) {}

    void call(nnqi_request request) override {
        const part given(need(nnqi_arguments(request)));
        auto arguments = codec<typename types::arguments>::read(given.get());
        if (failures::any()) return;
        if constexpr (types::answers_later) {
            static_assert(!declared::has_views, "a method that answers later outlives its arguments: say std::string here");
            responder<result> later(request);
            std::apply([&](auto&... argument) { code(std::move(later), std::move(argument)...); }, arguments);
        } else if constexpr (std::is_void_v<result>) {
            std::apply([&](auto&... argument) { code(std::move(argument)...); }, arguments);
            if (!failures::any()) check(nnqi_reply(request, nnqi_void()));
        } else {
            const auto made = std::apply([&](auto&... argument) { return code(std::move(argument)...); }, arguments);
            const nnqi_value answer = codec<std::decay_t<result>>::make(made);
            if (failures::any()) nnqi_free(answer);
            else check(nnqi_reply(request, answer));
        }
    }
};

template <class T, class Check>
struct checked final : member {
    Check code;
    explicit checked(Check taken) : code(std::move(taken)) {}
    void check_value(nnqi_value proposed) override {
        T read = codec<T>::read(proposed);
        if (!failures::any()) code(std::move(read));
    }
};

}  // namespace detail

/// An object of this process. It lives until its handles are gone, no server has it and no peer keeps it.
class object {
public:
    explicit object(nnqi_object handle) : handle_(detail::need(handle)) {}
    nnqi_object get() const noexcept { return handle_.get(); }

    /// Emits a signal. Never waits; returns to how many subscribers it goes, as nnqi_emit.
    template <class... T>
    std::size_t emit(const std::string& signal, const T&... arguments) const {
        const nnqi_value made = detail::arguments_of(arguments...);
        return detail::count(nnqi_emit(get(), signal.c_str(), made));
    }
    template <class... T>
    std::size_t emit(std::error_code& code, const std::string& signal, const T&... arguments) const {
        return detail::told(code, [&] { return emit(signal, arguments...); });
    }

    /// Sets a property, and tells those who watch it.
    template <class T>
    void set(const std::string& property, const T& to) const {
        detail::check(nnqi_object_set(get(), property.c_str(), codec<std::decay_t<T>>::make(to)));
    }
    template <class T>
    void set(std::error_code& code, const std::string& property, const T& to) const {
        detail::told(code, [&] { set(property, to); });
    }
    template <class T>
    T property(const std::string& name) const {
        return value::adopt(nnqi_object_get(get(), name.c_str())).template as<T>();
    }
    template <class T>
    T property(std::error_code& code, const std::string& name) const {
        return detail::told(code, [&] { return property<T>(name); });
    }

    /// Requests so far, as millrace/qi_service.h describes them.
    struct nnqi_object_statistics statistics() const {
        struct nnqi_object_statistics counts{};
        detail::check(nnqi_object_statistics(get(), &counts));
        return counts;
    }
    struct nnqi_object_statistics statistics(std::error_code& code) const {
        return detail::told(code, [&] { return statistics(); });
    }
    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

private:
    detail::handle<nnqi_object_free> handle_;
};

/// Objects are passed by reference: as arguments, in results and in events. The receiver sees a proxy.
template <>
struct codec<object> {
    static std::string signature() { return "o"; }
    static nnqi_value make(const object& from) { return detail::need(nnqi_object_value(from.get())); }
};

/// Describes an object. Every function gives the builder back, so that a description is one expression:
///
///     auto calculator = qi::builder().method("add", [](int a, int b) { return a + b; }).build();
///
/// Methods run on worker threads of the library, for one call of an object at a time; they may wait and call others. An
/// exception becomes the caller's Error.
class builder {
public:
    builder() : builder(nullptr) {}
    /// Nothing is thrown, by the whole description: the code has the first failure of it, and build() then gives an object whose handle is
    /// 0. The code must live until that.
    explicit builder(std::error_code& code) : builder((code.clear(), &code)) {}
    builder(builder&& other) noexcept
        : told_(other.told_), own_(std::move(other.own_)), members_(std::exchange(other.members_, nullptr)), handle_(std::move(other.handle_)) {}

    template <class F>
    builder& method(const std::string& name, F code) {
        const detail::failures here(told_);
        using made = detail::method<F>;
        auto* member = add<made>(std::move(code));
        detail::check(nnqi_method(handle_.get(), name.c_str(), signature_of<typename made::types::arguments>().c_str(),
                                  signature_of<typename made::result>().c_str(), detail::member::run, member));
        return *this;
    }

    /// A signal with arguments of these types.
    template <class... T>
    builder& signal(const std::string& name) {
        const detail::failures here(told_);
        detail::check(nnqi_signal(handle_.get(), name.c_str(), signature_of_arguments<T...>().c_str()));
        return *this;
    }

    /// A property and its first value. Peers may read, set and watch it.
    template <class T>
    builder& property(const std::string& name, const T& first) {
        const detail::failures here(told_);
        using type = std::decay_t<T>;
        detail::check(nnqi_property(handle_.get(), name.c_str(), signature_of<type>().c_str(), codec<type>::make(first)));
        return *this;
    }
    /// With a check that throws if a peer may not set it so.
    template <class T, class Check>
    builder& property(const std::string& name, const T& first, Check check) {
        const detail::failures here(told_);
        using argument = std::tuple_element_t<0, typename detail::signature_types<Check>::arguments>;
        auto* member = add<detail::checked<argument, Check>>(std::move(check));
        detail::check(nnqi_property_checked(handle_.get(), name.c_str(), signature_of<argument>().c_str(),
                                            codec<std::decay_t<T>>::make(first), detail::member::approve, member));
        return *this;
    }

    /// How much may wait for the object: requests and their bytes; 0 is the default.
    builder& limits(std::size_t requests, std::size_t bytes) {
        const detail::failures here(told_);
        detail::check(nnqi_limits(handle_.get(), requests, bytes));
        return *this;
    }

    /// The object. The builder is used up: it can describe nothing more (std::errc::bad_file_descriptor).
    object build() {
        const detail::failures here(told_);
        members_ = nullptr;
        return object(detail::failures::any() ? 0 : nnqi_build(handle_.release()));
    }

private:
    explicit builder(std::error_code* told) : told_(told) {
        const detail::failures here(told_);
        handle_.reset(detail::need(nnqi_builder_new()));
        if (detail::check(nnqi_when_gone(handle_.get(), detail::members::gone, own_.get())) == 0) own_.release();
    }

    template <class Member, class Code>
    Member* add(Code code) {
        auto made = std::make_unique<Member>(std::move(code));
        Member* raw = made.get();
        if (members_ == nullptr) {
            // What comes after build() is of no use, but must not be lost.
            own_.reset(new detail::members);
            members_ = own_.get();
        }
        members_->all.push_back(std::move(made));
        return raw;
    }

    std::error_code* told_;
    std::unique_ptr<detail::members> own_{new detail::members};
    // Once own_ has let go of it, the library's, until that says that the object is gone.
    detail::members* members_ = own_.get();
    detail::handle<nnqi_builder_free> handle_;
};

}  // namespace millrace::qi

#endif
