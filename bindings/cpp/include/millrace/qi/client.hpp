// SPDX-License-Identifier: MIT
//
// Sessions, proxies with typed calls, and signals.
#ifndef MILLRACE_QI_CLIENT_HPP
#define MILLRACE_QI_CLIENT_HPP

#include <millrace/qi/object.hpp>
#include <millrace/time_limit.hpp>

#include <chrono>
#include <map>
#include <mutex>

namespace millrace::qi {

using std::chrono::milliseconds;

/// As long as it takes, or as session_options::call_timeout says.
using millrace::forever;

namespace detail {

/// Functions that the library may still call when what they belong to has been closed. They are found by number, so one
/// that is gone is not found.
template <class Function>
class callbacks {
public:
    template <class Made>
    static std::uintptr_t add(Made made) {
        auto shared = std::make_shared<Function>(std::move(made));
        const std::lock_guard lock(table().mutex);
        const std::uintptr_t number = ++table().last;
        table().all.emplace(number, std::move(shared));
        return number;
    }
    static std::shared_ptr<Function> find(void* user) {
        const std::lock_guard lock(table().mutex);
        const auto at = table().all.find(reinterpret_cast<std::uintptr_t>(user));
        return at == table().all.end() ? nullptr : at->second;
    }
    /// What it was; nothing if there is none of this number.
    static std::shared_ptr<Function> remove(std::uintptr_t number) noexcept {
        const std::lock_guard lock(table().mutex);
        const auto at = table().all.find(number);
        if (at == table().all.end()) return nullptr;
        std::shared_ptr<Function> last = std::move(at->second);
        table().all.erase(at);
        return last;
    }

private:
    struct contents {
        std::mutex mutex;
        std::uintptr_t last = 0;
        std::unordered_map<std::uintptr_t, std::shared_ptr<Function>> all;
    };
    // Never destroyed: threads of the library may outlive main.
    static contents& table() {
        static contents* only = new contents;
        return *only;
    }
};

/// Types between which values may be converted, as far as a letter tells: numbers, texts, containers, objects. '?' may be anything.
inline char family_of(char letter) noexcept {
    switch (letter) {
    case 'b': case 'c': case 'C': case 'w': case 'W': case 'i': case 'I': case 'l': case 'L': case 'f': case 'd': return 'n';
    case 's': case 'r': return 's';
    case '(': case '[': case '{': return '(';
    case 'o': return 'o';
    default: return '?';
    }
}

/// Those of a tuple's members.
inline std::string families_of(const std::string& tuple) {
    std::string found;
    int depth = -1, names = 0;
    bool optional = false;
    for (const char letter : tuple) {
        if (letter == '<') names++;
        else if (letter == '>') names--;
        else if (names > 0) continue;
        else if (letter == ')' || letter == ']' || letter == '}') depth--;
        else {
            // What stands behind it is the optional's own.
            if (depth == 0 && !std::exchange(optional, letter == '+')) found += family_of(letter);
            if (letter == '(' || letter == '[' || letter == '{') depth++;
        }
    }
    return found;
}

/// Whether events with arguments of the one signature may have those of the other. What a letter does not tell is told by each event.
inline bool may_become(const std::string& declared, const std::string& wanted) {
    if (declared.empty() || declared == "m") return true;
    const std::string from = families_of(declared.front() == '(' ? declared : "(" + declared + ")"), to = families_of(wanted);
    bool may = from.size() == to.size();
    for (std::size_t i = 0; may && i < to.size(); i++) may = from[i] == to[i] || from[i] == '?' || to[i] == '?';
    return may;
}

/// Fails if what listens to a signal, or to a property, takes others than its arguments, or has no room for an event.
inline bool check_listening(nnqi_proxy proxy, const std::string& signal, const std::string& wanted, std::size_t queue) {
    if (queue == 0) {
        failures::add(EINVAL, "a queue without room for an event");
        return false;
    }
    using declared_by_id = std::map<std::uint32_t, std::tuple<std::uint32_t, std::string, std::string>>;
    const value meta = value::adopt(nnqi_meta(proxy));
    for (const char* kind : {"signals", "properties"}) {
        for (const auto& member : meta[kind].as<declared_by_id>()) {
            const auto& [uid, name, declared] = member.second;
            if (name != signal || may_become(declared, wanted)) continue;
            failures::add(EINVAL, signal + " has the arguments " + declared + ", and what listens takes " + wanted);
            return false;
        }
    }
    return !failures::any();
}

}  // namespace detail

/// A call under way. Destroying it does not end the call.
template <class R>
class pending {
public:
    explicit pending(nnqi_pending handle) : handle_(detail::need(handle)) {}

