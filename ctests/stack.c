/* How much stack each function takes, see stack.h. A thread that waits also dispatches what happens to all other sockets, so that is
 * provoked while one waits. */
#include "websocket.h"

#include "stack.h"

ACTION(information) {
    int value;
    struct nn_symbol_properties properties;
    for (int i = 0; nn_symbol(i, &value) != NULL; i++)
        nn_symbol_info(i, &properties, sizeof(properties));
    for (int i = 0; i < 140; i++)
        nn_strerror(i);
    nn_strerror(ETERM);
    nn_strerror(123456);
    nn_errno();
    DONE;
}

ACTION(messages) {
    size_t sizes[] = {0, 1, 1000, 100000, 10000000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        void *message = nn_allocmsg(sizes[i], 0);
        message = nn_reallocmsg(message, sizes[i] * 2);
        nn_freemsg(message);
    }
    nn_allocmsg((size_t)1 << 62, 0);
    DONE;
}

/* More than one segment of the handle table. */
ACTION(opening) {
    static const int types[] = {NN_PAIR, NN_PUB, NN_SUB, NN_REQ, NN_REP, NN_PUSH, NN_PULL, NN_SURVEYOR, NN_RESPONDENT, NN_BUS};
    static int sockets[600];
    for (size_t i = 0; i < COUNT(sockets); i++)
        sockets[i] = nn_socket(i % 2 ? AF_SP_RAW : AF_SP, types[i % COUNT(types)]);
    for (size_t i = 0; i < COUNT(sockets); i++)
        nn_close(sockets[i]);
    nn_socket(AF_SP, 12345);
    DONE;
}

ACTION(options) {
    int s = nn_socket(AF_SP, NN_REQ), sub = nn_socket(AF_SP, NN_SUB);
    for (int level = -5; level <= NN_BUS; level++)
        for (int option = 0; option < 25; option++) {
            char value[128];
            size_t length = sizeof(value);
            if (nn_getsockopt(s, level, option, value, &length) == 0)
                nn_setsockopt(s, level, option, value, length);
        }
    nn_setsockopt(sub, NN_SUB, NN_SUB_SUBSCRIBE, "topic", 5);
    nn_setsockopt(sub, NN_SUB, NN_SUB_UNSUBSCRIBE, "topic", 5);
    for (int statistic = 0; statistic < 500; statistic++)
        nn_get_statistic(s, statistic);
    nn_close(s);
    nn_close(sub);
    DONE;
}

static address places[4];
static const char *const transports[] = {"inproc", "ipc", "tcp", "ws"};

/* Binds, connects, good and bad, and ends again. */
ACTION(endpoints) {
    static const char *const bad[] = {"", "tcp://", "tcp://*:99999", "tcp://nowhere.invalid;1.2.3.4:5", "ipc:///nowhere/at/all",
                                      "ws://*:1/path", "tcp://eth99:7777", "http://x", "tcp://[::1%lo]:7"};
    static const char *const names[] = {"tcp://localhost:1", "ws://localhost:1/path", "tcp://[::1]:1", "tcp://127.0.0.1;localhost:1"};
    int s = nn_socket(AF_SP, NN_PAIR), two = nn_socket(AF_SP, NN_PAIR);
    for (size_t i = 0; i < COUNT(bad); i++) {
        nn_bind(s, bad[i]);
        nn_connect(s, bad[i]);
    }
    for (int t = 0; t < 4; t++) {
        int id = nn_bind(s, places[t].text), other = nn_connect(two, places[t].text);
        nn_bind(two, places[t].text);
        nn_shutdown(two, other);
        nn_shutdown(s, id);
    }
    for (size_t i = 0; i < COUNT(names); i++)
        nn_shutdown(s, nn_connect(s, names[i]));
    nn_close(s);
    nn_close(two);
    DONE;
}

static int transport, sockets[2];

/* (Publishers drop what is too much at once.) */
static void talk(int from, int to, size_t largest) {
    static char bytes[100000];
    char small[8];
    struct nn_pollfd polled[] = {{to, NN_POLLIN, 0}, {from, NN_POLLOUT, 0}};
    for (size_t size = 0; size < largest; size = size * 3 + 1) {
        CHECK_EQ(nn_send(from, bytes, size, 0), size);
        CHECK(nn_poll(polled, 2, patience()) > 0);
        CHECK_EQ(nn_recv(to, small, sizeof(small), 0), size);
        void *message = nn_allocmsg(size, 0);
        CHECK_EQ(nn_send(from, &message, NN_MSG, 0), size);
        CHECK_EQ(nn_recv(to, &message, NN_MSG, 0), size);
        nn_freemsg(message);
        struct nn_iovec parts[] = {{bytes, size}, {bytes, 1}};
        void *control = NULL;
        struct nn_msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
        CHECK_EQ(nn_sendmsg(from, &header, 0), size + 1);
        header.msg_control = &control;
        header.msg_controllen = NN_MSG;
        CHECK_EQ(nn_recvmsg(to, &header, 0), size + 1);
        NN_CMSG_FIRSTHDR(&header);
        nn_freemsg(control);
    }
}

