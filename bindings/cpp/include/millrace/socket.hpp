// SPDX-License-Identifier: MIT
//
// Sockets. Every function may be called from any thread, also several at a time on one socket, but for moving, closing
// and destroying it.
//
// Functions that can fail come in two forms, as in std::filesystem: one throws millrace::error, the other has a parameter
// std::error_code&, before one that says whether to wait, and throws nothing but std::bad_alloc. Instead of try_send and
// try_recv that is the other form with wait::no, whose code is std::errc::resource_unavailable_try_again then.
#ifndef MILLRACE_SOCKET_HPP
#define MILLRACE_SOCKET_HPP

#include <millrace/buffer.hpp>
#include <millrace/context.h>
#include <millrace/error.hpp>
#include <millrace/message.hpp>
#include <millrace/options.hpp>
#include <nanomsg/bus.h>
#include <nanomsg/pair.h>
#include <nanomsg/pipeline.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

namespace millrace {

/// What a socket is for.
enum class protocol : int {
    pair = NN_PAIR,
    pub = NN_PUB,
    sub = NN_SUB,
    req = NN_REQ,
    rep = NN_REP,
    push = NN_PUSH,
    pull = NN_PULL,
    surveyor = NN_SURVEYOR,
    respondent = NN_RESPONDENT,
    bus = NN_BUS,
};

/// Raw sockets leave the protocol's state and headers to the application.
enum class domain : int { sp = AF_SP, raw = AF_SP_RAW };

/// Whether a call may wait, up to the socket's send_timeout or recv_timeout.
enum class wait : int { yes = 0, no = NN_DONTWAIT };

/// One address that a socket is bound or connected to. It refers to the socket and is good as long as that is open.
class endpoint {
public:
    endpoint(int socket, int id) noexcept : socket_(socket), id_(id) {}
    int id() const noexcept { return id_; }

    /// Takes the address away from the socket.
    void close() { detail::check(nn_shutdown(socket_, id_), "nn_shutdown"); }
    void close(std::error_code& code) noexcept { detail::succeeded(nn_shutdown(socket_, id_), code); }

private:
    int socket_;
    int id_;
};

/// The other end of a connection (millrace/peer.h).
struct peer {
    /// The number of the connection, which its events have too (event::connection).
    std::uint64_t pipe = 0;
    /// "127.0.0.1:40123"; over ipc the process in words; empty if it is not known.
    std::string address;
    /// The process, over ipc and its like.
    std::optional<nnx_process> process;
    /// Whom the certificate names, over TLS; empty if there is none.
    std::string subject;
};

/// A message with what belongs to it: the protocol's header, which is empty unless the socket is raw, and the body.
struct raw_message {
    message header;
    message body;
    /// Who sent it, where options::recv_peer is on. It does not matter for sending.
    std::optional<millrace::peer> from{};
};

class incoming;

/// A socket; closed when it is destroyed. Closing waits for what was accepted to be handed to the system, for at most
/// options::linger.
class socket {
public:
    explicit socket(millrace::protocol kind, millrace::domain domain = millrace::domain::sp)
        : handle_(detail::check(nn_socket(static_cast<int>(domain), static_cast<int>(kind)), "nn_socket")) {}

    /// The same without an exception; is_open() tells, too, whether there is a socket.
    socket(millrace::protocol kind, std::error_code& code, millrace::domain domain = millrace::domain::sp) noexcept
        : handle_(nn_socket(static_cast<int>(domain), static_cast<int>(kind))) {
        detail::succeeded(handle_, code);
    }

    socket(socket&& other) noexcept : handle_(std::exchange(other.handle_, none)) {}
    socket& operator=(socket&& other) noexcept {
        if (this != &other) {
            close_quietly();
            handle_ = std::exchange(other.handle_, none);
        }
        return *this;
    }
    ~socket() { close_quietly(); }

    /// Takes over a socket of nn_socket.
    static socket adopt(int handle) noexcept {
        socket taken;
        taken.handle_ = handle;
        return taken;
    }

    /// The number that C functions take; -1 for a socket that is closed or was moved from.
    int handle() const noexcept { return handle_; }
    bool is_open() const noexcept { return handle_ >= 0; }

    /// The number, which the caller closes from now on.
    int release() noexcept { return std::exchange(handle_, none); }

