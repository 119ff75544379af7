// SPDX-License-Identifier: MIT
//
// The forms with an error code, and nothing else: this program is compiled without exceptions, too.
#include "check.hpp"

#include <millrace/coroutine.hpp>
#include <millrace/nanomsg.hpp>
#include <millrace/qi.hpp>

#include <atomic>
#include <thread>

using namespace std::chrono_literals;
namespace qi = millrace::qi;


/// A value that is none, as of a call that failed: it cannot be sent.
static qi::value nothing() {
    std::error_code code;
    return qi::value::from_json(code, "{");
}

/// What is run leaves this code behind.
template <class Work, class Expected>
static bool leaves(Expected expected, Work work) {
    // What was there before is forgotten.
    std::error_code code = std::make_error_code(std::errc::file_exists);
    work(code);
    if (code != expected) std::fprintf(stderr, "%s: %s\n", code.message().c_str(), qi::failure().c_str());
    return code == expected;
}

template <class Work>
static bool succeeds(Work work) {
    return leaves(std::error_code(), work);
}

static void sockets() {
    std::error_code code;
    millrace::pair one(code);
    CHECK(!code && one.is_open());
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { one.bind("inproc", c); }));
    CHECK(leaves(std::errc::resource_unavailable_try_again, [&](std::error_code& c) { one.recv(c, millrace::wait::no); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(one.recv_fd(c) >= 0); }));
    const millrace::endpoint at = one.bind("tcp://127.0.0.1:0", code);
    CHECK(!code);
    CHECK(succeeds([&](std::error_code& c) { CHECK(millrace::address(one, at, c).find("tcp://127.0.0.1:") == 0); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(millrace::address(one, {one.handle(), 99}, c).empty()); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(millrace::describe(one, c).front() == '{'); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(!millrace::metrics(c).empty()); }));
    {
        millrace::monitor events(one, code);
        CHECK(!code && succeeds([&](std::error_code& c) { CHECK(events.fd(c) >= 0); }));
    }
    one.close(code);
    CHECK(!code);
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { CHECK(one.send_fd(c) == -1); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { CHECK(millrace::describe(one, c).empty()); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { CHECK(millrace::monitor(one, c).handle() < 0); }));
}

