// SPDX-License-Identifier: MIT
//
// What the C++ functions cost beyond the C functions: the same messages both ways in turn, ratios of the medians.
//
//     c++ -std=c++17 -O2 -I bindings/cpp/include -I include bindings/cpp/bench/overhead.cpp -lnanomsg && ./a.out
#include <millrace/nanomsg.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

static constexpr int rounds = 21, messages = 20000, size = 64;

template <class Work>
static double nanoseconds(Work work) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < messages; i++) work();
    const auto time = std::chrono::steady_clock::now() - start;
    return std::chrono::duration<double, std::nano>(time).count() / messages;
}

static double median(std::vector<double>& all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
}

int main() {
    millrace::push to;
    millrace::pull from;
    from.bind("inproc://overhead");
    to.connect("inproc://overhead");
    char out[size] = {}, in[size];
    std::vector<double> copied_c, copied_cpp, handed_c, handed_cpp;
    for (int i = 0; i < rounds; i++) {
        copied_c.push_back(nanoseconds([&] {
            if (nn_send(to.handle(), out, size, 0) != size || nn_recv(from.handle(), in, size, 0) != size) std::abort();
        }));
        copied_cpp.push_back(nanoseconds([&] {
            to.send(out);
            from.recv(in);
        }));
        handed_c.push_back(nanoseconds([&] {
            void* block = nn_allocmsg(size, 0);
            if (nn_send(to.handle(), &block, NN_MSG, 0) != size || nn_recv(from.handle(), &block, NN_MSG, 0) != size) std::abort();
            nn_freemsg(block);
        }));
        handed_cpp.push_back(nanoseconds([&] {
            to.send(millrace::message(std::size_t{size}));
            from.recv();
        }));
    }
    const double c = median(copied_c), cpp = median(copied_cpp), c_handed = median(handed_c), cpp_handed = median(handed_cpp);
    std::printf("buffers:  C %.0f ns, C++ %.0f ns, ratio %.2f\n", c, cpp, cpp / c);
    std::printf("messages: C %.0f ns, C++ %.0f ns, ratio %.2f\n", c_handed, cpp_handed, cpp_handed / c_handed);
    return 0;
}
