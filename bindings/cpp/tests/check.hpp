// SPDX-License-Identifier: MIT
//
// The little that the tests need: CHECK, addresses that nobody else uses.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                                \
        }                                                                                \
    } while (0)

/// What is run throws an error with this code.
#define CHECK_THROWS(expression, expected)                                                      \
    do {                                                                                        \
        bool thrown = false;                                                                    \
        try {                                                                                   \
            static_cast<void>(expression);                                                      \
        } catch (const millrace::error& caught) {                                               \
            thrown = true;                                                                      \
            if (!(caught.code() == (expected)))                                                 \
                std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, caught.what());         \
            CHECK(caught.code() == (expected));                                                 \
        }                                                                                       \
        CHECK(thrown);                                                                          \
    } while (0)

inline std::string fresh_address(const char* transport = "inproc") {
    static int made = 0;
    const std::string name = "cpp-" + std::to_string(getpid()) + "-" + std::to_string(made++);
    return std::string(transport) == "ipc" ? "ipc:///tmp/" + name : "inproc://" + name;
}

#endif
