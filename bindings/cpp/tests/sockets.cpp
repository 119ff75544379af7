// SPDX-License-Identifier: MIT
#include "check.hpp"

#include <millrace/nanomsg.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#if __cplusplus >= 202002L
#include <ranges>
#include <span>
#endif
#include <thread>
#include <vector>

using namespace std::chrono_literals;
namespace mr = millrace;

static void request_and_reply() {
    const std::string address = fresh_address("ipc");
    mr::rep server;
    mr::req client;
    server.bind(address);
    client.connect(address);
    std::thread other([&] {
        mr::message question = server.recv();
        CHECK(question.view() == "what");
        server.send("that");
    });
    client.send("what");
    CHECK(client.recv().str() == "that");
    other.join();
}

static void contexts() {
    const std::string address = fresh_address("ipc");
    mr::rep server;
    mr::req client;
    server.bind(address);
    client.connect(address);
    mr::socket one = client.context(), two = client.context();
    mr::socket first = server.context(), second = server.context();
    one.send("one");
    CHECK(first.recv().view() == "one");
    two.send("two");
    CHECK(second.recv().view() == "two");
    second.send("to two");
    CHECK(two.recv().view() == "to two");
    first.send("to one");
    CHECK(one.recv().view() == "to one");
    one.send("never mind");
    one.cancel();
    bool refused = false;
    try {
        one.recv();
    } catch (const mr::error& error) {
        refused = error.code() == mr::errc::wrong_state;
    }
    CHECK(refused);
}

static void events() {
    mr::pub feed;
    mr::monitor monitor(feed);
    CHECK(!monitor.next(0ms) && !monitor.is_over());
    const mr::endpoint bound = feed.bind("tcp://127.0.0.1:0");
    const std::string address = mr::address(feed, bound);
    CHECK(address.substr(0, 16) == "tcp://127.0.0.1:" && address.substr(16) != "0");
    const auto listening = monitor.next();
    CHECK(listening && listening->kind == mr::event_kind::listening && listening->address == address);
    CHECK(listening->endpoint == bound.id() && listening->connection == 0 && !listening->error && !listening->retry);
    CHECK(!mr::wait_peers(feed, 1, 1ms));
    {
        mr::sub reader;
        reader.connect(address);
        CHECK(mr::wait_peers(feed));
        CHECK(monitor.next()->kind == mr::event_kind::accepted);
        const auto greeted = monitor.next();
        CHECK(greeted->kind == mr::event_kind::greeted && greeted->connection != 0 && !greeted->peer.empty());
        CHECK(mr::describe(feed).find(greeted->peer) != std::string::npos);
        CHECK(mr::metrics().find("pub") != std::string::npos || mr::metrics().find("PUB") != std::string::npos);
    }
    CHECK(monitor.next()->kind == mr::event_kind::lost);
    mr::push wrong;
    wrong.connect(address);
    std::optional<mr::event> refused;
    do refused = monitor.next();
    while (refused->kind != mr::event_kind::refused);
    CHECK(refused->error && refused->reason.find("NN_PUSH") != std::string::npos);
    mr::monitor moved = std::move(monitor);
    CHECK(moved.fd() >= 0);
    feed.close();
    while (moved.next()) {
    }
    CHECK(moved.is_over());
    std::error_code code;
    CHECK(!moved.next(0ms, code) && code == std::errc::bad_file_descriptor);
}

static void who_sent_it() {
    const std::string address = fresh_address("ipc");
    mr::bus room, ann, ben;
    room.set(mr::options::recv_peer, true);
    room.bind(address);
    ann.connect(address);
    ben.connect(address);
    CHECK(mr::wait_peers(ann) && mr::wait_peers(ben) && mr::wait_peers(room, 2));
    ann.send("Ann");
    const mr::raw_message first = room.recv_raw();
    CHECK(first.body.view() == "Ann" && first.header.empty() && first.from && first.from->subject.empty());
    CHECK(first.from->process && first.from->process->pid == getpid() && first.from->address.find("pid ") == 0);
    ben.send("Ben");
    const std::uint64_t pipe = room.recv_raw().from->pipe;
    CHECK(pipe != first.from->pipe);
    room.send_to(pipe, "welcome, Ben");
    CHECK(ben.recv().view() == "welcome, Ben" && !ann.try_recv());
    mr::raw_message whole;
    whole.body = mr::message("welcome, Ann");
    room.send_to(first.from->pipe, std::move(whole));
    CHECK(ann.recv().view() == "welcome, Ann" && !ben.try_recv());
    CHECK_THROWS(room.send_to(0, "nobody"), std::errc::host_unreachable);
    room.set(mr::options::recv_peer, false);
    ben.send("again");
    CHECK(!room.recv_raw().from);
}

