/* NN_RCVMAXSIZE: header plus body, live, per message; too large a message ends the connection. */
#include "header.h"

/* Sends `bad` bytes, which break the connection, then `good` ones, which get through after the reconnect. */
static void refused(int push, int pull, size_t bad, size_t good) {
    uint64_t broken = statistic(pull, NN_STAT_BROKEN_CONNECTIONS);
    char *data = pattern(bad > good ? bad : good);
    SEND_BYTES(push, data, bad);
    WAIT(statistic(pull, NN_STAT_BROKEN_CONNECTIONS) == broken + 1);
    WAIT(connections(push) == 1 && connections(pull) == 1 &&
         statistic(push, NN_STAT_BROKEN_CONNECTIONS) >= broken + 1);
    SEND_BYTES(push, data, good);
    RECV_BYTES(pull, data, good);
    free(data);
}

static void accepted(int push, int pull, size_t size) {
    char *data = pattern(size);
    SEND_BYTES(push, data, size);
    RECV_BYTES(pull, data, size);
    free(data);
}

static void limits(enum transport t, int domain) {
    CONTEXT("%s, domain %d", transport_name[t], domain);
    int push = open_domain(domain, NN_PUSH), pull = open_domain(domain, NN_PULL);
    set(push, NN_RECONNECT_IVL, 10);
    join(pull, push, t);
    accepted(push, pull, 1048576);
    refused(push, pull, 1048577, 5);
    set(pull, NN_RCVMAXSIZE, 10); /* applies to the next message */
    accepted(push, pull, 10);
    refused(push, pull, 11, 10);
    set(pull, NN_RCVMAXSIZE, 0);
    accepted(push, pull, 0);
    refused(push, pull, 1, 0);
    set(pull, NN_RCVMAXSIZE, -1);
    accepted(push, pull, 2000000);
    CHECK_EQ(statistic(pull, NN_STAT_BROKEN_CONNECTIONS), 3);
    CLOSE(push, pull);
}

/* The four bytes of the request id count. */
static void with_header(enum transport t, int domain) {
    CONTEXT("%s, header counts, domain %d", transport_name[t], domain);
    int req = open_raw(NN_REQ), rep = open_domain(domain, NN_REP);
    set(req, NN_RECONNECT_IVL, 10);
    set(rep, NN_RCVMAXSIZE, 6);
    join(rep, req, t);
    char buffer[8];
    CHECK_EQ(send_header(req, "\x80\0\0\1", 4, "ab", 2, 0), 2);
    CHECK_EQ(nn_recv(rep, buffer, sizeof(buffer), 0), 2);
    CHECK_EQ(send_header(req, "\x80\0\0\1", 4, "abc", 3, 0), 3);
    WAIT(statistic(rep, NN_STAT_BROKEN_CONNECTIONS) == 1);
    EMPTY(rep);
    CLOSE(req, rep);
}

int main(void) {
    start();
    for EACH_OS_TRANSPORT (t)
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            limits(t, domain);
            with_header(t, domain);
        }

    /* inproc has no such limit. */
    CONTEXT("inproc");
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    set(pull, NN_RCVMAXSIZE, 1);
    join(pull, push, INPROC);
    accepted(push, pull, 2000000);
    CLOSE(push, pull);
    return finish();
}
