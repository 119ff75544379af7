// SPDX-License-Identifier: MIT
//
// Waiting for several sockets, and what passes messages between two.
#ifndef MILLRACE_POLL_HPP
#define MILLRACE_POLL_HPP

#include <millrace/socket.hpp>

#include <initializer_list>
#include <iterator>

namespace millrace {

/// A socket in a poll, what is waited for, and what has come. It refers to the socket.
class poll_item : public nn_pollfd {
public:
    enum : short { in = NN_POLLIN, out = NN_POLLOUT };

    explicit poll_item(const socket& which, short wanted = in) noexcept : nn_pollfd{which.handle(), wanted, 0} {}
    bool readable() const noexcept { return (revents & NN_POLLIN) != 0; }
    bool writable() const noexcept { return (revents & NN_POLLOUT) != 0; }
};
// An array of these is an array of what nn_poll takes.
static_assert(sizeof(poll_item) == sizeof(nn_pollfd));

/// Waits until something can be done with one of count sockets, for at most so long. Returns how many there are; 0 when the
/// time is over. With a signal handler of the program it fails with std::errc::interrupted.
inline std::size_t poll(poll_item* items, std::size_t count, time_limit time, std::error_code& code) noexcept {
    const int ready = nn_poll(items, static_cast<int>(count), time.milliseconds());
    code = ready < 0 ? last_error() : std::error_code();
    return ready < 0 ? 0 : static_cast<std::size_t>(ready);
}

/// The same for any contiguous container of poll_item.
template <class Items>
std::size_t poll(Items& items, time_limit time, std::error_code& code) noexcept {
    return poll(std::data(items), std::size(items), time, code);
}
template <class Items>
std::size_t poll(Items& items, time_limit time = forever) {
    std::error_code code;
    const std::size_t ready = poll(items, time, code);
    detail::raise(code, "nn_poll");
    return ready;
}

namespace detail {

inline void forward(int one, int other, std::error_code& code) noexcept {
    nn_device(one, other);
    code = last_error();
    if (code == std::errc::bad_file_descriptor || code == errc::terminated) code.clear();
}

}  // namespace detail

/// Passes messages between two raw sockets, both ways if they can. Each way ends when the socket is closed that it receives
/// from, and the device when all ways have ended, or when the library is terminated: that is no error. Others are thrown.
inline void device(socket& one, socket& other, std::error_code& code) noexcept {
    detail::forward(one.handle(), other.handle(), code);
}
inline void device(socket& one, socket& other) {
    std::error_code code;
    device(one, other, code);
    detail::raise(code, "nn_device");
}

/// Sends what a raw socket receives back to its peers, as BUS needs it, until it is closed.
inline void device(socket& one, std::error_code& code) noexcept { detail::forward(one.handle(), -1, code); }
inline void device(socket& one) {
    std::error_code code;
    device(one, code);
    detail::raise(code, "nn_device");
}

/// Ends the library: what waits fails with errc::terminated, and all sockets are to be closed.
inline void term() noexcept { nn_term(); }

}  // namespace millrace

#endif
