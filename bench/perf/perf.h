/* What the six performance programs share. */
#ifndef PERF_H
#define PERF_H

#include <nanomsg/nn.h>
#include <nanomsg/pair.h>
#include <nanomsg/tcp.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A program that measures has no use for a call that fails. */
#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, nn_strerror(nn_errno())); \
            abort(); \
        } \
    } while (0)

static inline uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Ends the program unless it was given `count` arguments. */
static inline void expect_args(int argc, int count, const char *usage)
{
    if (argc != count + 1) {
        printf("usage: %s\n", usage);
        exit(1);
    }
}

static inline int pair(void)
{
    int s = nn_socket(AF_SP, NN_PAIR);
    CHECK(s != -1);
    return s;
}

static inline void set_option(int s, int level, int option, int value)
{
    CHECK(nn_setsockopt(s, level, option, &value, sizeof value) == 0);
}

/* Never of size 0, so that it is a pointer. */
static inline char *message(size_t size)
{
    char *buf = malloc(size + 1);
    CHECK(buf);
    return memset(buf, 111, size + 1);
}

static inline void send_one(int s, const char *buf, size_t size)
{
    CHECK(nn_send(s, buf, size, 0) == (int)size);
}

static inline void receive_one(int s, char *buf, size_t size)
{
    CHECK(nn_recv(s, buf, size, 0) == (int)size);
}

static inline void echo(int s, size_t size, int count)
{
    char *buf = message(size);
    for (int i = 0; i < count; i++) {
        receive_one(s, buf, size);
        send_one(s, buf, size);
    }
    free(buf);
}

static inline void ping(int s, size_t size, int count)
{
    char *buf = message(size);
    for (int i = 0; i < count; i++) {
        send_one(s, buf, size);
        receive_one(s, buf, size);
    }
    free(buf);
}

/* An empty message goes first and starts the receiver's clock. */
static inline void send_all(int s, size_t size, int count)
{
    char *buf = message(size);
    CHECK(nn_send(s, NULL, 0, 0) == 0);
    for (int i = 0; i < count; i++)
        send_one(s, buf, size);
    free(buf);
}

/* The time in microseconds, at least one. */
static inline uint64_t receive_all(int s, size_t size, int count)
{
    char *buf = message(size);
    CHECK(nn_recv(s, buf, size, 0) == 0);
    uint64_t begin = now_us();
    for (int i = 0; i < count; i++)
        receive_one(s, buf, size);
    uint64_t elapsed = now_us() - begin;
    free(buf);
    return elapsed ? elapsed : 1;
}

static inline void print_latency(size_t size, int count, uint64_t elapsed)
{
    printf("message size: %d [B]\nroundtrip count: %d\naverage latency: %.3f [us]\n", (int)size, count,
           (double)elapsed / (2.0 * count));
}

static inline void print_throughput(const char *mean, size_t size, int count, uint64_t elapsed)
{
    uint64_t rate = (uint64_t)((double)count / (double)elapsed * 1e6);
    printf("message size: %d [B]\nmessage count: %d\n%sthroughput: %d [msg/s]\n%sthroughput: %.3f [Mb/s]\n", (int)size, count,
           mean, (int)rate, mean, (double)rate * (double)size * 8 / 1e6);
}

#endif
