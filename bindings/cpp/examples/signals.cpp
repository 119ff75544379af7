// SPDX-License-Identifier: MIT
//
// A service of the object bus that counts, and a client that watches it.
//
//     c++ -std=c++17 signals.cpp -lnanomsg -pthread && ./a.out
#include <millrace/qi.hpp>

#include <iostream>
#include <stdexcept>

namespace qi = millrace::qi;

struct reading {
    int number = 0;
    double value = 0;
};
MILLRACE_QI_STRUCT(reading, "Reading", number, value)

int main() {
    qi::server server("tcp://127.0.0.1:0");
    qi::object sensor = qi::builder()
                            .method("scale", [](reading from, double by) { return reading{from.number, from.value * by}; })
                            .method("calibrate", [](int) { throw std::runtime_error("there is nothing to calibrate"); })
                            .signal<reading>("measured")
                            .build();
    server.add("Sensor", sensor);

    qi::session session(server.address());
    qi::proxy service = session.service("Sensor");
    auto measured = service.subscribe<reading>("measured");
    for (int i = 1; i <= 3; i++) sensor.emit("measured", reading{i, i * 0.5});
    for (int i = 1; i <= 3; i++) {
        const auto [got] = *measured.next();
        std::cout << "reading " << got.number << ": " << service.call<reading>("scale", got, 100.0).value << "\n";
    }
    try {
        service.call("calibrate", 1);
    } catch (const qi::error& caught) {
        std::cout << caught.what() << "\n";
    }
}
