// SPDX-License-Identifier: MIT
//
// co_await on sockets (C++20), with any event loop: what is asked of it is in the concept `executor`. poll_loop is one
// that needs nothing else.
#ifndef MILLRACE_COROUTINE_HPP
#define MILLRACE_COROUTINE_HPP

#include <millrace/socket.hpp>

#if defined(__cpp_impl_coroutine) && defined(__cpp_concepts)
#define MILLRACE_HAS_COROUTINES 1

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <deque>
#include <exception>
#include <memory>
#include <variant>
#include <vector>

namespace millrace {

/// Who waits for a descriptor. An executor calls ready() once the descriptor is readable, from its loop.
class waiter {
public:
    virtual void ready() = 0;

protected:
    ~waiter() = default;
};

/// An event loop. add: call who.ready() once, when fd is readable (level-triggered). remove: do not, if that is still
/// to come. Both are called from the loop's own thread.
///
/// It may have post(who), too: call who.ready() once, in the loop's next turn; remove(-1, who) takes that back. Then a coroutine whose
/// operations need not wait lets the others go on after 256 of them; without, it keeps the loop for itself.
template <class Loop>
concept executor = requires(Loop& loop, int fd, waiter& who) {
    loop.add(fd, who);
    loop.remove(fd, who);
};

namespace detail {

/// Whether this thread has gone so far without waiting that others are due.
inline bool is_turn_due() noexcept {
    static thread_local int at_once = 0;
    constexpr int patience = 256;
    if (++at_once < patience) return false;
    at_once = 0;
    return true;
}

/// An operation that is tried at once, and again whenever the socket's descriptor says that it may go on.
template <executor Loop, class Operation>
class awaitable final : waiter {
public:
    awaitable(Loop& loop, Operation operation, std::error_code* told)
        : loop_(loop), operation_(std::move(operation)), told_(told) {}
    awaitable(const awaitable&) = delete;
    awaitable& operator=(const awaitable&) = delete;

    // A coroutine that is destroyed while it waits has taken no message.
    ~awaitable() {
        if (waits_) loop_.remove(fd_, *this);
    }

    bool await_ready() {
        done_ = attempt();
        if constexpr (requires(Loop& loop, waiter& who) { loop.post(who); }) return done_ && !is_turn_due();
        else return done_;
    }
    bool await_suspend(std::coroutine_handle<> caller) {
        if constexpr (requires(Loop& loop, waiter& who) { loop.post(who); }) {
            if (done_) {
                caller_ = caller;
                waits_ = true;
                loop_.post(*this);
                return true;
            }
        }
        // Who never waits never has the library's own thread serve the socket.
        fd_ = operation_.fd(code_);
        if (fd_ < 0) return false;
        caller_ = caller;
        wait();
        return true;
    }
    auto await_resume() {
        if (told_ != nullptr) *told_ = code_;
        else detail::raise(code_, Operation::name);
        return operation_.result();
    }

private:
    void ready() override {
        waits_ = false;
        if (done_ || attempt()) return caller_.resume();
        // Somebody else was faster.
        wait();
    }
    bool attempt() {
        operation_(code_);
        return code_ != std::errc::resource_unavailable_try_again;
    }
    void wait() {
        waits_ = true;
        loop_.add(fd_, *this);
    }

    Loop& loop_;
    int fd_ = -1;
    Operation operation_;
    std::error_code* told_;
    std::error_code code_;
    std::coroutine_handle<> caller_;
    bool waits_ = false;
    bool done_ = false;
};

struct recv_operation {
    static constexpr const char* name = "nn_recv";
    socket& from;
    message got{};
    int fd(std::error_code& code) const { return from.recv_fd(code); }
    void operator()(std::error_code& code) { got = from.recv(code, wait::no); }
    message result() { return std::move(got); }
};

struct send_operation {
    static constexpr const char* name = "nn_send";
    socket& to;
    message whole;
    int fd(std::error_code& code) const { return to.send_fd(code); }
    void operator()(std::error_code& code) { to.send(std::move(whole), code, wait::no); }
    void result() {}
};

}  // namespace detail

/// co_await recv(loop, socket): the next message. What is there is taken without waiting, and a coroutine that is destroyed
/// while it waits loses none. The socket must stay open meanwhile.
template <executor Loop>
auto recv(Loop& loop, socket& from) {
    return detail::awaitable<Loop, detail::recv_operation>(loop, detail::recv_operation{from}, nullptr);
}
/// Without an exception: code is set when the co_await ends, and the message is empty if it fails. The code must live until then.
template <executor Loop>
auto recv(Loop& loop, socket& from, std::error_code& code) {
    return detail::awaitable<Loop, detail::recv_operation>(loop, detail::recv_operation{from}, &code);
}

/// co_await send(loop, socket, message): ends when the socket has accepted the message.
template <executor Loop>
auto send(Loop& loop, socket& to, message whole) {
    return detail::awaitable<Loop, detail::send_operation>(loop, detail::send_operation{to, std::move(whole)}, nullptr);
}
template <executor Loop>
auto send(Loop& loop, socket& to, message whole, std::error_code& code) {
    return detail::awaitable<Loop, detail::send_operation>(loop, detail::send_operation{to, std::move(whole)}, &code);
}

/// The same for a copy of bytes.
template <executor Loop>
auto send(Loop& loop, socket& to, const_buffer bytes) {
    return send(loop, to, message(bytes));
}
template <executor Loop>
auto send(Loop& loop, socket& to, const_buffer bytes, std::error_code& code) {
    return send(loop, to, message(bytes), code);
}

/// A coroutine that gives a T to whoever awaits it, or an exception. It starts when it is awaited, or by poll_loop::run.
template <class T = void>
class task;

namespace detail {

struct promise_base {
    enum progress { under_way, awaited, ended };
    std::coroutine_handle<> caller = std::noop_coroutine();
    /// It may end on another thread while its caller is about to wait for it: who comes second sees to the caller.
    std::atomic<int> state{under_way};
    bool started = false;

    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
        struct resume_caller {
            bool await_ready() noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<>) noexcept {
                // Who is awaited goes when its caller does, which sleeps. Who is not may go as soon as its caller knows, so nothing is looked at then.
                if (ending->state.exchange(ended) == awaited) return ending->caller;
                return std::noop_coroutine();
            }
            void await_resume() noexcept {}
            promise_base* ending;
        };
        return resume_caller{this};
    }
};

