// SPDX-License-Identifier: MIT
#include "check.hpp"

#include <millrace/qi.hpp>

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>

using namespace std::chrono_literals;
namespace qi = millrace::qi;

namespace robot {
struct pose {
    double x = 0, y = 0;
    std::string frame;
};
}  // namespace robot
MILLRACE_QI_STRUCT(robot::pose, "Pose", x, y, frame)

template <class T>
static T round_trip(const T& from) {
    return qi::value(from).as<T>();
}

static void values_of_all_types() {
    CHECK(round_trip(true) && !round_trip(false));
    CHECK(round_trip<std::int8_t>(-5) == -5 && round_trip<std::uint64_t>(~0ull) == ~0ull);
    CHECK(round_trip(1.5f) == 1.5f && round_trip(-2.25) == -2.25);
    CHECK(round_trip(std::string("a\0b", 3)).size() == 3);
    CHECK(qi::value("text").as<std::string>() == "text");
    CHECK(qi::value(std::string_view("a view")).as<std::string>() == "a view");
    CHECK(qi::value(std::vector<std::string_view>{"one", "two"}).as<std::vector<std::string>>().at(1) == "two");
    CHECK((round_trip(std::vector<int>{1, 2, 3}) == std::vector<int>{1, 2, 3}));
    CHECK((round_trip(std::map<std::string, double>{{"a", 1}}).at("a") == 1));
    CHECK((round_trip(std::unordered_map<int, bool>{{7, true}}).at(7)));
    CHECK((round_trip(std::tuple<int, std::string>{1, "x"}) == std::tuple<int, std::string>{1, "x"}));
    CHECK((round_trip(std::pair<int, int>{1, 2}).second == 2));
    CHECK((round_trip(std::vector<std::byte>{std::byte{1}, std::byte{2}}).size() == 2));
    CHECK(round_trip(std::optional<int>(4)) == 4 && !round_trip(std::optional<int>()));
    const robot::pose there = round_trip(robot::pose{1, 2, "map"});
    CHECK(there.x == 1 && there.y == 2 && there.frame == "map");
    CHECK(qi::signature_of<robot::pose>() == "(dds)<Pose,x,y,frame>");
    CHECK((qi::signature_of<std::map<std::string, std::vector<std::optional<int>>>>() == "{s[+i]}"));
    CHECK(qi::value(7).as<double>() == 7.0);
    CHECK(qi::value::from_json("[1, 2]", "[i]").json() == "[1,2]");
    CHECK(qi::value::from_json("{\"a\": \"b\"}").as<qi::value>()["a"].as<std::string>() == "b");
    qi::value one(1), same = one;
    CHECK(one == same && one != qi::value(2));
    CHECK_THROWS(qi::value("seven").as<int>(), std::errc::invalid_argument);
    CHECK_THROWS(qi::value(300).as<std::int8_t>(), std::errc::invalid_argument);
}

static qi::object calculator() {
    return qi::builder()
        .method("add", [](int a, int b) { return a + b; })
        .method("norm", [](const robot::pose& at) { return at.x * at.x + at.y * at.y; })
        .method("fail", [](std::string why) { throw std::runtime_error(why); })
        // The text is longer than a std::string keeps within itself.
        .method("head", [](std::string_view text) { return text.substr(0, 30); })
        .property("label", "none", [](std::string_view to) { if (to.size() < 30) throw std::invalid_argument("too short"); })
        .method("anything", [](qi::value any) { return any.signature(); })
        .method("later", [](qi::responder<std::string> answer, int n) {
            std::thread([answer = std::move(answer), n]() mutable { answer.reply(std::to_string(n)); }).detach();
        })
        .method("never", [](qi::responder<void>) {})
        .method("nap", [](qi::responder<int> answer) {
            while (!answer.is_canceled()) std::this_thread::yield();
            answer.canceled();
        })
        .method("tell", [](qi::proxy listener, std::string text) { return listener.call<int>("hear", text); })
        .signal<std::string, int>("happened")
        .property("speed", 1.5, [](double to) { if (to < 0) throw std::invalid_argument("speed is not negative"); })
        .build();
}