static const int pairings[][2] = {{NN_PAIR, NN_PAIR}, {NN_PULL, NN_PUSH},            {NN_SUB, NN_PUB},
                                  {NN_REP, NN_REQ},   {NN_RESPONDENT, NN_SURVEYOR}, {NN_BUS, NN_BUS}};

ACTION(talking) {
    for (size_t i = 0; i < COUNT(pairings); i++) {
        int one = open_socket(pairings[i][0]), two = open_socket(pairings[i][1]);
        if (pairings[i][0] == NN_SUB)
            CHECK_OK(nn_setsockopt(one, NN_SUB, NN_SUB_SUBSCRIBE, "", 0));
        /* A thousand messages are to fit, also if each is written by itself; what is set later holds for the next connection. */
        set(two, NN_SNDBUF, 1000000);
        BIND(one, places[transport].text);
        CONNECT(two, places[transport].text);
        WAIT(connections(one) == 1 && connections(two) == 1);
        if (pairings[i][1] == NN_REQ || pairings[i][1] == NN_SURVEYOR)
            for (int k = 0; k < 10; k++) {
                SEND(two, "question");
                RECV(one, "question");
                SEND(one, "answer");
                RECV(two, "answer");
            }
        else
            talk(two, one, pairings[i][0] == NN_SUB || pairings[i][0] == NN_BUS ? 1000 : 100000);
        if (pairings[i][0] == NN_PAIR || pairings[i][0] == NN_PULL) {
            for (int k = 0; k < 1000; k++)
                SEND(two, "one of many");
            for (int k = 0; k < 1000; k++)
                RECV(one, "one of many");
        }
        nn_close(two);
        nn_close(one);
    }
    DONE;
}

ACTION(polling) {
    static struct nn_pollfd entries[500];
    for (size_t i = 0; i < COUNT(entries); i++)
        entries[i] = (struct nn_pollfd){open_socket(NN_PAIR), NN_POLLIN | NN_POLLOUT, 0};
    CHECK_EQ(nn_poll(entries, COUNT(entries), 1), 0);
    CHECK_EQ(nn_poll(NULL, 0, 1), 0);
    for (size_t i = 0; i < COUNT(entries); i++)
        nn_close(entries[i].fd);
    DONE;
}

/* One who waits for a message, and meanwhile serves everybody. */
static address wait_at;
static int waiting;
ACTION(attending) {
    char text[8];
    CHECK_EQ(nn_recv(waiting, text, sizeof(text), 0), 3);
    DONE;
}

static void begin_attending(void) {
    waiting = open_socket(NN_PULL);
    set(waiting, NN_RCVTIMEO, 20000);
    wait_at = bind_fresh(waiting, TCP);
}

static void end_attending(void) {
    int push = open_socket(NN_PUSH);
    CONNECT(push, wait_at.text);
    SEND(push, "end");
    CLOSE(push);
}

static const char request[] =
    "GET /path HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nX-One: 1\r\n"
    "X-Two: 2\r\nX-Three: 3\r\nCookie: a=b\r\nOrigin: http://localhost\r\nSec-WebSocket-Key: " KEY "\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    "Sec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n";

