// SPDX-License-Identifier: MIT
//
// Coroutines in an event loop of the program's own, here around epoll(7): all that is asked of it is add and remove. (With post, as poll_loop has
// it, coroutines that never have to wait would let each other go on.)
//
//     c++ -std=c++20 epoll.cpp -lnanomsg && ./a.out
//
// prints three answers, in the order in which they are asked for.
#ifndef __cpp_impl_coroutine
#error "coroutines are C++20: compile with -std=c++20"
#endif
#include <millrace/coroutine.hpp>
#include <millrace/nanomsg.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <iostream>
#include <map>
#include <utility>

class epoll_loop {
public:
    epoll_loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
    ~epoll_loop() { close(epoll_); }
    epoll_loop(const epoll_loop&) = delete;
    epoll_loop& operator=(const epoll_loop&) = delete;

    // Several may wait for one descriptor; the kernel is told of the first and forgets after the last.
    void add(int fd, millrace::waiter& who) {
        if (waiting_.count(fd) == 0) {
            epoll_event wanted{};
            wanted.events = EPOLLIN;
            wanted.data.fd = fd;
            epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &wanted);
        }
        waiting_.emplace(fd, &who);
    }
    void remove(int fd, millrace::waiter& who) {
        auto [at, end] = waiting_.equal_range(fd);
        while (at != end && at->second != &who) ++at;
        if (at != end) waiting_.erase(at);
        if (waiting_.count(fd) == 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    }

    void run(millrace::task<> main) {
        main.start();
        while (!main.is_done()) {
            epoll_event ready;
            if (epoll_wait(epoll_, &ready, 1, -1) != 1) continue;
            millrace::waiter& who = *waiting_.find(ready.data.fd)->second;
            remove(ready.data.fd, who);
            who.ready();
        }
        main.result();
    }

private:
    int epoll_;
    std::multimap<int, millrace::waiter*> waiting_;
};
static_assert(millrace::executor<epoll_loop>);

static millrace::task<> serve(epoll_loop& loop, millrace::rep& server) {
    for (;;) {
        const millrace::message question = co_await millrace::recv(loop, server);
        co_await millrace::send(loop, server, std::string(question.view()) + "!");
    }
}

static millrace::task<> ask(epoll_loop& loop, millrace::req& client) {
    for (const char* word : {"one", "two", "three"}) {
        co_await millrace::send(loop, client, word);
        std::cout << (co_await millrace::recv(loop, client)).view() << "\n";
    }
}

int main() {
    millrace::rep server;
    millrace::req client;
    server.bind("inproc://epoll");
    client.connect("inproc://epoll");
    epoll_loop loop;
    millrace::task<> serving = serve(loop, server);
    serving.start();
    loop.run(ask(loop, client));
    return 0;
}