static void calls(const qi::proxy& service) {
    CHECK(service.call<int>("add", 1, 2) == 3);
    CHECK(service.call<long>("add", 1, 2) == 3);
    CHECK(service.call<double>("norm", robot::pose{3, 4, ""}) == 25);
    CHECK(service.call<std::string>("anything", std::vector<int>{1}) == "[i]");
    CHECK(service.call<qi::value>("add", 2, 2).as<int>() == 4);
    const std::string long_text(100, 'v');
    CHECK(service.call<std::string>("head", long_text) == long_text.substr(0, 30));
    CHECK(service.call<std::string>("head", std::string_view(long_text).substr(90)) == "vvvvvvvvvv");
    service.set("label", long_text);
    CHECK(service.property<std::string>("label") == long_text);
    CHECK_THROWS(service.set("label", "short"), std::errc::protocol_error);
    CHECK(service.call<std::string>("later", 12) == "12");
    CHECK_THROWS(service.call("fail", "no bread"), std::errc::protocol_error);
    try {
        service.call("fail", "no bread");
    } catch (const qi::error& caught) {
        CHECK(std::string(caught.what()).find("no bread") != std::string::npos);
    }
    CHECK_THROWS(service.call("never"), std::errc::protocol_error);
    CHECK_THROWS(service.call("unknown"), std::errc::invalid_argument);
    CHECK_THROWS(service.call("add", "one", 2), std::errc::protocol_error);
    CHECK_THROWS(service.call("add", 1), std::errc::invalid_argument);
    std::vector<qi::pending<int>> many;
    for (int i = 0; i < 100; i++) many.push_back(service.start<int>("add", i, i));
    for (int i = 0; i < 100; i++) CHECK(many[static_cast<std::size_t>(i)].get() == 2 * i);
    auto napping = service.start<int>("nap");
    napping.cancel();
    CHECK_THROWS(napping.get(), std::errc::interrupted);
    CHECK(napping.is_done());
}

/// The object's one thread is busy for longer than the test has.
static void a_proxy_has_the_time_it_is_given() {
    std::promise<void> over;
    const std::shared_future<void> released = over.get_future().share();
    const qi::object busy = qi::builder().method("hang", [&] { released.wait(); }).property("level", 1).build();
    qi::server server("tcp://127.0.0.1:0");
    server.add("Busy", busy);
    const qi::session session(server.address());
    qi::proxy proxy = session.service("Busy");
    proxy.post("hang");
    proxy.timeout(20ms);
    CHECK_THROWS(proxy.call("hang"), std::errc::timed_out);
    CHECK_THROWS(proxy.property<int>("level"), std::errc::timed_out);
    CHECK_THROWS(proxy.set("level", 2), std::errc::timed_out);
    CHECK_THROWS(proxy.timeout(-1ms).property<int>("level"), std::errc::timed_out);
    over.set_value();
    CHECK(proxy.timeout(qi::forever).property<int>("level") == 1);
    CHECK_THROWS(session.service("Nobody", -1ms), std::errc::host_unreachable);
}

static void objects_as_arguments(const qi::proxy& service) {
    std::string heard;
    const qi::object listener = qi::builder()
                                    .method("hear", [&](std::string text) {
                                        heard = std::move(text);
                                        return static_cast<int>(heard.size());
                                    })
                                    .build();
    CHECK(service.call<int>("tell", listener, "psst") == 4);
    CHECK(heard == "psst");
}

static void signals_and_properties(const qi::proxy& service, const qi::object& object) {
    auto events = service.subscribe<std::string, int>("happened");
    CHECK(!events.next(0ms) && !events.next(-1ms));
    CHECK(object.emit("happened", "bang", 1) == 1);
    const auto [what, times] = *events.next();
    CHECK(what == "bang" && times == 1 && events.missed() == 0 && events.fd() >= 0);
    CHECK_THROWS(object.emit("happened", 5), std::errc::invalid_argument);

    std::mutex mutex;
    std::condition_variable told;
    int last = 0;
    {
        const auto watching = service.watch("happened", [&](std::string, int n) {
            const std::lock_guard lock(mutex);
            last = n;
            told.notify_one();
        });
        object.emit("happened", "again", 42);
        std::unique_lock lock(mutex);
        told.wait(lock, [&] { return last == 42; });
    }
    CHECK_THROWS(service.watch("nothing", [](int) {}), std::errc::invalid_argument);
    // Numbers of another size, and anything at all, may be what comes.
    { const auto wide = service.watch("happened", [](std::string, double) {}), any = service.watch("happened", [](qi::value, qi::value) {}); }
    CHECK_THROWS(service.watch("happened", [](int, std::string) {}), std::errc::invalid_argument);
    CHECK_THROWS(service.watch("happened", [](std::string) {}), std::errc::invalid_argument);
    CHECK_THROWS(service.watch("speed", [](std::string) {}), std::errc::invalid_argument);
    CHECK_THROWS((service.subscribe<std::vector<int>, int>("happened")), std::errc::invalid_argument);
    try {
        const auto wrong = service.watch("happened", [](int, std::string) {});
    } catch (const qi::error& caught) {
        CHECK(std::string(caught.what()).find("happened has the arguments (si), and what listens takes (is)") == 0);
    }
    std::error_code code;
    { const auto wrong = service.watch(code, "happened", [](int, std::string) {}); }
    CHECK(code == std::errc::invalid_argument);

    auto changes = service.subscribe<double>("speed");
    service.set("speed", 2);
    CHECK(service.property<double>("speed") == 2.0 && object.property<double>("speed") == 2.0);
    CHECK(std::get<0>(*changes.next()) == 2.0);
    try {
        service.set("speed", -1.0);
        CHECK(false);
    } catch (const qi::error& caught) {
        CHECK(std::string(caught.what()).find("not negative") != std::string::npos);
    }
    object.set("speed", 3.0);
    CHECK(service.property<int>("speed") == 3);
}