static void buffers_of_all_kinds() {
    const std::string address = fresh_address();
    mr::pair a, b;
    a.bind(address);
    b.connect(address);
    const std::vector<std::uint32_t> numbers{1, 2, 3};
    a.send(numbers);
    std::array<std::uint32_t, 4> got{};
    CHECK(b.recv(got) == 12 && got[2] == 3);
    const char letters[] = "abc";
    a.send(letters);
    CHECK(b.recv().size() == 3);
    a.send(std::string("text"));
    CHECK(b.recv().view() == "text");
    a.send(mr::const_buffer(letters, 4));
    char two[2];
    CHECK(b.recv(two) == 4 && two[1] == 'b');
    a.send("a\0b");
    CHECK(b.recv().view() == "a");
    // What recv has filled goes out as it is: all of it, whatever is in it, and not a byte behind it.
    char memory[8] = {1, 2, 0, 4, 5, 6, 7, 8};
    a.send(memory);
    CHECK(b.recv().view() == std::string_view(memory, 8));
    const char full[3] = {'x', 'y', 'z'};
    a.send(full);
    CHECK(b.recv().view() == "xyz");
    std::array<char, 8> also{};
    a.send(also);
    CHECK(b.recv().size() == 8);
    a.send(std::string_view("in memory\0"));
    char text[64] = {};
    CHECK(b.recv(text) == 9 && mr::const_buffer(std::string_view(text)).size() == 9);
#ifdef __cpp_char8_t
    a.send(u8"\u00e4");
    CHECK(b.recv().size() == 2);
#endif
#ifdef __cpp_lib_span
    a.send(std::span<const std::uint32_t>(numbers));
    CHECK(b.recv(std::span<std::uint32_t>(got).first(2)) == 12);
    static_assert(!std::is_convertible_v<std::span<const char>, mr::mutable_buffer>);
#endif
    static_assert(!std::is_convertible_v<const std::vector<char>&, mr::mutable_buffer>);
    static_assert(!std::is_convertible_v<std::vector<char>, mr::mutable_buffer>);
    a.send("");
    CHECK(b.recv().empty());
    a.send(mr::message());
    CHECK(b.recv().empty());
    a.send_gather({"one ", std::string_view("and "), letters});
    CHECK(b.recv().view() == "one and abc");
}

static void messages_move() {
    const std::string address = fresh_address();
    mr::push a;
    mr::pull b;
    b.bind(address);
    a.connect(address);
    mr::message whole(100000);
    std::fill(whole.begin(), whole.end(), std::byte{7});
    const void* block = whole.data();
    a.send(std::move(whole));
    CHECK(whole.data() == nullptr && whole.empty());
    mr::message got = b.recv();
    // inproc hands it over as it is.
    CHECK(got.data() == block && got.size() == 100000 && got.begin()[99999] == std::byte{7});
    got.resize(3);
    mr::message copy = got.copy();
    mr::message moved = std::move(got);
    CHECK(moved.view() == copy.view() && copy.data() != moved.data());
    mr::message adopted = mr::message::adopt(moved.release(), 3);
    CHECK(moved.empty() && adopted.view() == copy.view());
}

static void what_fails_stays() {
    mr::push lonely;
    mr::message whole(mr::const_buffer("kept"));
    std::error_code code;
    lonely.send(std::move(whole), code, mr::wait::no);
    CHECK(code == std::errc::resource_unavailable_try_again);
    CHECK(whole.view() == "kept");
    CHECK(!lonely.try_send("x"));
    lonely.set(mr::options::send_timeout, 1ms);
    CHECK_THROWS(lonely.send("x"), std::errc::timed_out);
    CHECK_THROWS(lonely.recv(), std::errc::not_supported);
    CHECK_THROWS(lonely.connect("nonsense"), std::errc::invalid_argument);
    mr::rep rep;
    CHECK_THROWS(rep.send("an answer to nothing"), mr::errc::wrong_state);
    CHECK(mr::make_error_code(mr::errc::terminated).message() == nn_strerror(ETERM));
}