    /// Closes the socket now. Other threads that wait in it fail with std::errc::bad_file_descriptor. Over nanomsg's own library a
    /// signal may end waiting for what lingers (std::errc::interrupted): the socket is open still, and may be closed again.
    void close() {
        std::error_code code;
        close(code);
        detail::raise(code, "nn_close");
    }
    void close(std::error_code& code) noexcept {
        detail::succeeded(nn_close(handle_), code);
        if (code != std::errc::interrupted) handle_ = none;
    }

    /// Listens at an address, as tcp://127.0.0.1:5555, or connects to one, again and again if connections are lost; any number of both.
    endpoint bind(const std::string& address) {
        return {handle_, detail::check(nn_bind(handle_, address.c_str()), address.c_str())};
    }
    endpoint connect(const std::string& address) {
        return {handle_, detail::check(nn_connect(handle_, address.c_str()), address.c_str())};
    }
    /// Without an exception; the endpoint is good for nothing if it fails.
    endpoint bind(const std::string& address, std::error_code& code) noexcept {
        const int id = nn_bind(handle_, address.c_str());
        detail::succeeded(id, code);
        return {handle_, id};
    }
    endpoint connect(const std::string& address, std::error_code& code) noexcept {
        const int id = nn_connect(handle_, address.c_str());
        detail::succeeded(id, code);
        return {handle_, id};
    }

    // ---- sending

    /// Sends a copy of bytes.
    void send(const_buffer bytes, wait may_wait = wait::yes) {
        detail::check(nn_send(handle_, bytes_of(bytes), bytes.size(), flag(may_wait)), "nn_send");
    }
    void send(const_buffer bytes, std::error_code& code, wait may_wait = wait::yes) noexcept {
        detail::succeeded(nn_send(handle_, bytes_of(bytes), bytes.size(), flag(may_wait)), code);
    }

    /// Hands a message over without copying it. It is empty then; if sending fails it is as it was.
    void send(message&& whole, wait may_wait = wait::yes) { detail::check(hand_over(whole, may_wait), "nn_send"); }
    void send(message&& whole, std::error_code& code, wait may_wait = wait::yes) noexcept {
        detail::succeeded(hand_over(whole, may_wait), code);
    }

    /// Sends one message that consists of several parts.
    void send_gather(std::initializer_list<const_buffer> parts, wait may_wait = wait::yes) {
        send_gather(parts.begin(), parts.size(), may_wait);
    }
    void send_gather(std::initializer_list<const_buffer> parts, std::error_code& code, wait may_wait = wait::yes) {
        send_gather(parts.begin(), parts.size(), code, may_wait);
    }
    void send_gather(const const_buffer* parts, std::size_t count, wait may_wait = wait::yes);
    void send_gather(const const_buffer* parts, std::size_t count, std::error_code& code, wait may_wait = wait::yes);

    /// Sends at once or not at all: false if it would have to wait.
    bool try_send(const_buffer bytes) { return would_not_block([&](auto& code) { send(bytes, code, wait::no); }); }
    bool try_send(message&& whole) {
        return would_not_block([&](auto& code) { send(std::move(whole), code, wait::no); });
    }

    /// Sends a message of a raw socket with its header. It is empty then; if sending fails it is as it was.
    void send(raw_message&& whole, wait may_wait = wait::yes);
    void send(raw_message&& whole, std::error_code& code, wait may_wait = wait::yes);

    /// Sends a message to one peer alone, by the number of its connection (peer::pipe), and waits while that peer takes no more. Fails with
    /// std::errc::host_unreachable if it is not there, or no more (millrace/peer.h).
    void send_to(std::uint64_t pipe, const_buffer bytes, wait may_wait = wait::yes);
    void send_to(std::uint64_t pipe, const_buffer bytes, std::error_code& code, wait may_wait = wait::yes);
    void send_to(std::uint64_t pipe, raw_message&& whole, wait may_wait = wait::yes);
    void send_to(std::uint64_t pipe, raw_message&& whole, std::error_code& code, wait may_wait = wait::yes);

    // ---- receiving