/// When the watcher is gone nothing of its function runs any more, so what that uses may go.
static void a_watcher_ends_with_its_last_call(const qi::proxy& service, const qi::object& object) {
    std::atomic<int> state{0};
    std::thread later;
    {
        auto watching = service.watch("happened", [&](std::string, int) {
            state = 1;
            while (state == 1) std::this_thread::yield();
            state = 3;
        });
        object.emit("happened", "it", 1);
        while (state == 0) std::this_thread::yield();
        later = std::thread([&] {
            // By now the other thread waits in the destructor, if it is not slow.
            std::this_thread::sleep_for(20ms);
            state = 2;
        });
    }
    CHECK(state == 3);
    later.join();
    // By its own function.
    std::optional<qi::watcher> own;
    std::atomic<bool> told{false}, made{false};
    own.emplace(service.watch("happened", [&](std::string, int) {
        while (!made) std::this_thread::yield();
        own.reset();
        told = true;
    }));
    made = true;
    object.emit("happened", "it", 2);
    while (!told) std::this_thread::yield();
}

static int twice(int n) noexcept { return 2 * n; }

static void descriptions(qi::server& server) {
    qi::builder used;
    used.method("twice", twice);
    // Neither must be copyable.
    used.property("odd", 1, [kept = std::make_unique<int>(2)](int to) {
        if (to % *kept == 0) throw std::invalid_argument("even");
    });
    qi::builder moved = std::move(used);
    const qi::object object = moved.build();
    CHECK_THROWS(moved.method("late", [] {}), std::errc::bad_file_descriptor);
    CHECK_THROWS(used.method("late", [] {}), std::errc::bad_file_descriptor);
    server.add("Described", object);
    const qi::session session(server.address());
    const qi::proxy service = session.service("Described");
    CHECK(service.call<int>("twice", 4) == 8);
    CHECK_THROWS(service.set("odd", 2), std::errc::protocol_error);
    const auto watching = service.watch("odd", [kept = std::make_unique<int>(0)](int) {});
}

static void a_provider(const std::string& directory) {
    qi::provider provider(directory, {"tcp://127.0.0.1:0"});
    const qi::object object = calculator();
    provider.add("Elsewhere", object);
    const qi::session session(directory);
    CHECK(session.service("Elsewhere").call<int>("add", 20, 22) == 42);
    provider.remove("Elsewhere");
    // The directory tells the session by an event, which takes its time.
    std::error_code code;
    while (!code) session.service(code, "Elsewhere");
    CHECK(code == std::errc::host_unreachable);
}

static void credentials() {
    qi::server_options settings;
    settings.user = "nao";
    settings.token = "secret";
    const qi::server server("tcp://127.0.0.1:0", settings);
    CHECK_THROWS(qi::session(server.address()), std::errc::permission_denied);
    qi::session_options options;
    options.user = "nao";
    options.token = "secret";
    CHECK(!qi::session(server.address(), options).services().empty());
}

static void everything() {
    qi::server server("tcp://127.0.0.1:0");
    const qi::object object = calculator();
    const std::uint32_t id = server.add("Calculator", object);
    {
        const qi::session session(server.address());
        const qi::proxy service = session.service("Calculator", 1s);
        calls(service);
        objects_as_arguments(service);
        signals_and_properties(service, object);
        a_watcher_ends_with_its_last_call(service, object);
        bool listed = false;
        for (const auto& info : session.services()) listed |= info.name == "Calculator" && info.id == id;
        CHECK(listed);
        CHECK(object.statistics().handled > 100 && server.statistics().connections > 0);
    }
    descriptions(server);
    a_provider(server.address());
    credentials();
    server.remove(id);
}

int main() {
    a_proxy_has_the_time_it_is_given();
    values_of_all_types();
    everything();
    CHECK(nnqi_handles() == 0);
    return 0;
}