static void waiting_is_bounded() {
    mr::pull nothing;
    nothing.bind(fresh_address());
    CHECK(!nothing.try_recv());
    CHECK(!nothing.recv_for(2ms) && !nothing.recv_for(0ms) && !nothing.recv_for(-2ms) && !nothing.recv_for(-1h));
    // What is left of a deadline that has just passed is just this.
    CHECK(!nothing.recv_for(-1ms) && !nothing.recv_for(1us));
    mr::poll_item items[] = {mr::poll_item(nothing)};
    CHECK(mr::poll(items, -1ms) == 0);
    CHECK(!mr::wait_peers(nothing, 1, -1ms) && !mr::wait_peers(nothing, 1, 300us));
    mr::monitor monitor(nothing);
    CHECK(!monitor.next(-1ms) && !monitor.is_over());
    std::error_code none;
    CHECK(!nothing.recv_for(2ms, none) && !none);
    std::error_code code;
    nothing.recv(code, mr::wait::no);
    CHECK(code == std::errc::resource_unavailable_try_again);
    nothing.set(mr::options::recv_timeout, 1ms);
    CHECK_THROWS(nothing.recv(), std::errc::timed_out);
    CHECK(nothing.get(mr::options::recv_timeout) == 1ms);
    nothing.set(mr::options::recv_timeout, mr::forever);
    CHECK(nothing.get(mr::options::recv_timeout) == mr::forever);
    nothing.set(mr::options::recv_timeout, std::chrono::seconds(3));
    CHECK(nothing.get(mr::options::recv_timeout) == 3s);
    nothing.set(mr::options::recv_timeout, std::chrono::hours::max());
    CHECK(nothing.get(mr::options::recv_timeout) == mr::forever);
    nothing.set(mr::options::recv_timeout, std::chrono::hours(10000));
    CHECK(nothing.get(mr::options::recv_timeout) > std::chrono::hours(500));
    nothing.set(mr::options::recv_timeout, -1ms);
    CHECK(nothing.get(mr::options::recv_timeout) == mr::forever);
}

/// The longest times there are wait as those do that are not limited.
static void the_longest_time_is_no_limit() {
    const std::string address = fresh_address();
    mr::pull here;
    mr::push there;
    here.bind(address);
    there.connect(address);
    using std::chrono::hours;
    const mr::time_limit longest[] = {mr::forever, std::chrono::milliseconds(0x80000000ll), hours::max(), hours(1'000'000)};
    for (const auto time : longest) {
        std::atomic<bool> waits{false};
        std::thread other([&] {
            while (!waits) std::this_thread::yield();
            there.send("here");
        });
        waits = true;
        const auto got = here.recv_for(time);
        CHECK(got && got->view() == "here");
        other.join();
    }
}

static void options_have_types() {
    mr::sub sub;
    sub.set(mr::options::name, "reader");
    CHECK(sub.get(mr::options::name) == "reader");
    sub.set(mr::options::ipv4_only, false);
    CHECK(!sub.get(mr::options::ipv4_only));
    CHECK(sub.get(mr::options::protocol) == NN_SUB);
    CHECK_THROWS(sub.set(mr::options::recv_buffer, 0), std::errc::invalid_argument);
    // Numbers that would be cut off on their way.
    for (const long long number : {10000000000ll, -10000000000ll, 0x100000400ll})
        CHECK_THROWS(sub.set(mr::options::recv_buffer, number), std::errc::invalid_argument);
    CHECK_THROWS(sub.set(mr::options::recv_buffer, ~0u), std::errc::invalid_argument);
    CHECK_THROWS(sub.set(mr::options::recv_buffer, ~0ull), std::errc::invalid_argument);
    sub.set(mr::options::recv_buffer, std::size_t{4096});
    CHECK(sub.get(mr::options::recv_buffer) == 4096);
    sub.set(mr::options::recv_max_size, -1l);
    CHECK(sub.get(mr::options::recv_max_size) == -1);
    // Texts of any length come back whole.
    std::string networks = "10.0.0.0/24";
    for (int i = 1; i < 60; i++) networks += ", 10.0." + std::to_string(i) + ".0/24";
    sub.set(mr::options::accept_from, networks);
    CHECK(sub.get(mr::options::accept_from) == networks);
}