    /// Waits for the result, for as long as the call may take, and gives it; once. Throws what the call failed with.
    R get() { return value::adopt(nnqi_wait(handle_.get(), -1)).template as<R>(); }
    R get(std::error_code& code) {
        return detail::told(code, [&] { return get(); });
    }
    /// Whether get() would not wait.
    bool is_done() const { return detail::check(nnqi_is_done(handle_.get())) == 1; }
    bool is_done(std::error_code& code) const {
        return detail::told(code, [&] { return is_done(); });
    }
    /// Asks the peer to end the call; get() then throws std::errc::interrupted, or gives the result if it was too late.
    void cancel() { detail::check(nnqi_cancel(handle_.get())); }
    void cancel(std::error_code& code) {
        detail::told(code, [&] { cancel(); });
    }

private:
    detail::handle<nnqi_pending_free> handle_;
};

/// Events of a signal, or changes of a property, in a queue.
template <class... T>
class subscription {
public:
    explicit subscription(nnqi_subscription handle) : handle_(detail::need(handle)) {}

    /// The arguments of the next event; nothing if none comes within so long. Throws std::errc::not_connected when the
    /// connection has ended and there are no more.
    std::optional<std::tuple<T...>> next(time_limit time = forever) {
        std::uint64_t lost = 0;
        const nnqi_value got = nnqi_next(handle_.get(), time.milliseconds(), &lost);
        if (got == 0 && errno == ETIMEDOUT) return std::nullopt;
        const value arguments = value::adopt(got);
        missed_ += lost;
        auto read = arguments.template as<std::tuple<T...>>();
        if (detail::failures::any()) return std::nullopt;
        return read;
    }
    std::optional<std::tuple<T...>> next(std::error_code& code, time_limit time = forever) {
        return detail::told(code, [&] { return next(time); });
    }

    /// How many events were lost so far because the queue was full.
    std::uint64_t missed() const noexcept { return missed_; }
    /// A descriptor that is readable while there is something for next(). Neither read nor close it.
    int fd() const { return detail::check(nnqi_descriptor(handle_.get())); }
    int fd(std::error_code& code) const {
        return detail::told(code, [&] { return fd(); });
    }

private:
    detail::handle<nnqi_unsubscribe> handle_;
    std::uint64_t missed_ = 0;
};

/// Has a function called for each event, until it is destroyed: that waits for a call under way, unless it is done by that call itself. So the
/// function may use what lives longer than the watcher; and who destroys it must hold no lock that the function wants.
class watcher {
public:
    using function = std::function<void(const value& arguments)>;