static void values() {
    CHECK(succeeds([](std::error_code& c) { CHECK(qi::value(c, 7).as<double>(c) == 7); }));
    CHECK(leaves(std::errc::invalid_argument, [](std::error_code& c) { CHECK(qi::value("seven").as<int>(c) == 0); }));
    CHECK(leaves(std::errc::invalid_argument, [](std::error_code& c) { CHECK(qi::value(300).as<std::vector<int>>(c).empty()); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [](std::error_code& c) { CHECK(!qi::value(c, std::vector<qi::value>{nothing()})); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [](std::error_code& c) { CHECK(!qi::value(c, std::map<std::string, qi::value>{{"a", nothing()}})); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [](std::error_code& c) { CHECK(!qi::value(c, std::optional<qi::value>(nothing()))); }));
    CHECK(leaves(std::errc::invalid_argument, [](std::error_code& c) { CHECK(!qi::value::from_json(c, "{")); }));
    const qi::value list = qi::value::from_json("[1, 2]", "[i]");
    CHECK(succeeds([&](std::error_code& c) { CHECK(list.size(c) == 2 && list.json(c) == "[1,2]" && list.signature(c) == "[i]"); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(list.at(c, 1).as<int>(c) == 2); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(!list.at(c, 2)); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(!list.at(c, "name")); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { qi::value(1).size(c); }));
}

static qi::object desk(std::error_code& code, std::atomic<int>& ran) {
    return qi::builder(code)
        .method("add", [](int a, int b) { return a + b; })
        .method("echo", [](std::string text) { return text; })
        .method("garbage", [&ran] { ran++; return nothing(); })
        .method("later", [](qi::responder<qi::value> answer) {
            std::error_code failed;
            answer.reply(failed, nothing());
            CHECK(failed == std::errc::bad_file_descriptor);
            CHECK(!answer.is_canceled(failed) && !failed);
            CHECK(!answer.caller(failed).empty() && !failed);
            answer.reply(failed, qi::value("late"));
            CHECK(!failed);
        })
        .signal<std::string>("happened")
        .property("speed", 1, [&ran](int) { ran++; })
        .build();
}

static void descriptions() {
    std::atomic<int> ran{0};
    CHECK(succeeds([&](std::error_code& c) { CHECK(desk(c, ran)); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [](std::error_code& c) {
        CHECK(!qi::builder(c).property("text", nothing()).method("fine", [] {}).signal<int>("fine, too").build());
    }));
    CHECK(leaves(std::errc::invalid_argument, [](std::error_code& c) {
        CHECK(!qi::builder(c).method("twice", [] {}).method("twice", [] {}).build());
    }));
    CHECK(qi::failure().find("twice") != std::string::npos);
}

static void calls(const qi::proxy& service, std::atomic<int>& ran) {
    CHECK(succeeds([&](std::error_code& c) { CHECK(service.call<int>(c, "add", 1, 2) == 3); }));
    CHECK(succeeds([&](std::error_code& c) { service.call(c, "add", 1, 2); }));
    CHECK(succeeds([&](std::error_code& c) { service.post(c, "add", 1, 2); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(service.call<std::string>(c, "later") == "late"); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(service.call<int>(c, "unknown") == 0); }));
    CHECK(qi::failure().find("unknown") != std::string::npos);
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { service.call(c, "echo", nothing()); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { service.post(c, "echo", std::optional<qi::value>(nothing())); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(service.call<int>(c, "echo", "no number") == 0); }));
    // A method whose result cannot be sent has failed.
    CHECK(leaves(std::errc::protocol_error, [&](std::error_code& c) { CHECK(service.call<std::string>(c, "garbage").empty()); }));
    CHECK(ran == 1);
    CHECK(succeeds([&](std::error_code& c) {
        auto call = service.start<int>(c, "add", 20, 22);
        CHECK(!c && call.get(c) == 42);
    }));
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) {
        auto call = service.start<int>(c, "unknown");
        CHECK(c == std::errc::invalid_argument);
        CHECK(!call.is_done(c) && c == std::errc::bad_file_descriptor);
        call.cancel(c);
        CHECK(call.get(c) == 0);
    }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(service.meta(c).size() == 4); }));
}

static void signals_and_properties(const qi::proxy& service, const qi::object& object, std::atomic<int>& ran) {
    std::error_code code;
    auto events = service.subscribe<std::string>(code, "happened");
    CHECK(!code && events.fd(code) >= 0);
    CHECK(succeeds([&](std::error_code& c) { CHECK(!events.next(c, 0ms)); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(object.emit(c, "happened", "bang") == 1); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(std::get<0>(*events.next(c)) == "bang"); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { CHECK(object.emit(c, "happened", nothing()) == 0); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { service.subscribe<int>(c, "nothing"); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { service.subscribe<int>(c, "happened"); }));

    std::atomic<int> heard{0};
    {
        // The first cannot take what comes, and is refused.
        const auto wrong = service.watch(code, "happened", [&](int) { heard += 100; });
        CHECK(code == std::errc::invalid_argument);
        const auto right = service.watch(code, "happened", [&](std::string) { heard++; });
        CHECK(!code);
        object.emit("happened", "again");
        while (heard == 0) std::this_thread::yield();
    }
    CHECK(heard == 1);
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { [[maybe_unused]] const auto w = service.watch(c, "nothing", [](int) {}); }));

    ran = 0;
    CHECK(succeeds([&](std::error_code& c) { service.set(c, "speed", 3); }));
    CHECK(ran == 1);
    CHECK(succeeds([&](std::error_code& c) { CHECK(service.property<int>(c, "speed") == 3 && object.property<int>(c, "speed") == 3); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(service.property<int>(c, "unknown") == 0); }));
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { object.set(c, "speed", nothing()); }));
    CHECK(succeeds([&](std::error_code& c) { CHECK(object.statistics(c).handled > 0); }));
}