    /// Receives a message. With a signal handler of the program, waiting ends with std::errc::interrupted.
    message recv(wait may_wait = wait::yes) {
        void* block = nullptr;
        const int size = detail::check(nn_recv(handle_, &block, NN_MSG, flag(may_wait)), "nn_recv");
        return message::adopt(block, static_cast<std::size_t>(size));
    }
    message recv(std::error_code& code, wait may_wait = wait::yes) noexcept {
        void* block = nullptr;
        const int size = nn_recv(handle_, &block, NN_MSG, flag(may_wait));
        return detail::succeeded(size, code) ? message::adopt(block, static_cast<std::size_t>(size)) : message();
    }

    /// Receives into memory of the caller. Returns the message's size; if that is more than fits, the rest is lost.
    std::size_t recv(mutable_buffer into, wait may_wait = wait::yes) {
        return static_cast<std::size_t>(
            detail::check(nn_recv(handle_, into.data(), into.size(), flag(may_wait)), "nn_recv"));
    }
    std::size_t recv(mutable_buffer into, std::error_code& code, wait may_wait = wait::yes) noexcept {
        const int size = nn_recv(handle_, into.data(), into.size(), flag(may_wait));
        return detail::succeeded(size, code) ? static_cast<std::size_t>(size) : 0;
    }

    /// A message if one is there.
    std::optional<message> try_recv() {
        message got;
        if (!would_not_block([&](auto& code) { got = recv(code, wait::no); })) return std::nullopt;
        return got;
    }

    /// A message if one comes within so long, whatever the option recv_timeout says.
    std::optional<message> recv_for(time_limit time);
    std::optional<message> recv_for(time_limit time, std::error_code& code) noexcept;

    /// Receives a message of a raw socket with its header, or of any with who sent it.
    raw_message recv_raw(wait may_wait = wait::yes);
    raw_message recv_raw(std::error_code& code, wait may_wait = wait::yes);

    /// The messages that come, as a range: for (millrace::message& m : socket.messages()). It ends when the socket is
    /// closed or the library terminated, and when nothing came within recv_timeout; other errors are thrown.
    incoming messages() noexcept;

    // ---- contexts (millrace/context.h)

    /// A context: it asks, answers or subscribes over the connections of this socket as one of its own would, and is used as a
    /// socket is, but for what concerns connections. To be closed before or after the socket. Of req, rep, surveyor, respondent, sub.
    socket context() const { return adopt(detail::check(nnx_context(handle_), "nnx_context")); }
    socket context(std::error_code& code) const noexcept {
        const int made = nnx_context(handle_);
        detail::succeeded(made, code);
        return adopt(made);
    }

    /// Gives up the request or survey that was sent last, or the request that was received last.
    void cancel() { detail::check(nnx_cancel(handle_), "nnx_cancel"); }
    void cancel(std::error_code& code) noexcept { detail::succeeded(nnx_cancel(handle_), code); }

    // ---- options, statistics, descriptors

    /// Sets an option. A number that an int does not hold is std::errc::invalid_argument, as one that the option cannot have.
    template <class T, class Value>
    void set(options::option<T> option, const Value& value) {
        std::error_code code;
        set(option, value, code);
        detail::raise(code, "nn_setsockopt");
    }
    template <class T, class Value>
    void set(options::option<T> option, const Value& value, std::error_code& code) {
        if constexpr (std::is_same_v<T, int>) {
            static_assert(std::is_integral_v<Value> || std::is_enum_v<Value>, "this option is an integer");
            if (!detail::fits(value)) {
                code = code_of(EINVAL);
                return;
            }
        }
        // Another duration may hold more than that of the option: what makes the value of one cuts it off.
        using given = std::conditional_t<std::is_same_v<T, std::chrono::milliseconds>, const Value&, T>;
        const detail::option_value<T> raw{given(value)};
        set_raw(option.level, option.number, const_buffer(raw.data(), raw.size()), code);
    }
    template <class T>
    T get(options::option<T> option) const {
        std::error_code code;
        T value = get(option, code);
        detail::raise(code, "nn_getsockopt");
        return value;
    }
    template <class T>
    T get(options::option<T> option, std::error_code& code) const {
        detail::option_value<T> raw;
        std::size_t size = 0;
        do {
            size = raw.size();
            const int got = nn_getsockopt(handle_, option.level, option.number, raw.room(), &size);
            if (!detail::succeeded(got, code)) return T{};
        } while (raw.enlarge(size));
        return raw.value(size);
    }