/* Peers that greet, talk, misbehave and go, on each transport, and those whom we connect to. */
static void provoke(void) {
    int s[4], listeners[4];
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x10, 0, 0}, wrong[] = "GET / nonsense\r\n\r\n",
                         ipc[] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 'x'},
                         frames[] = {0x89, 0x81, 0, 0, 0, 0, 'p', 0x82, 0x81, 0, 0, 0, 0, 'x', 0x88, 0x82, 0, 0, 0, 0, 3, 0xe8};
    for (int t = 1; t < 4; t++) {
        address a = t == 3 ? fresh_ws() : fresh((enum transport)t);
        s[t] = open_socket(NN_PAIR);
        BIND(s[t], a.text);
        int bad = peer_connect(a.text);
        peer_write(bad, wrong, sizeof(wrong));
        close(bad);
        int fd = peer_connect(a.text);
        if (t == 3)
            peer_write(fd, request, sizeof(request) - 1);
        else
            peer_write(fd, greeting, sizeof(greeting));
        WAIT(connections(s[t]) == 1);
        if (t == 3)
            peer_write(fd, frames, sizeof(frames));
        else
            peer_write(fd, ipc + (t == TCP), sizeof(ipc) - (t == TCP));
        RECV(s[t], "x");
        close(fd);
        WAIT(connections(s[t]) == 0);

        a = t == 3 ? fresh_ws() : fresh((enum transport)t);
        listeners[t] = peer_listen(a.text);
        set(s[t], NN_RECONNECT_IVL, 1);
        CONNECT(s[t], a.text);
        close(peer_accept(listeners[t]));
        fd = peer_accept(listeners[t]);
        if (t == 3) {
            char head[2048] = "", key[64] = "", accept_value[32] = "", reply[512];
            for (size_t n = 0; n < sizeof(head) - 1 && strstr(head, "\r\n\r\n") == NULL; n++)
                if (peer_read(fd, head + n, 1) != 1)
                    break;
            const char *field = strstr(head, "Sec-WebSocket-Key: ");
            if (CHECK(field != NULL))
                sscanf(field, "Sec-WebSocket-Key: %60s", key);
            accept_text(key, accept_value);
            snprintf(reply, sizeof(reply),
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n",
                     accept_value);
            peer_write(fd, reply, strlen(reply));
        } else
            peer_write(fd, greeting, sizeof(greeting));
        WAIT(connections(s[t]) == 1);
        close(fd);
        close(listeners[t]);
    }
    int named = open_socket(NN_PAIR), req = open_socket(NN_REQ), surveyor = open_socket(NN_SURVEYOR);
    CONNECT(named, "tcp://localhost:1");
    CONNECT(named, "ws://localhost:1");
    CONNECT(named, "tcp://name.invalid:1");
    set_option(req, NN_REQ, NN_REQ_RESEND_IVL, 5);
    set_option(surveyor, NN_SURVEYOR, NN_SURVEYOR_DEADLINE, 5);
    SEND(req, "resent");
    SEND(surveyor, "expires");
    WAIT(statistic(named, NN_STAT_CONNECT_ERRORS) > 2);
    pause_ms(20);
    for (int t = 1; t < 4; t++)
        nn_close(s[t]);
    CLOSE(named, req, surveyor);
    end_attending();
}

/* A device ends with its socket. */
ACTION(forwarding) {
    CHECK_ERR(nn_device(sockets[0], sockets[1]), EBADF);
    DONE;
}

static void through_the_device(void) {
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    CONNECT(push, places[2].text);
    CONNECT(pull, places[3].text);
    for (int i = 0; i < 10; i++) {
        SEND(push, "through");
        RECV(pull, "through");
    }
    CLOSE(push, pull);
    nn_close(sockets[0]);
}

ACTION(terminating) {
    for (int i = 0; i < 300; i++)
        nn_socket(AF_SP, NN_PAIR);
    nn_term();
    nn_socket(AF_SP, NN_PAIR);
    DONE;
}

int main(int argc, char **argv) {
    start();
    setenv("NN_PRINT_ERRORS", "1", 1);
    begin_measuring(argc, argv);
    for (int t = 0; t < 4; t++)
        places[t] = t == 3 ? fresh_ws() : fresh((enum transport)t);
    measure("nn_symbol, nn_strerror, nn_errno", information, NULL);
    measure("nn_allocmsg, nn_reallocmsg, nn_freemsg", messages, NULL);
    measure("nn_socket, nn_close", opening, NULL);
    measure("nn_setsockopt, nn_getsockopt", options, NULL);
    measure("nn_bind, nn_connect, nn_shutdown", endpoints, NULL);
    for (transport = 0; transport < 4; transport++) {
        char name[64];
        snprintf(name, sizeof(name), "nn_send, nn_recv, nn_poll over %s", transports[transport]);
        measure(name, talking, NULL);
    }
    measure("nn_poll of 500", polling, NULL);
    begin_attending();
    measure("what happens to others, in nn_recv", attending, provoke);
    CLOSE(waiting);
    sockets[0] = open_raw(NN_PULL);
    sockets[1] = open_raw(NN_PUSH);
    BIND(sockets[0], places[2].text);
    BIND(sockets[1], places[3].text);
    measure("nn_device", forwarding, through_the_device);
    nn_close(sockets[1]);
    measure("nn_term", terminating, NULL);
    CHECK_EQ(finish(), 0);
    return failures != 0;
}
