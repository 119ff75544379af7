// SPDX-License-Identifier: MIT
//
// What becomes of a socket's addresses and connections, over millrace/monitor.h.
#ifndef MILLRACE_MONITOR_HPP
#define MILLRACE_MONITOR_HPP

#include <millrace/monitor.h>
#include <millrace/socket.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace millrace {

/// What has happened to an address, or to a connection.
enum class event_kind : int {
    listening = NN_EVENT_LISTENING,
    stopped = NN_EVENT_STOPPED,
    resolved = NN_EVENT_RESOLVED,
    connected = NN_EVENT_CONNECTED,
    accepted = NN_EVENT_ACCEPTED,
    greeted = NN_EVENT_GREETED,
    refused = NN_EVENT_REFUSED,
    lost = NN_EVENT_LOST,
    connect_failed = NN_EVENT_CONNECT_FAILED,
    accept_failed = NN_EVENT_ACCEPT_FAILED,
};

/// One event; longer texts than those of nnx_event are cut off.
struct event {
    event_kind kind;
    std::chrono::system_clock::time_point time;
    /// The address as it was given, a port that the system chose being filled in.
    std::string address;
    /// The other end; empty if it is not known.
    std::string peer;
    /// What happened, in words; empty if nothing went wrong.
    std::string reason;
    /// That as a code, if there is one.
    std::error_code error;
    /// After how long it tries to connect again, if it does.
    std::optional<std::chrono::milliseconds> retry;
    /// What endpoint::id() says of the address.
    int endpoint;
    /// The connection: the same number in all events of it; 0 if it is about none.
    std::uint64_t connection;
    /// So many events were dropped just before this one, since nobody read them: 1024 wait at most.
    std::uint64_t dropped;
};

/// The events of a socket since this was made, also those from before it was closed. Functions may be called from any thread, but for
/// moving and destroying it.
class monitor {
public:
    explicit monitor(const socket& of) : handle_(detail::check(nnx_monitor(of.handle()), "nnx_monitor")) {}
    monitor(const socket& of, std::error_code& code) noexcept : handle_(nnx_monitor(of.handle())) {
        detail::succeeded(handle_, code);
    }
    monitor(monitor&& other) noexcept : handle_(std::exchange(other.handle_, none)) {}
    monitor& operator=(monitor&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~monitor() {
        if (handle_ != none) nnx_monitor_close(handle_);
    }

    int handle() const noexcept { return handle_; }

    /// The next event. None: there was none for so long, or the socket is closed and all has been read, which is_over() tells.
    std::optional<event> next(time_limit time = forever) {
        std::error_code code;
        std::optional<event> got = next(time, code);
        if (code != std::errc::timed_out && code != std::errc::resource_unavailable_try_again &&
            code != std::errc::bad_file_descriptor) {
            detail::raise(code, "nnx_monitor_next");
        }
        return got;
    }
    /// The same without an exception: std::errc::timed_out, resource_unavailable_try_again (time is 0), interrupted, or
    /// bad_file_descriptor at the end.
    std::optional<event> next(time_limit time, std::error_code& code) {
        nnx_event raw{};
        if (nnx_monitor_next(handle_, &raw, sizeof raw, time.milliseconds()) < 0) {
            code = last_error();
            over_ = code == std::errc::bad_file_descriptor;
            return std::nullopt;
        }
        code.clear();
        return of(raw);
    }

    /// Whether the last next() has found that nothing follows.
    bool is_over() const noexcept { return over_; }

    /// A descriptor that is readable while an event waits. For poll and its like only: neither read nor close it.
    int fd() const { return detail::check(nnx_monitor_fd(handle_), "nnx_monitor_fd"); }
    int fd(std::error_code& code) const noexcept {
        const int got = nnx_monitor_fd(handle_);
        detail::succeeded(got, code);
        return got;
    }

private:
    static constexpr int none = -1;

    static event of(const nnx_event& raw) {
        event told{};
        told.kind = static_cast<event_kind>(raw.kind);
        told.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(raw.time));
        told.address = raw.address;
        told.peer = raw.peer;
        told.reason = raw.reason;
        if (raw.error != 0) told.error = code_of(raw.error);
        if (raw.retry >= 0) told.retry = std::chrono::milliseconds(raw.retry);
        told.endpoint = raw.endpoint;
        told.connection = raw.pipe;
        told.dropped = raw.dropped;
        return told;
    }

    int handle_ = none;
    bool over_ = false;
};

/// Waits until at least so many peers are there: before a publish, say, which nobody would hear otherwise. False: the time was over.
inline bool wait_peers(const socket& of, int count, time_limit time, std::error_code& code) noexcept {
    if (detail::succeeded(nnx_wait_peers(of.handle(), count, time.milliseconds()), code)) return true;
    if (code == std::errc::timed_out) code.clear();
    return false;
}
inline bool wait_peers(const socket& of, int count = 1, time_limit time = forever) {
    std::error_code code;
    const bool there = wait_peers(of, count, time, code);
    detail::raise(code, "nnx_wait_peers");
    return there;
}

namespace detail {

/// A text that a C function stores, and whose length it gives; empty if it fails.
template <class Store>
std::string text_of(std::error_code& code, Store store) {
    std::string text;
    for (;;) {
        const auto length = store(text.data(), text.empty() ? 0 : text.size() + 1);
        if (!succeeded(length < 0 ? -1 : 0, code)) return std::string();
        const auto size = static_cast<std::size_t>(length);
        const bool fits = size <= text.size();
        text.resize(size);
        if (fits) return text;
    }
}

}  // namespace detail

/// The address of an endpoint, with the port that the system has chosen for port 0.
inline std::string address(const socket& of, const endpoint& which, std::error_code& code) {
    return detail::text_of(code, [&](char* to, std::size_t room) {
        return nnx_endpoint_address(of.handle(), which.id(), to, room);
    });
}
inline std::string address(const socket& of, const endpoint& which) {
    std::error_code code;
    std::string text = address(of, which, code);
    detail::raise(code, "nnx_endpoint_address");
    return text;
}

/// All that is known of a socket now, as a JSON object (nnx_describe).
inline std::string describe(const socket& of, std::error_code& code) {
    return detail::text_of(code, [&](char* to, std::size_t room) { return nnx_describe(of.handle(), to, room); });
}
inline std::string describe(const socket& of) {
    std::error_code code;
    std::string text = describe(of, code);
    detail::raise(code, "nnx_describe");
    return text;
}

/// The statistics of all sockets of the process, in the text format of Prometheus (nnx_metrics).
inline std::string metrics(std::error_code& code) {
    return detail::text_of(code, [](char* to, std::size_t room) { return nnx_metrics(to, room); });
}
inline std::string metrics() {
    std::error_code code;
    std::string text = metrics(code);
    detail::raise(code, "nnx_metrics");
    return text;
}

}  // namespace millrace

#endif