    /// For options that have no name here.
    void set_raw(int level, int number, const_buffer value) {
        detail::check(nn_setsockopt(handle_, level, number, bytes_of(value), value.size()), "nn_setsockopt");
    }
    void set_raw(int level, int number, const_buffer value, std::error_code& code) noexcept {
        detail::succeeded(nn_setsockopt(handle_, level, number, bytes_of(value), value.size()), code);
    }

    /// A statistic by its number, as NN_STAT_MESSAGES_SENT.
    std::uint64_t statistic(int number) const {
        std::error_code code;
        const std::uint64_t value = statistic(number, code);
        detail::raise(code, "nn_get_statistic");
        return value;
    }
    /// Without an exception; all bits are set if it fails.
    std::uint64_t statistic(int number, std::error_code& code) const noexcept {
        const std::uint64_t value = nn_get_statistic(handle_, number);
        detail::succeeded(value == static_cast<std::uint64_t>(-1) ? -1 : 0, code);
        return value;
    }

    /// Descriptors that are readable while a message can be received, or sent. For poll and its like only: neither
    /// read, write nor close them. From the first use on the library's own thread serves the socket.
    int recv_fd() const { return get(rcvfd); }
    int send_fd() const { return get(sndfd); }
    int recv_fd(std::error_code& code) const { return descriptor(rcvfd, code); }
    int send_fd(std::error_code& code) const { return descriptor(sndfd, code); }

protected:
    static constexpr int none = -1;
    socket() noexcept = default;

private:
    static constexpr options::option<int> rcvfd{NN_SOL_SOCKET, NN_RCVFD};
    static constexpr options::option<int> sndfd{NN_SOL_SOCKET, NN_SNDFD};

    int descriptor(options::option<int> which, std::error_code& code) const {
        const int fd = get(which, code);
        return code ? none : fd;
    }

    static int flag(wait may_wait) noexcept { return static_cast<int>(may_wait); }

    /// An empty message has no address of its own, but the C function wants one.
    static const void* bytes_of(const_buffer bytes) noexcept { return bytes.data() == nullptr ? "" : bytes.data(); }

    int hand_over(message& whole, wait may_wait) noexcept {
        void* block = whole.data();
        if (block == nullptr) return nn_send(handle_, "", 0, flag(may_wait));
        const int size = nn_send(handle_, &block, NN_MSG, flag(may_wait));
        if (size >= 0) whole.release();
        return size;
    }

    template <class Attempt>
    static bool would_not_block(Attempt attempt) {
        std::error_code code;
        attempt(code);
        if (code == std::errc::resource_unavailable_try_again) return false;
        detail::raise(code, "nn_send or nn_recv");
        return true;
    }

    void close_quietly() noexcept {
        // A signal may end the wait for what lingers; the socket stays open then.
        while (handle_ >= 0 && nn_close(handle_) < 0 && nn_errno() == EINTR) {
        }
        handle_ = none;
    }

    int handle_ = none;
};

namespace detail {

/// Parts of one message as the C functions take them; a few fit without an allocation.
class iovecs {
public:
    iovecs(const const_buffer* parts, std::size_t count) {
        nn_iovec* at = few_;
        if (count > std::size(few_)) {
            many_ = new nn_iovec[count];
            at = many_;
        }
        for (std::size_t i = 0; i < count; i++) {
            at[i].iov_base = const_cast<void*>(parts[i].data());
            at[i].iov_len = parts[i].size();
        }
        header_.msg_iov = at;
        header_.msg_iovlen = static_cast<int>(count);
    }
    iovecs(const iovecs&) = delete;
    iovecs& operator=(const iovecs&) = delete;
    ~iovecs() { delete[] many_; }

