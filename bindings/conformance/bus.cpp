// The object bus's part of the conformance list for C++ (see README.md).
//
// bus serve              prints "= URL", and serves until its input ends
// bus check URL LIST
#include <millrace/qi.hpp>

#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <stdexcept>

namespace qi = millrace::qi;

static int serve() {
    // Its own methods tell of events of it.
    std::optional<qi::object> proof;
    proof = qi::builder()
                .method("add", [](int a, int b) { return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b)); })
                .method("halves",
                        [](std::vector<double> values) {
                            for (double& value : values) value /= 2;
                            return values;
                        })
                .method("echo", [](qi::value value) { return value; })
                .method("say", [&](int number, std::string text) { proof->emit("said", number, text); })
                .method("fail", [](std::string text) { throw std::runtime_error(text); })
                .signal<int, std::string>("said")
                .property("level", 7)
                .build();
    qi::server server("tcp://127.0.0.1:0");
    server.add("Proof", *proof);
    std::cout << "= " << server.address() << std::endl;
    while (std::cin.get() != std::char_traits<char>::eof()) {
    }
    return 0;
}

static void equal(const qi::value& got, const qi::value& wanted, const std::string& what) {
    if (got.json() != wanted.json()) throw std::runtime_error(what + ": " + got.json() + ", not " + wanted.json());
}

/// What is inside, if it is a dynamic.
static qi::value inside(const qi::value& value) { return value.as<qi::value>(); }

static qi::value call(const qi::proxy& proof, const std::string& name, const qi::value& with) {
    switch (with.size()) {
        case 1: return proof.call<qi::value>(name, inside(with[0]));
        case 2: return proof.call<qi::value>(name, inside(with[0]), inside(with[1]));
        default: throw std::runtime_error("a call with other than one or two arguments");
    }
}

static void check(const std::string& url, const qi::value& bus) {
    qi::session session(url);
    qi::proxy proof = session.service("Proof");
    const auto rows = [&](const char* name) {
        const qi::value list = inside(bus[name]);
        std::vector<qi::value> all;
        for (std::size_t i = 0; i < list.size(); i++) all.push_back(inside(list[i]));
        return all;
    };
    for (const qi::value& one : rows("calls")) {
        equal(call(proof, one["call"].as<std::string>(), inside(one["with"])), inside(one["gives"]), one.json());
    }
    for (const qi::value& value : rows("echo")) equal(proof.call<qi::value>("echo", value), value, "echo");
    for (const qi::value& one : rows("failures")) {
        bool failed = false;
        try {
            call(proof, one["call"].as<std::string>(), inside(one["with"]));
        } catch (const qi::error& error) {
            failed = std::string(error.what()).find(one["says"].as<std::string>()) != std::string::npos;
        }
        if (!failed) throw std::runtime_error(one.json() + " has not failed");
    }
    auto said = proof.subscribe<int, std::string>("said");
    for (const qi::value& event : rows("events")) {
        call(proof, "say", event);
        const auto got = said.next(std::chrono::seconds(60));
        if (!got || *got != std::make_tuple(inside(event[0]).as<int>(), inside(event[1]).as<std::string>())) {
            throw std::runtime_error("said: not " + event.json());
        }
    }
    const qi::value property = inside(bus["property"]);
    if (proof.property<int>("level") != inside(property["first"]).as<int>()) throw std::runtime_error("level at first");
    auto changes = proof.subscribe<int>("level");
    const qi::value set = inside(property["set"]);
    for (std::size_t i = 0; i < set.size(); i++) {
        const int to = inside(set[i]).as<int>();
        proof.set("level", to);
        const auto got = changes.next(std::chrono::seconds(60));
        if (!got || std::get<0>(*got) != to || proof.property<int>("level") != to) throw std::runtime_error("level");
    }
    std::cout << "ok" << std::endl;
}

int main(int argc, char** argv) {
    try {
        if (argc == 2 && argv[1] == std::string("serve")) return serve();
        if (argc != 4) throw std::runtime_error("bus serve, or bus check URL LIST");
        std::ifstream file(argv[3]);
        const std::string list{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        check(argv[2], inside(inside(qi::value::from_json(list))["bus"]));
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