static void bus() {
    std::error_code code;
    CHECK(leaves(std::errc::invalid_argument, [](std::error_code& c) { CHECK(!qi::server(c, "nowhere")); }));
    qi::server server(code, "tcp://127.0.0.1:0");
    CHECK(!code && server);
    std::atomic<int> ran{0};
    const qi::object object = desk(code, ran);
    const std::uint32_t id = server.add(code, "Desk", object);
    CHECK(!code && id != 0);
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(server.add(c, "Desk", object) == 0); }));
    const std::string address = server.address(code);
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { CHECK(server.address(c, 5).empty()); }));
    {
        const qi::session session(code, address);
        CHECK(!code && session);
        const qi::proxy service = session.service(code, "Desk", 1s);
        CHECK(!code && service);
        CHECK(leaves(std::errc::host_unreachable, [&](std::error_code& c) { CHECK(!session.service(c, "Nobody")); }));
        CHECK(succeeds([&](std::error_code& c) { CHECK(session.services(c).size() == 2); }));
        calls(service, ran);
        signals_and_properties(service, object, ran);
        CHECK(succeeds([&](std::error_code& c) { CHECK(server.statistics(c).connections > 0); }));
        qi::provider provider(code, address, {"tcp://127.0.0.1:0"});
        CHECK(!code && provider);
        CHECK(succeeds([&](std::error_code& c) { provider.add(c, "Elsewhere", object); }));
        CHECK(succeeds([&](std::error_code& c) { CHECK(server.reach(c, "Elsewhere").call<int>(c, "add", 1, 1) == 2); }));
        CHECK(leaves(std::errc::host_unreachable, [&](std::error_code& c) { CHECK(!server.reach(c, "Nobody", 0ms)); }));
        CHECK(succeeds([&](std::error_code& c) { provider.statistics(c); }));
        CHECK(succeeds([&](std::error_code& c) { provider.remove(c, "Elsewhere"); }));
        CHECK(leaves(std::errc::host_unreachable, [&](std::error_code& c) { provider.remove(c, "Elsewhere"); }));
    }
    CHECK(succeeds([&](std::error_code& c) { server.remove(c, id); }));
    CHECK(leaves(std::errc::invalid_argument, [&](std::error_code& c) { server.remove(c, id); }));
    qi::server gone = std::move(server);
    CHECK(leaves(std::errc::bad_file_descriptor, [&](std::error_code& c) { server.remove(c, id); }));
}

#ifdef MILLRACE_HAS_COROUTINES
static millrace::task<std::error_code> receive(millrace::poll_loop& loop, millrace::socket& from, std::string& text) {
    std::error_code code;
    const millrace::message got = co_await millrace::recv(loop, from, code);
    text = got.str();
    co_return code;
}

static millrace::task<std::error_code> send(millrace::poll_loop& loop, millrace::socket& to, std::string text) {
    std::error_code code;
    co_await millrace::send(loop, to, text, code);
    co_return code;
}

static void coroutines() {
    std::error_code code;
    millrace::pair left(code), right(code);
    left.bind("inproc://codes", code);
    right.connect("inproc://codes", code);
    millrace::poll_loop loop;
    std::string text;
    CHECK(!loop.run(send(loop, left, "hello")));
    CHECK(!loop.run(receive(loop, right, text)) && text == "hello");
    // One that waits, while the other sends.
    std::string later;
    loop.spawn([](millrace::poll_loop& in, millrace::socket& to) -> millrace::task<> {
        std::error_code failed;
        const millrace::message ping = co_await millrace::recv(in, to, failed);
        co_await millrace::send(in, to, ping.copy(), failed);
        CHECK(!failed);
    }(loop, left));
    CHECK(!loop.run(send(loop, right, "there and back")));
    CHECK(!loop.run(receive(loop, right, later)) && later == "there and back");
    millrace::rep asked(code);
    CHECK(loop.run(send(loop, asked, "an answer to nothing")) == millrace::errc::wrong_state);
    right.close(code);
    CHECK(loop.run(receive(loop, right, text)) == std::errc::bad_file_descriptor && text.empty());
}
#endif

int main() {
    sockets();
    values();
    descriptions();
    bus();
#ifdef MILLRACE_HAS_COROUTINES
    coroutines();
#endif
    CHECK(nnqi_handles() == 0);
    return 0;
}