    nn_msghdr* header() { return &header_; }

private:
    nn_msghdr header_{};
    nn_iovec few_[8] = {};
    nn_iovec* many_ = nullptr;
};

/// Adds a property to control data.
inline void add_property(message& control, int level, int type, const void* data, std::size_t size) {
    const std::size_t start = control.size();
    control.resize(start + NN_CMSG_SPACE(size));
    std::memset(control.data() + start, 0, control.size() - start);
    nn_cmsghdr head{};
    head.cmsg_len = NN_CMSG_LEN(size);
    head.cmsg_level = level;
    head.cmsg_type = type;
    std::memcpy(control.data() + start, &head, sizeof head);
    std::memcpy(control.data() + start + sizeof head, data, size);
}

/// Adds the protocol's header to control data: its length, and its bytes.
inline void add_header(message& control, const message& header) {
    const std::size_t size = header.size();
    message data(sizeof size + size);
    std::memcpy(data.data(), &size, sizeof size);
    if (size > 0) std::memcpy(data.data() + sizeof size, header.data(), size);
    add_property(control, PROTO_SP, SP_HDR, data.data(), data.size());
}

/// Reads a property of level NN_PEER.
inline void read_peer(peer& from, int type, const char* data) {
    if (type == NN_PEER_PIPE) std::memcpy(&from.pipe, data, sizeof from.pipe);
    if (type == NN_PEER_ADDRESS) from.address = data;
    if (type == NN_PEER_SUBJECT) from.subject = data;
    if (type == NN_PEER_PROCESS) {
        nnx_process process;
        std::memcpy(&process, data, sizeof process);
        from.process = process;
    }
}

inline bool send_with(int handle, const message& control, const_buffer body, int flags, std::error_code& code) {
    iovecs vectors(&body, 1);
    vectors.header()->msg_control = const_cast<std::byte*>(control.data());
    vectors.header()->msg_controllen = control.size();
    return succeeded(nn_sendmsg(handle, vectors.header(), flags), code);
}

}  // namespace detail

inline void socket::send_gather(const const_buffer* parts, std::size_t count, wait may_wait) {
    std::error_code code;
    send_gather(parts, count, code, may_wait);
    detail::raise(code, "nn_sendmsg");
}

inline void socket::send_gather(const const_buffer* parts, std::size_t count, std::error_code& code, wait may_wait) {
    detail::iovecs vectors(parts, count);
    detail::succeeded(nn_sendmsg(handle_, vectors.header(), flag(may_wait)), code);
}

inline void socket::send(raw_message&& whole, wait may_wait) {
    std::error_code code;
    send(std::move(whole), code, may_wait);
    detail::raise(code, "nn_sendmsg");
}

inline void socket::send(raw_message&& whole, std::error_code& code, wait may_wait) {
    message control;
    detail::add_header(control, whole.header);
    if (detail::send_with(handle_, control, whole.body, flag(may_wait), code)) whole = raw_message();
}

inline void socket::send_to(std::uint64_t pipe, const_buffer bytes, wait may_wait) {
    std::error_code code;
    send_to(pipe, bytes, code, may_wait);
    detail::raise(code, "nn_sendmsg");
}

inline void socket::send_to(std::uint64_t pipe, const_buffer bytes, std::error_code& code, wait may_wait) {
    message control;
    detail::add_property(control, NN_PEER, NN_PEER_SEND_TO, &pipe, sizeof pipe);
    detail::send_with(handle_, control, bytes, flag(may_wait), code);
}

inline void socket::send_to(std::uint64_t pipe, raw_message&& whole, wait may_wait) {
    std::error_code code;
    send_to(pipe, std::move(whole), code, may_wait);
    detail::raise(code, "nn_sendmsg");
}

inline void socket::send_to(std::uint64_t pipe, raw_message&& whole, std::error_code& code, wait may_wait) {
    message control;
    detail::add_header(control, whole.header);
    detail::add_property(control, NN_PEER, NN_PEER_SEND_TO, &pipe, sizeof pipe);
    if (detail::send_with(handle_, control, whole.body, flag(may_wait), code)) whole = raw_message();
}

inline std::optional<message> socket::recv_for(time_limit time) {
    std::error_code code;
    std::optional<message> got = recv_for(time, code);
    detail::raise(code, "nn_recv");
    return got;
}

inline std::optional<message> socket::recv_for(time_limit time, std::error_code& code) noexcept {
    using clock = std::chrono::steady_clock;
    const int limit = time.milliseconds();
    const clock::time_point end = clock::now() + std::chrono::milliseconds(limit);
    for (;;) {
        message got = recv(code, wait::no);
        if (!code) return got;
        if (code != std::errc::resource_unavailable_try_again) return std::nullopt;
        code.clear();
        int left = limit;
        if (limit >= 0) {
            left = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(end - clock::now()).count());
            if (left <= 0) return std::nullopt;
        }
        // Another thread may be faster in taking the message, so what counts is what recv says.
        nn_pollfd item{handle_, NN_POLLIN, 0};
        if (!detail::succeeded(nn_poll(&item, 1, left), code)) return std::nullopt;
    }
}

