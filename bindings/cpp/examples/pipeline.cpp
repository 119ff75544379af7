// SPDX-License-Identifier: MIT
//
// Work for several workers: one socket gives it out, threads do it, one socket collects.
//
//     c++ -std=c++17 pipeline.cpp -lnanomsg -pthread && ./a.out
#include <millrace/nanomsg.hpp>

#include <iostream>
#include <thread>
#include <vector>

static void work(int number) {
    millrace::pull tasks;
    millrace::push results;
    tasks.connect("inproc://tasks");
    results.connect("inproc://results");
    results.send("worker " + std::to_string(number) + " is there");
    while (true) {
        millrace::message task = tasks.recv();
        if (task.empty()) return;
        long n = std::stol(task.str());
        results.send("worker " + std::to_string(number) + ": " + std::to_string(n * n));
    }
}

int main() {
    constexpr int workers = 3, count = 9;
    millrace::push tasks;
    millrace::pull results;
    tasks.bind("inproc://tasks");
    results.bind("inproc://results");
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; i++) threads.emplace_back(work, i);
    // Each in turn gets a task, once all are there.
    for (int i = 0; i < workers; i++) std::cout << results.recv().view() << "\n";
    for (int n = 1; n <= count; n++) tasks.send(std::to_string(n));
    for (int n = 1; n <= count; n++) std::cout << results.recv().view() << "\n";
    // An empty message ends a worker.
    for (int i = 0; i < workers; i++) tasks.send("");
    for (std::thread& thread : threads) thread.join();
}