    watcher(nnqi_proxy proxy, const std::string& signal, const nnqi_subscribe_options& options, function code)
        : number_(callbacks::add(std::move(code))) {
        handle_.reset(nnqi_watch_with(proxy, signal.c_str(), &options, run, reinterpret_cast<void*>(number_)));
        if (!handle_) {
            callbacks::remove(number_);
            detail::failures::add();
        }
    }
    watcher(watcher&& other) noexcept
        : number_(std::exchange(other.number_, 0)), handle_(std::move(other.handle_)) {}
    watcher& operator=(watcher&& other) noexcept {
        std::swap(number_, other.number_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~watcher() {
        handle_.reset();
        if (const auto mine = callbacks::remove(number_)) {
            const std::lock_guard ended(mine->running);
            mine->gone = true;
        }
    }

private:
    /// A function, and who runs it or has made an end of that. The lock may be taken again by the call that has it.
    struct watched {
        explicit watched(function taken) : code(std::move(taken)) {}
        std::recursive_mutex running;
        function code;
        bool gone = false;
    };
    using callbacks = detail::callbacks<watched>;

    static void run(nnqi_value arguments, std::uint64_t, void* user) noexcept {
        const auto mine = callbacks::find(user);
        if (arguments == 0 || !mine) return;
        const std::lock_guard here(mine->running);
        if (mine->gone) return;
        // Arguments of other types than the function's, or its own exception: there is nobody to tell.
        detail::guarded([&] { mine->code(value::adopt(nnqi_copy(arguments))); }, [](const std::string&) {});
    }

    std::uintptr_t number_ = 0;
    detail::handle<nnqi_unsubscribe> handle_;
};

/// A service, or another object, of a peer.
class proxy {
public:
    explicit proxy(nnqi_proxy handle) : handle_(detail::need(handle)) {}
    nnqi_proxy get() const noexcept { return handle_.get(); }
    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

    /// How long calls, reading and setting properties, and subscribing may take from now on.
    proxy& timeout(time_limit time) noexcept {
        timeout_ = time;
        return *this;
    }

    /// Calls a method: proxy.call<int>("add", 1, 2). Throws qi::error: std::errc::protocol_error if the method failed,
    /// what() being its words; timed_out; not_connected; invalid_argument if there is no such method.
    template <class R = void, class... T>
    R call(const std::string& method, const T&... arguments) const {
        const nnqi_value made = detail::arguments_of(arguments...);
        return value::adopt(nnqi_call(get(), method.c_str(), made, timeout_.milliseconds())).template as<R>();
    }
    template <class R = void, class... T>
    R call(std::error_code& code, const std::string& method, const T&... arguments) const {
        return detail::told(code, [&] { return call<R>(method, arguments...); });
    }

    /// Calls a method and does not wait.
    template <class R = void, class... T>
    pending<R> start(const std::string& method, const T&... arguments) const {
        const nnqi_value made = detail::arguments_of(arguments...);
        return pending<R>(nnqi_call_start(get(), method.c_str(), made, timeout_.milliseconds()));
    }
    template <class R = void, class... T>
    pending<R> start(std::error_code& code, const std::string& method, const T&... arguments) const {
        return detail::told(code, [&] { return start<R>(method, arguments...); });
    }

    /// Calls a method without an answer: nobody hears of a failure.
    template <class... T>
    void post(const std::string& method, const T&... arguments) const {
        detail::check(nnqi_post(get(), method.c_str(), detail::arguments_of(arguments...)));
    }
    template <class... T>
    void post(std::error_code& code, const std::string& method, const T&... arguments) const {
        detail::told(code, [&] { post(method, arguments...); });
    }

    /// Reads a property, and sets one. A check of the service may refuse a value: std::errc::protocol_error.
    template <class T>
    T property(const std::string& name) const {
        return value::adopt(nnqi_property_get_within(get(), name.c_str(), timeout_.milliseconds())).template as<T>();
    }
    template <class T>
    T property(std::error_code& code, const std::string& name) const {
        return detail::told(code, [&] { return property<T>(name); });
    }
    template <class T>
    void set(const std::string& property, const T& to) const {
        const nnqi_value made = codec<std::decay_t<T>>::make(to);
        detail::check(nnqi_property_set_within(get(), property.c_str(), made, timeout_.milliseconds()));
    }
    template <class T>
    void set(std::error_code& code, const std::string& property, const T& to) const {
        detail::told(code, [&] { set(property, to); });
    }

    /// Events of a signal, or changes of a property, whose arguments are T...: what next() gives. At most queue of them wait. Throws
    /// std::errc::invalid_argument if there is no such signal, or its arguments are others.
    template <class... T>
    subscription<T...> subscribe(const std::string& signal, std::size_t queue = 64) const {
        const bool fits = detail::check_listening(get(), signal, signature_of_arguments<T...>(), queue);
        const auto options = listening(queue);
        return subscription<T...>(fits ? nnqi_subscribe_with(get(), signal.c_str(), &options) : 0);
    }
    template <class... T>
    subscription<T...> subscribe(std::error_code& code, const std::string& signal, std::size_t queue = 64) const {
        return detail::told(code, [&] { return subscribe<T...>(signal, queue); });
    }

    /// Has a function called for each event, on a thread of the library; its parameters are the event's arguments: watch("moved", [](int,
    /// std::string) {}). Throws std::errc::invalid_argument, with what the signal has, if they are others. An event that cannot be converted
    /// all the same is not told, and nobody hears of what the function throws: subscribe() tells of both.
    template <class F>
    [[nodiscard]] watcher watch(const std::string& signal, F code, std::size_t queue = 64) const {
        using arguments = typename detail::signature_types<F>::arguments;
        const bool fits = detail::check_listening(get(), signal, signature_of<arguments>(), queue);
        // A std::function must be copyable; what it calls need not be.
        auto shared = std::make_shared<F>(std::move(code));
        return watcher(fits ? get() : 0, signal, listening(queue), [shared](const value& event) {
            auto read = event.as<arguments>();
            if (!detail::failures::any()) std::apply(*shared, std::move(read));
        });
    }
    template <class F>
    [[nodiscard]] watcher watch(std::error_code& failed, const std::string& signal, F code, std::size_t queue = 64) const {
        return detail::told(failed, [&] { return watch(signal, std::move(code), queue); });
    }

    /// What the object can do: its methods, signals and properties.
    value meta() const { return value::adopt(nnqi_meta(get())); }
    value meta(std::error_code& code) const {
        return detail::told(code, [&] { return meta(); });
    }

private:
    nnqi_subscribe_options listening(std::size_t queue) const noexcept {
        nnqi_subscribe_options options{};
        options.queue = queue;
        // 0 is the session's time there, and below that for ever; in calls below 0 is the session's.
        const int time = timeout_.milliseconds();
        options.timeout = time < 0 ? 0 : time == 0 ? 1 : time;
        return options;
    }

    detail::handle<nnqi_proxy_free> handle_;
    time_limit timeout_ = forever;
};

/// A reference to an object of a peer, as a parameter or result.
template <>
struct codec<proxy> {
    static std::string signature() { return "o"; }
    static proxy read(nnqi_value from) { return proxy(nnqi_proxy_of(from)); }
};

/// How to connect. Texts that are empty are not given.
struct session_options {
    std::string user;
    std::string token;
    /// For connecting and authenticating.
    milliseconds connect_timeout{10000};
    /// For each call that is given no time of its own; 0: 5 minutes; forever, or negative: as long as it takes.
    milliseconds call_timeout{0};
    /// Connect again when connections are lost, and restore proxies and subscriptions.
    bool reconnect = false;
    /// For tcps: a file (PEM) with the authorities of the server's certificate; empty: every certificate is believed.
    std::string authorities;
    std::string server_name;
    /// Bytes of the longest payload that is accepted; 0: 50 MB. One longer than that and than 50 MB is not sent (std::errc::message_size).
    std::int64_t max_payload = 0;

    nnqi_options raw() const {
        const auto given = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
        nnqi_options made{};
        made.user = given(user);
        made.token = given(token);
        const auto within = [](milliseconds time) { return time < time.zero() ? -1 : time_limit(time).milliseconds(); };
        made.connect_timeout = within(connect_timeout);
        made.call_timeout = within(call_timeout);
        made.reconnect = reconnect ? 1 : 0;
        made.authorities = given(authorities);
        made.server_name = given(server_name);
        made.max_payload = max_payload;
        return made;
    }
};

/// What a directory says of a service.
struct service_info {
    std::string name;
    std::uint32_t id;
    std::string machine_id;
    std::uint32_t process_id;
    std::vector<std::string> endpoints;
};

/// A connection to a directory and to what it leads to. When it is destroyed, proxies and subscriptions of it fail with
/// std::errc::not_connected.
class session {
public:
    /// Connects, and is let in, within session_options::connect_timeout.
    explicit session(const std::string& url, const session_options& options = {}) {
        const nnqi_options raw = options.raw();
        handle_.reset(detail::need(nnqi_connect(url.c_str(), &raw)));
    }
    session(std::error_code& code, const std::string& url, const session_options& options = {})
        : session(detail::told(code, [&] { return session(url, options); })) {}

    /// A service by its name, which is waited for so long if it is not there.
    qi::proxy service(const std::string& name, time_limit time = milliseconds(0)) const {
        return qi::proxy(nnqi_service(handle_.get(), name.c_str(), time.milliseconds()));
    }
    qi::proxy service(std::error_code& code, const std::string& name, time_limit time = milliseconds(0)) const {
        return detail::told(code, [&] { return service(name, time); });
    }

    /// All services that the directory knows.
    std::vector<service_info> services() const {
        const value list = value::adopt(nnqi_services(handle_.get()));
        std::vector<service_info> all;
        for (std::size_t i = 0; i < list.size(); i++) {
            const value one = list[i];
            all.push_back({one["name"].as<std::string>(), one["serviceId"].as<std::uint32_t>(),
                           one["machineId"].as<std::string>(), one["processId"].as<std::uint32_t>(),
                           one["endpoints"].as<std::vector<std::string>>()});
        }
        return all;
    }
    std::vector<service_info> services(std::error_code& code) const {
        return detail::told(code, [&] { return services(); });
    }

    explicit operator bool() const noexcept { return static_cast<bool>(handle_); }

private:
    detail::handle<nnqi_close> handle_;
};

}  // namespace millrace::qi

#endif
