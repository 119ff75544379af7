// SPDX-License-Identifier: MIT
#include "check.hpp"

#include <millrace/coroutine.hpp>
#include <millrace/nanomsg.hpp>

#include <atomic>
#include <thread>

namespace mr = millrace;

static mr::task<int> ask(mr::poll_loop& loop, mr::req& client, int rounds) {
    int sum = 0;
    for (int i = 0; i < rounds; i++) {
        co_await mr::send(loop, client, mr::const_buffer(&i, sizeof i));
        mr::message answer = co_await mr::recv(loop, client);
        int doubled = 0;
        std::memcpy(&doubled, answer.data(), sizeof doubled);
        CHECK(doubled == 2 * i);
        sum += doubled;
    }
    co_return sum;
}

static mr::task<> serve(mr::poll_loop& loop, mr::rep& server) {
    for (;;) {
        mr::message question = co_await mr::recv(loop, server);
        int number = 0;
        std::memcpy(&number, question.data(), sizeof number);
        number *= 2;
        co_await mr::send(loop, server, mr::const_buffer(&number, sizeof number));
    }
}

static void both_ends_in_one_thread() {
    const std::string address = fresh_address("ipc");
    mr::rep server;
    mr::req client;
    server.bind(address);
    client.connect(address);
    mr::poll_loop loop;
    loop.spawn(serve(loop, server));
    CHECK(loop.run(ask(loop, client, 1000)) == 999 * 1000);
}

static mr::task<> take(mr::poll_loop& loop, mr::pull& from, int& taken) {
    for (;;) {
        mr::message got = co_await mr::recv(loop, from);
        taken++;
    }
}

static mr::task<> fail(mr::poll_loop& loop, mr::rep& server) {
    co_await mr::send(loop, server, "an answer to nothing");
}

static mr::task<int> survive(mr::poll_loop& loop, mr::rep& server) {
    try {
        co_await fail(loop, server);
    } catch (const mr::error& caught) {
        co_return caught.code() == mr::errc::wrong_state ? 1 : 2;
    }
    co_return 3;
}

/// A coroutine that is destroyed while it waits has not taken the next message.
static void cancelling_loses_nothing() {
    const std::string address = fresh_address();
    mr::push to;
    mr::pull from;
    from.bind(address);
    to.connect(address);
    int taken = 0;
    {
        mr::poll_loop loop;
        loop.spawn(take(loop, from, taken));
    }
    to.send("still there");
    CHECK(taken == 0);
    CHECK(from.recv().view() == "still there");
}

static void exceptions_reach_who_awaits() {
    mr::rep server;
    mr::poll_loop loop;
    CHECK(loop.run(survive(loop, server)) == 1);
}

static mr::task<> flood(mr::poll_loop& loop, mr::pub& to, const bool& enough) {
    while (!enough) co_await mr::send(loop, to, "x");
}

static mr::task<> note(mr::poll_loop& loop, mr::pair& from, bool& noted) {
    co_await mr::recv(loop, from);
    noted = true;
}

/// What need not wait lets the others go on all the same.
static void nobody_keeps_the_loop() {
    const std::string address = fresh_address();
    mr::pub to;
    mr::pair left, right;
    left.bind(address);
    right.connect(address);
    mr::poll_loop loop;
    bool noted = false;
    loop.spawn(note(loop, left, noted));
    right.send("here");
    loop.run(flood(loop, to, noted));
    CHECK(noted);
    // Destroyed while it waits for its turn.
    const bool never = false;
    mr::task<> work = flood(loop, to, never);
    work.start();
}

static mr::task<int> at_once(int number) { co_return number; }

static mr::task<int> receives(mr::poll_loop& loop, mr::pair& socket) {
    const mr::message got = co_await mr::recv(loop, socket);
    co_return static_cast<int>(got.size());
}

static mr::task<int> awaits(mr::task<int>& started) { co_return co_await started; }

static mr::task<long> sum(int count) {
    long all = 0;
    for (int i = 0; i < count; i++) all += co_await at_once(1);
    co_return all;
}

static void tasks_may_be_started_before_they_are_awaited() {
    const std::string address = fresh_address("inproc");
    mr::pair one, other;
    one.bind(address);
    other.connect(address);
    mr::poll_loop loop;
    mr::task<int> waiting = receives(loop, one);
    waiting.start();
    CHECK(!waiting.is_done());
    other.send("four");
    CHECK(loop.run(awaits(waiting)) == 4);
    mr::task<int> done = at_once(7);
    done.start();
    CHECK(done.is_done() && loop.run(awaits(done)) == 7);
    // No stack is needed for each, however the compiler makes calls.
    CHECK(loop.run(sum(1000000)) == 1000000);
}

/// Goes on on the other thread.
struct elsewhere {
    std::atomic<void*>& place;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> who) noexcept { place = who.address(); }
    void await_resume() noexcept {}
};

static mr::task<int> ends_elsewhere(std::atomic<void*>& place) {
    co_await elsewhere{place};
    co_return 1;
}

static mr::task<> awaits_after(unsigned pause, std::atomic<void*>& place, std::atomic<long>& done) {
    mr::task<int> work = ends_elsewhere(place);
    work.start();
    for (volatile unsigned n = 0; n < pause;) n = n + 1;
    done += co_await work;
}

/// Whichever comes first: that a task ends on one thread, or that it is awaited on another.
static void tasks_may_end_while_their_caller_begins_to_await_them() {
    std::atomic<void*> place{nullptr};
    std::atomic<long> done{0};
    std::atomic<long> resumed{0};
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) {
            if (void* const who = place.exchange(nullptr)) {
                std::coroutine_handle<>::from_address(who).resume();
                resumed++;
            } else {
                std::this_thread::yield();
            }
        }
    });
    unsigned random = 1;
    for (long turn = 1; turn <= 30000; turn++) {
        random = random * 1664525 + 1013904223;
        mr::task<> caller = awaits_after(random >> 26, place, done);
        caller.start();
        while (resumed < turn) std::this_thread::yield();
        CHECK(done == turn);
    }
    stop = true;
    other.join();
}

int main() {
    tasks_may_end_while_their_caller_begins_to_await_them();
    tasks_may_be_started_before_they_are_awaited();
    both_ends_in_one_thread();
    cancelling_loses_nothing();
    exceptions_reach_who_awaits();
    nobody_keeps_the_loop();
    return 0;
}