static void topics() {
    const std::string address = fresh_address();
    mr::pub pub;
    mr::sub sub;
    pub.bind(address);
    sub.connect(address);
    sub.subscribe("weather.");
    pub.send("news.x");
    pub.send("weather.sun");
    CHECK(sub.recv().view() == "weather.sun");
    sub.unsubscribe("weather.");
    pub.send("weather.rain");
    CHECK(!sub.try_recv());
    CHECK(pub.statistic(NN_STAT_MESSAGES_SENT) > 0);
    CHECK_THROWS(pub.statistic(-5), std::errc::invalid_argument);
}

static void options_of_tls() {
    mr::pair socket;
    socket.set(mr::options::tls_min_version, 13);
    CHECK(socket.get(mr::options::tls_min_version) == 13);
    CHECK_THROWS(socket.set(mr::options::tls_ca_file, "/nowhere/ca.pem"), std::errc::no_such_file_or_directory);
}

static void a_range_ends_with_its_socket() {
    const std::string address = fresh_address();
    mr::push a;
    mr::pull b;
    b.bind(address);
    a.connect(address);
    for (int i = 0; i < 10; i++) a.send(mr::const_buffer(&i, sizeof i));
    b.set(mr::options::recv_timeout, 10ms);
    int count = 0;
    for (mr::message& got : b.messages()) {
        int i = 0;
        std::memcpy(&i, got.data(), sizeof i);
        CHECK(i == count++);
    }
    CHECK(count == 10);
}

#ifdef __cpp_lib_ranges
static_assert(std::ranges::input_range<mr::incoming>);
#endif

static void several_are_polled() {
    const std::string one = fresh_address(), two = fresh_address();
    mr::pair a, b, c, d;
    a.bind(one);
    b.connect(one);
    c.bind(two);
    d.connect(two);
    std::vector<mr::poll_item> items{mr::poll_item(a), mr::poll_item(c, mr::poll_item::in | mr::poll_item::out)};
    CHECK(mr::poll(items, 0ms) == 1 && !items[0].readable() && items[1].writable() && !items[1].readable());
    b.send("x");
    CHECK(mr::poll(items) == 2 && items[0].readable());
    CHECK(a.recv_fd() >= 0);
}

static void raw_sockets_see_headers() {
    const std::string address = fresh_address();
    mr::rep server(mr::domain::raw);
    mr::req client;
    server.bind(address);
    client.connect(address);
    client.send("question");
    mr::raw_message got = server.recv_raw();
    CHECK(got.body.view() == "question" && got.header.size() >= 4);
    got.body = mr::message(mr::const_buffer("answer"));
    server.send(std::move(got));
    CHECK(client.recv().view() == "answer");
}

static void devices_end_with_their_sockets() {
    const std::string front = fresh_address(), back = fresh_address();
    mr::rep frontend(mr::domain::raw);
    mr::req backend(mr::domain::raw);
    frontend.bind(front);
    backend.bind(back);
    std::thread broker([&] { mr::device(frontend, backend); });
    mr::req client;
    mr::rep worker;
    client.connect(front);
    worker.connect(back);
    client.send("work");
    CHECK(worker.recv().view() == "work");
    worker.send("done");
    CHECK(client.recv().view() == "done");
    // Each direction ends with the socket that it receives from.
    frontend.close();
    backend.close();
    broker.join();
}