template <class T>
struct promise : promise_base {
    std::variant<std::monostate, T, std::exception_ptr> outcome;

    task<T> get_return_object();
    void return_value(T value) { outcome.template emplace<1>(std::move(value)); }
    void unhandled_exception() { outcome.template emplace<2>(std::current_exception()); }
    T result() {
        if (outcome.index() == 2) std::rethrow_exception(std::get<2>(outcome));
        return std::move(std::get<1>(outcome));
    }
};

template <>
struct promise<void> : promise_base {
    std::exception_ptr failure;

    task<void> get_return_object();
    void return_void() {}
    void unhandled_exception() { failure = std::current_exception(); }
    void result() {
        if (failure) std::rethrow_exception(failure);
    }
};

}  // namespace detail

template <class T>
class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle coroutine) noexcept : coroutine_(coroutine) {}
    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~task() {
        if (coroutine_) coroutine_.destroy();
    }

    bool await_ready() const noexcept { return coroutine_.promise().state == promise_type::ended; }
    /// False: it has ended without waiting, and the caller goes on. (Not by a handle: compilers that make no tail calls would need more stack
    /// for each.)
    bool await_suspend(std::coroutine_handle<> caller) noexcept {
        promise_type& promise = coroutine_.promise();
        promise.caller = caller;
        start();
        return promise.state.exchange(promise_type::awaited) != promise_type::ended;
    }
    T await_resume() { return coroutine_.promise().result(); }

    /// Runs until the coroutine first waits, unless it has been started. It may be awaited later.
    void start() {
        if (!std::exchange(coroutine_.promise().started, true)) coroutine_.resume();
    }
    bool is_done() const noexcept { return coroutine_.done(); }
    /// The result of a task that is done.
    T result() { return coroutine_.promise().result(); }

private:
    handle coroutine_;
};

template <class T>
task<T> detail::promise<T>::get_return_object() {
    return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
inline task<void> detail::promise<void>::get_return_object() {
    return task<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

/// A loop around poll(2), for one thread.
class poll_loop {
public:
    void add(int fd, waiter& who) {
        fds_.push_back({fd, POLLIN, 0});
        waiters_.push_back(&who);
    }
    void remove(int, waiter& who) {
        const auto at = std::find(waiters_.begin(), waiters_.end(), &who);
        if (at != waiters_.end()) take(static_cast<std::size_t>(at - waiters_.begin()));
        posted_.erase(std::remove(posted_.begin(), posted_.end(), &who), posted_.end());
    }
    void post(waiter& who) { posted_.push_back(&who); }

    /// Starts a task that runs by itself until it is done or the loop is destroyed. Its exception ends run().
    void spawn(task<void> work) {
        work.start();
        running_.push_back(std::move(work));
    }

    /// Runs until every spawned task is done.
    void run() {
        for (reap(); !running_.empty(); reap()) turn();
    }

    /// Runs a task, and what was spawned beside it, until the task is done; gives its result.
    template <class T>
    T run(task<T> main) {
        main.start();
        while (!main.is_done()) {
            turn();
            reap();
        }
        return main.result();
    }

    poll_loop() = default;
    poll_loop(const poll_loop&) = delete;
    poll_loop& operator=(const poll_loop&) = delete;

private:
    void turn() {
        if (::poll(fds_.data(), static_cast<nfds_t>(fds_.size()), posted_.empty() ? -1 : 0) < 0) {
            if (errno == EINTR) return;
            detail::throw_or_end(std::system_error(errno, std::generic_category(), "poll"));
        }
        // A waiter that is told may add and remove others, so one at a time is looked for.
        for (std::size_t i = 0; i < fds_.size();) {
            if (fds_[i].revents == 0) {
                i++;
                continue;
            }
            waiter* who = take(i);
            who->ready();
            i = 0;
        }
        // What is posted from now on is for the next turn.
        for (std::size_t count = posted_.size(); count > 0 && !posted_.empty(); count--) {
            waiter* who = posted_.front();
            posted_.pop_front();
            who->ready();
        }
    }
    waiter* take(std::size_t at) {
        waiter* who = waiters_[at];
        fds_[at] = fds_.back();
        waiters_[at] = waiters_.back();
        fds_.pop_back();
        waiters_.pop_back();
        return who;
    }
    void reap() {
        for (std::size_t i = 0; i < running_.size();) {
            if (!running_[i].is_done()) {
                i++;
                continue;
            }
            task<void> done = std::move(running_[i]);
            running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
            done.result();
        }
    }

    std::vector<pollfd> fds_;
    std::vector<waiter*> waiters_;
    std::deque<waiter*> posted_;
    // Destroyed first: coroutines that still wait take themselves off the lists.
    std::vector<task<void>> running_;
};

}  // namespace millrace

#endif  // coroutines
#endif
