// SPDX-License-Identifier: MIT
//
// Options of sockets, each with its type: socket.set(options::recv_timeout, 100ms).
#ifndef MILLRACE_OPTIONS_HPP
#define MILLRACE_OPTIONS_HPP

#include <millrace/options.h>
#include <millrace/peer.h>
#include <millrace/time_limit.hpp>
#include <millrace/tls.h>
#include <nanomsg/ipc.h>
#include <nanomsg/nn.h>
#include <nanomsg/pubsub.h>
#include <nanomsg/reqrep.h>
#include <nanomsg/survey.h>
#include <nanomsg/tcp.h>
#include <nanomsg/ws.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>

namespace millrace {

namespace options {

/// An option whose value is a T: int, bool, std::chrono::milliseconds or std::string.
template <class T>
struct option {
    int level;
    int number;
};

using std::chrono::milliseconds;

// Generic. Defaults and ranges are told in nanomsg/nn.h.
inline constexpr option<milliseconds> linger{NN_SOL_SOCKET, NN_LINGER};
inline constexpr option<int> send_buffer{NN_SOL_SOCKET, NN_SNDBUF};
inline constexpr option<int> recv_buffer{NN_SOL_SOCKET, NN_RCVBUF};
inline constexpr option<milliseconds> send_timeout{NN_SOL_SOCKET, NN_SNDTIMEO};
inline constexpr option<milliseconds> recv_timeout{NN_SOL_SOCKET, NN_RCVTIMEO};
inline constexpr option<milliseconds> reconnect_interval{NN_SOL_SOCKET, NN_RECONNECT_IVL};
inline constexpr option<milliseconds> reconnect_interval_max{NN_SOL_SOCKET, NN_RECONNECT_IVL_MAX};
inline constexpr option<int> send_priority{NN_SOL_SOCKET, NN_SNDPRIO};
inline constexpr option<int> recv_priority{NN_SOL_SOCKET, NN_RCVPRIO};
inline constexpr option<bool> ipv4_only{NN_SOL_SOCKET, NN_IPV4ONLY};
inline constexpr option<std::string> name{NN_SOL_SOCKET, NN_SOCKET_NAME};
/// Bytes; -1 for no limit.
inline constexpr option<int> recv_max_size{NN_SOL_SOCKET, NN_RCVMAXSIZE};
inline constexpr option<int> max_ttl{NN_SOL_SOCKET, NN_MAXTTL};
inline constexpr option<bool> spin{NN_SOL_SOCKET, NN_SPIN};
/// These are told in millrace/options.h.
inline constexpr option<milliseconds> connect_timeout{NN_SOL_SOCKET, NN_CONNECT_TIMEOUT};
inline constexpr option<milliseconds> keepalive{NN_SOL_SOCKET, NN_KEEPALIVE};
/// socket::recv_raw tells who sent a message (millrace/peer.h).
inline constexpr option<bool> recv_peer{NN_SOL_SOCKET, NN_RECV_PEER};
inline constexpr option<std::string> accept_from{NN_SOL_SOCKET, NN_ACCEPT_FROM};
inline constexpr option<int> accept_max{NN_SOL_SOCKET, NN_ACCEPT_MAX};
inline constexpr option<int> dscp{NN_SOL_SOCKET, NN_DSCP};
inline constexpr option<std::string> bind_device{NN_SOL_SOCKET, NN_BIND_DEVICE};
inline constexpr option<milliseconds> tcp_user_timeout{NN_SOL_SOCKET, NN_TCP_USER_TIMEOUT};
inline constexpr option<int> ipc_mode{NN_IPC, NN_IPC_MODE};
inline constexpr option<int> ipc_owner{NN_IPC, NN_IPC_OWNER};
inline constexpr option<int> ipc_group{NN_IPC, NN_IPC_GROUP};

inline constexpr option<bool> coalesce{NN_SOL_SOCKET, NN_COALESCE};
/// These are told in millrace/tls.h; those that end in _file are the names of files, and cannot be read, nor can tls_key.
inline constexpr option<std::string> tls_cert{NN_TLS, NN_TLS_CERT};
inline constexpr option<std::string> tls_cert_file{NN_TLS, NN_TLS_CERT_FILE};
inline constexpr option<std::string> tls_key{NN_TLS, NN_TLS_KEY};
inline constexpr option<std::string> tls_key_file{NN_TLS, NN_TLS_KEY_FILE};
inline constexpr option<std::string> tls_ca{NN_TLS, NN_TLS_CA};
inline constexpr option<std::string> tls_ca_file{NN_TLS, NN_TLS_CA_FILE};
inline constexpr option<std::string> tls_server_name{NN_TLS, NN_TLS_SERVER_NAME};
inline constexpr option<int> tls_auth{NN_TLS, NN_TLS_AUTH};
inline constexpr option<int> tls_min_version{NN_TLS, NN_TLS_MIN_VERSION};
inline constexpr option<bool> tls_insecure_no_verification{NN_TLS, NN_TLS_INSECURE_NO_VERIFICATION};

// Read only.
inline constexpr option<int> domain{NN_SOL_SOCKET, NN_DOMAIN};
inline constexpr option<int> protocol{NN_SOL_SOCKET, NN_PROTOCOL};
inline constexpr option<std::string> last_endpoint{NN_SOL_SOCKET, NN_LAST_ENDPOINT};

// Of one protocol.
inline constexpr option<std::string> subscribe{NN_SUB, NN_SUB_SUBSCRIBE};
inline constexpr option<std::string> unsubscribe{NN_SUB, NN_SUB_UNSUBSCRIBE};
inline constexpr option<milliseconds> resend_interval{NN_REQ, NN_REQ_RESEND_IVL};
inline constexpr option<milliseconds> survey_deadline{NN_SURVEYOR, NN_SURVEYOR_DEADLINE};

// Of one transport.
inline constexpr option<bool> tcp_no_delay{NN_TCP, NN_TCP_NODELAY};
/// NN_WS_MSG_TYPE_TEXT or NN_WS_MSG_TYPE_BINARY.
inline constexpr option<int> ws_message_type{NN_WS, NN_WS_MSG_TYPE};

}  // namespace options

namespace detail {

/// Whether a number is one that an option can have: others would be cut off on the way.
template <class Number>
constexpr bool fits(Number number) noexcept {
    using limits = std::numeric_limits<int>;
    if constexpr (std::is_enum_v<Number>) return fits(static_cast<std::underlying_type_t<Number>>(number));
    else if constexpr (std::is_unsigned_v<Number>) return static_cast<unsigned long long>(number) <= limits::max();
    else return static_cast<long long>(number) >= limits::min() && static_cast<long long>(number) <= limits::max();
}

/// How a value of an option goes in and comes out.
template <class T>
struct option_value;

template <>
struct option_value<int> {
    int raw = 0;
    option_value() = default;
    explicit option_value(int value) : raw(value) {}
    const void* data() const { return &raw; }
    std::size_t size() const { return sizeof raw; }
    void* room() { return &raw; }
    /// Makes room if the value has more bytes than it got: then it is to be asked for again.
    bool enlarge(std::size_t) { return false; }
    int value(std::size_t) const { return raw; }
};

template <>
struct option_value<bool> : option_value<int> {
    option_value() = default;
    explicit option_value(bool value) : option_value<int>(value ? 1 : 0) {}
    bool value(std::size_t) const { return raw != 0; }
};

template <>
struct option_value<std::chrono::milliseconds> : option_value<int> {
    option_value() = default;
    /// The C library's -1 is forever, too: an option is not what is left of a time.
    template <class Rep, class Period>
    explicit option_value(std::chrono::duration<Rep, Period> value)
        : option_value<int>(value < value.zero() ? -1 : time_limit(value).milliseconds()) {}
    std::chrono::milliseconds value(std::size_t) const { return raw < 0 ? forever : std::chrono::milliseconds(raw); }
};

template <>
struct option_value<std::string> {
    std::string raw;
    option_value() : raw(256, '\0') {}
    explicit option_value(std::string value) : raw(static_cast<std::string&&>(value)) {}
    const void* data() const { return raw.data(); }
    std::size_t size() const { return raw.size(); }
    void* room() { return raw.data(); }
    bool enlarge(std::size_t size) {
        if (size <= raw.size()) return false;
        raw.resize(size);
        return true;
    }
    std::string value(std::size_t size) const { return raw.substr(0, size); }
};

}  // namespace detail
}  // namespace millrace

#endif