/// Everything that fails says so in a code where it is given one, and the same that the exception says.
static void codes_instead_of_exceptions() {
    std::error_code code;
    mr::push none(code, static_cast<mr::domain>(12345));
    CHECK(code && !none.is_open());
    mr::rep server(code);
    CHECK(!code && server.is_open());
    const std::string address = fresh_address();
    mr::endpoint bound = server.bind(address, code);
    CHECK(!code);
    mr::rep other;
    other.bind(address, code);
    CHECK(code == std::errc::address_in_use);
    mr::req client;
    client.connect("nonsense", code);
    CHECK(code == std::errc::invalid_argument);
    client.connect(address, code);
    CHECK(!code);
    client.set(mr::options::send_buffer, 0, code);
    CHECK(code == std::errc::invalid_argument);
    client.set(mr::options::send_buffer, 10000000000ll, code);
    CHECK(code == std::errc::invalid_argument);
    client.set(mr::options::name, "client", code);
    CHECK(!code && client.get(mr::options::name, code) == "client" && !code);
    client.get(mr::options::tls_key, code);
    CHECK(code);
    client.get(mr::options::option<int>{NN_SOL_SOCKET, -7}, code);
    CHECK(code == std::errc::no_protocol_option);
    client.statistic(-5, code);
    CHECK(code == std::errc::invalid_argument);
    CHECK(client.statistic(NN_STAT_MESSAGES_SENT, code) == 0 && !code);
    mr::socket context = client.context(code);
    CHECK(!code && context.is_open());
    context.cancel(code);
    CHECK(!code);
    mr::pair pair;
    CHECK(!pair.context(code).is_open() && code == std::errc::not_supported);
    pair.cancel(code);
    CHECK(code == std::errc::not_supported);
    pair.send_gather({"one", "two"}, code, mr::wait::no);
    CHECK(code == std::errc::resource_unavailable_try_again);
    pair.send_to(1, "x", code, mr::wait::no);
    CHECK(code == std::errc::host_unreachable);
    mr::raw_message whole;
    whole.body = mr::message(mr::const_buffer("kept"));
    pair.send_to(1, std::move(whole), code, mr::wait::no);
    CHECK(code == std::errc::host_unreachable && whole.body.view() == "kept");
    mr::pair raw(mr::domain::raw);
    raw.send(std::move(whole), code, mr::wait::no);
    CHECK(code == std::errc::resource_unavailable_try_again && whole.body.view() == "kept");
    pair.recv_raw(code, mr::wait::no);
    CHECK(code == std::errc::resource_unavailable_try_again);
    mr::push push;
    push.recv_for(1ms, code);
    CHECK(code == std::errc::not_supported);
    CHECK(!mr::wait_peers(push, 1, 1ms, code) && !code);
    mr::device(push, push, code);
    CHECK(code == std::errc::invalid_argument);
    bound.close(code);
    CHECK(!code);
    bound.close(code);
    CHECK(code);
    server.close(code);
    CHECK(!code && !server.is_open());
    server.close(code);
    CHECK(code == std::errc::bad_file_descriptor);
    CHECK(!mr::wait_peers(server, 1, 1ms, code) && code == std::errc::bad_file_descriptor);
    std::vector<mr::poll_item> items{mr::poll_item(server)};
    CHECK(mr::poll(items, 0ms, code) == 0 && code == std::errc::bad_file_descriptor);
}

static void sockets_move() {
    mr::pair a;
    const int number = a.handle();
    mr::socket b = std::move(a);
    CHECK(b.handle() == number && !a.is_open());
    mr::socket c = mr::socket::adopt(b.release());
    CHECK(c.handle() == number && !b.is_open());
    c.close();
    CHECK_THROWS(c.close(), std::errc::bad_file_descriptor);
    mr::pull waiting;
    waiting.bind(fresh_address());
    const int to_close = waiting.handle();
    std::thread other([&] { CHECK_THROWS(waiting.recv(), std::errc::bad_file_descriptor); });
    while (nn_close(to_close) != 0) {
    }
    other.join();
    static_cast<void>(waiting.release());
}

int main() {
    request_and_reply();
    contexts();
    events();
    who_sent_it();
    buffers_of_all_kinds();
    messages_move();
    what_fails_stays();
    waiting_is_bounded();
    the_longest_time_is_no_limit();
    options_have_types();
    topics();
    options_of_tls();
    a_range_ends_with_its_socket();
    several_are_polled();
    raw_sockets_see_headers();
    devices_end_with_their_sockets();
    codes_instead_of_exceptions();
    sockets_move();
    mr::term();
    CHECK_THROWS(mr::pair(), mr::errc::terminated);
    return 0;
}
