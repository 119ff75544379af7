// SPDX-License-Identifier: MIT
//
// Watching sockets: events, waiting for peers, and snapshots (millrace/monitor.h).
#ifndef MILLRACE_MONITOR_HPP
#define MILLRACE_MONITOR_HPP

#include <millrace/error.hpp>
#include <millrace/monitor.h>
#include <millrace/socket.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace millrace {

/// What an event tells; millrace/monitor.h says of each what it means.
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

struct event {
    event_kind kind{};
    /// endpoint::id of the endpoint.
    int endpoint = 0;
    /// No error if nothing went wrong.
    std::error_code error;
    /// How long until the endpoint tries to connect again, if it does.
    std::optional<std::chrono::milliseconds> retry;
    std::chrono::system_clock::time_point time;
    /// The connection (peer::pipe); 0 if it is about none.
    std::uint64_t pipe = 0;
    /// So many events were dropped just before this one.
    std::uint64_t dropped = 0;
    std::string address;
    std::string peer;
    /// What happened, in words.
    std::string reason;
};

/// The events of a socket from the moment at which this was made. Every function but moving and destroying may be called from any thread.
class monitor {
public:
    explicit monitor(const socket& of) : handle_(detail::check(nnx_monitor(of.handle()), "nnx_monitor")) {}
    monitor(monitor&& other) noexcept : handle_(std::exchange(other.handle_, -1)) {}
    monitor& operator=(monitor&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    monitor(const monitor&) = delete;
    monitor& operator=(const monitor&) = delete;
    ~monitor() {
        if (handle_ >= 0) nnx_monitor_close(handle_);
    }

    /// The next event; waits for it. Fails with std::errc::timed_out, and with std::errc::bad_file_descriptor when the socket is closed and all events
    /// were read.
    event next(std::chrono::milliseconds timeout = forever) {
        std::error_code code;
        event got = next(code, timeout);
        detail::raise(code, "nnx_monitor_next");
        return got;
    }
    event next(std::error_code& code, std::chrono::milliseconds timeout = forever) {
        nnx_event raw;
        code.clear();
        if (nnx_monitor_next(handle_, &raw, sizeof raw, static_cast<int>(timeout.count())) < 0) {
            code = last_error();
            return {};
        }
        event got;
        got.kind = static_cast<event_kind>(raw.kind);
        got.endpoint = raw.endpoint;
        if (raw.error != 0) got.error = code_of(raw.error);
        if (raw.retry >= 0) got.retry = std::chrono::milliseconds(raw.retry);
        got.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(raw.time));
        got.pipe = raw.pipe;
        got.dropped = raw.dropped;
        got.address = raw.address;
        got.peer = raw.peer;
        got.reason = raw.reason;
        return got;
    }

    /// An event if one is there.
    std::optional<event> try_next() {
        std::error_code code;
        event got = next(code, std::chrono::milliseconds(0));
        if (code == std::errc::resource_unavailable_try_again) return std::nullopt;
        detail::raise(code, "nnx_monitor_next");
        return got;
    }

    /// Readable while next would not wait. Neither to be read nor to be closed.
    int fd() const { return detail::check(nnx_monitor_fd(handle_), "nnx_monitor_fd"); }

private:
    int handle_;
};

/// Waits until at least so many peers of the socket are there. Fails with std::errc::timed_out.
inline void wait_peers(const socket& of, int count, std::chrono::milliseconds timeout = forever) {
    detail::check(nnx_wait_peers(of.handle(), count, static_cast<int>(timeout.count())), "nnx_wait_peers");
}

namespace detail {

/// What `store` writes into a buffer, which it says the size of; it may have grown when it is asked again.
template <class Store>
std::string stored(Store store, const char* what) {
    std::string text;
    for (std::size_t room = 256;;) {
        text.resize(room);
        const auto length = static_cast<std::size_t>(check(store(text.data(), room), what));
        if (length < room) {
            text.resize(length);
            return text;
        }
        room = length + 256;
    }
}

}  // namespace detail

/// The address of an endpoint as it was given, but with the port that the system chose for port 0.
inline std::string address_of(const socket& of, const endpoint& at) {
    return detail::stored([&](char* room, std::size_t size) { return nnx_endpoint_address(of.handle(), at.id(), room, size); },
                          "nnx_endpoint_address");
}

/// A socket as a JSON object: options, statistics, endpoints, connections.
inline std::string describe(const socket& of) {
    return detail::stored([&](char* room, std::size_t size) { return nnx_describe(of.handle(), room, size); }, "nnx_describe");
}

/// The statistics of all sockets of the process, in the text format of Prometheus.
inline std::string metrics() { return detail::stored(nnx_metrics, "nnx_metrics"); }

}  // namespace millrace

#endif