inline raw_message socket::recv_raw(wait may_wait) {
    std::error_code code;
    raw_message got = recv_raw(code, may_wait);
    detail::raise(code, "nn_recvmsg");
    return got;
}

inline raw_message socket::recv_raw(std::error_code& code, wait may_wait) {
    void* body = nullptr;
    void* control = nullptr;
    nn_iovec vector{&body, NN_MSG};
    nn_msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = &control;
    header.msg_controllen = NN_MSG;
    const int size = nn_recvmsg(handle_, &header, flag(may_wait));
    raw_message got;
    if (!detail::succeeded(size, code)) return got;
    got.body = message::adopt(body, static_cast<std::size_t>(size));
    const message block = message::adopt(control, 0);
    for (nn_cmsghdr* at = nn_cmsg_nxthdr_(&header, nullptr); at != nullptr; at = nn_cmsg_nxthdr_(&header, at)) {
        const char* data = reinterpret_cast<const char*>(at + 1);
        if (at->cmsg_level == NN_PEER) {
            if (!got.from) got.from.emplace();
            detail::read_peer(*got.from, at->cmsg_type, data);
        }
        if (at->cmsg_level != PROTO_SP || at->cmsg_type != SP_HDR) continue;
        std::size_t length = 0;
        std::memcpy(&length, data, sizeof length);
        got.header = message(const_buffer(data + sizeof length, length));
    }
    return got;
}

/// The range behind socket::messages().
class incoming {
public:
    explicit incoming(socket& from) noexcept : from_(&from) {}

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = message;
        using difference_type = std::ptrdiff_t;
        using pointer = message*;
        using reference = message&;

        iterator() noexcept = default;
        explicit iterator(incoming* range) : range_(range) { ++*this; }
        message& operator*() const noexcept { return range_->current_; }
        message* operator->() const noexcept { return &range_->current_; }
        iterator& operator++() {
            if (!range_->next()) range_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.range_ == b.range_; }
        friend bool operator!=(const iterator& a, const iterator& b) noexcept { return a.range_ != b.range_; }

    private:
        incoming* range_ = nullptr;
    };

    iterator begin() { return iterator(this); }
    iterator end() noexcept { return iterator(); }

private:
    bool next() {
        std::error_code code;
        current_ = from_->recv(code);
        if (code == std::errc::bad_file_descriptor || code == errc::terminated || code == std::errc::timed_out)
            return false;
        detail::raise(code, "nn_recv");
        return true;
    }

    socket* from_;
    message current_;
};

inline incoming socket::messages() noexcept { return incoming(*this); }

namespace detail {

/// A socket of one protocol.
template <protocol Kind>
class typed : public socket {
public:
    explicit typed(millrace::domain domain = millrace::domain::sp) : socket(Kind, domain) {}
    explicit typed(std::error_code& code, millrace::domain domain = millrace::domain::sp) noexcept
        : socket(Kind, code, domain) {}
};

}  // namespace detail

using pair = detail::typed<protocol::pair>;
using pub = detail::typed<protocol::pub>;
using req = detail::typed<protocol::req>;
using rep = detail::typed<protocol::rep>;
using push = detail::typed<protocol::push>;
using pull = detail::typed<protocol::pull>;
using surveyor = detail::typed<protocol::surveyor>;
using respondent = detail::typed<protocol::respondent>;
using bus = detail::typed<protocol::bus>;

/// Receives what begins with one of its topics; without a subscription, nothing.
class sub : public detail::typed<protocol::sub> {
public:
    using typed::typed;
    void subscribe(const std::string& topic) { set(options::subscribe, topic); }
    void subscribe(const std::string& topic, std::error_code& code) { set(options::subscribe, topic, code); }
    void unsubscribe(const std::string& topic) { set(options::unsubscribe, topic); }
    void unsubscribe(const std::string& topic, std::error_code& code) { set(options::unsubscribe, topic, code); }
};

}  // namespace millrace

#endif
