/* WebSocket: addresses, option, handshake, frames, violations, closing, reconnection. */
#include "websocket.h"
#if __has_include(<millrace/monitor.h>)
#include <millrace/monitor.h>
#endif

/* ---- addresses and option -------------------------------------------------------------------------------------- */

static void addresses(void) {
    int s = open_socket(NN_PAIR), port = free_port();
    char to[NN_SOCKADDR_MAX];
    const int only_there_nodev = genuine() ? ENODEV : 0, only_there_inval = genuine() ? EINVAL : 0;
    const struct {
        const char *form; /* %d: a port */
        int bind, connect;
    } rows[] = {
        {"ws://127.0.0.1:%d", 0, 0},          {"ws://[127.0.0.1]:%d", 0, 0},
        {"ws://*:%d", 0, EINVAL},             {"ws://127.0.0.1", EINVAL, 0},
        {"ws://*", EINVAL, EINVAL},           {"ws://127.0.0.1:%d/x", EINVAL, 0},
        {"ws://127.0.0.1/path", EINVAL, 0},   {"ws://127.0.0.1:%d/", EINVAL, 0},
        {"ws://localhost:%d/a", EINVAL, 0},   {"ws://127.0.0.1:%d/a/b?q=1", EINVAL, 0},
        {"ws://localhost:%d", only_there_nodev, 0}, {"ws://*;127.0.0.1:%d", ENODEV, 0},
        {"ws://:%d", ENODEV, EINVAL},         {"ws://127.0.0.1;127.0.0.1:%d/x", EINVAL, 0},
        {"ws://", EINVAL, EINVAL},            {"ws:///x", EINVAL, EINVAL},
        {"ws://127.0.0.1:", EINVAL, EINVAL},  {"ws://127.0.0.1:65536", EINVAL, EINVAL},
        {"ws://127.0.0.1:1000000", EINVAL, EINVAL}, {"ws://127.0.0.1/pa:th", EINVAL, EINVAL},
        {"ws://127.0.0.1:%d?x", EINVAL, EINVAL}, {"ws://[::1]:%d", ENODEV, EINVAL},
        {"ws://a_b:%d", ENODEV, only_there_inval}, {"ws://eth10000;127.0.0.1:%d", ENODEV, ENODEV},
        {"ws://lo;127.0.0.1:%d", ENODEV, only_there_nodev},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        snprintf(to, sizeof(to), rows[i].form, port);
        CONTEXT("%s", to);
        int id = nn_bind(s, to);
        if (rows[i].bind == 0) {
            CHECK(id > 0);
            CHECK_ERR(nn_bind(s, to), EADDRINUSE);
            CHECK_OK(nn_shutdown(s, id));
            port = free_port();
        } else {
            CHECK_ERR(id, rows[i].bind);
        }
        id = nn_connect(s, to);
        if (rows[i].connect == 0) {
            CHECK(id > 0);
            CHECK_OK(nn_shutdown(s, id));
        } else {
            CHECK_ERR(id, rows[i].connect);
        }
    }
    CLOSE(s);
}

/* What NN_WS_MSG_TYPE was when the connection was made is the opcode. */
static void message_type(void) {
    for EACH_ROLE (role) {
        CONTEXT("message type, %s", role_name[role]);
        int s = open_socket(NN_PAIR);
        CHECK_EQ(get_option(s, NN_WS, NN_WS_MSG_TYPE), NN_WS_MSG_TYPE_BINARY);
        for (int bad = -1; bad <= 3; bad++)
            if (bad != NN_WS_MSG_TYPE_TEXT && bad != NN_WS_MSG_TYPE_BINARY)
                CHECK_ERR(nn_setsockopt(s, NN_WS, NN_WS_MSG_TYPE, &bad, sizeof(bad)), EINVAL);
        CHECK_ERR(nn_setsockopt(s, NN_WS, NN_WS_MSG_TYPE, &(int[2]){1}, 3), EINVAL);
        CHECK_ERR(nn_setsockopt(s, NN_WS, NN_WS_MSG_TYPE, &(int[2]){1}, 8), EINVAL);
        CHECK_ERR(nn_setsockopt(s, NN_WS, 2, &(int){1}, sizeof(int)), ENOPROTOOPT);
        set_option(s, NN_WS, NN_WS_MSG_TYPE, NN_WS_MSG_TYPE_TEXT);
        CHECK_EQ(get_option(s, NN_WS, NN_WS_MSG_TYPE), NN_WS_MSG_TYPE_TEXT);
        struct peer peer = meet(s, role, "pair");
        set_option(s, NN_WS, NN_WS_MSG_TYPE, NN_WS_MSG_TYPE_BINARY);
        SEND(s, "\xff is not looked at");
        FRAME(peer, 0x81, "\xff is not looked at", 18);
        close(peer.fd);
        CLOSE(s);
    }
}

/* ---- handshake ------------------------------------------------------------------------------------------------- */

static const struct {
    int type;
    const char *name, *expects;
} types[] = {
    {NN_PAIR, "pair", "pair"},
    {NN_PUB, "pub", "sub"},
    {NN_SUB, "sub", "pub"},
    {NN_REQ, "req", "rep"},
    {NN_REP, "rep", "req"},
    {NN_PUSH, "push", "pull"},
    {NN_PULL, "pull", "push"},
    {NN_SURVEYOR, "surveyor", "respondent"},
    {NN_RESPONDENT, "respondent", "surveyor"},
    {NN_BUS, "bus", "bus"},
};

/* A client sends exactly these lines. */
static void request_bytes(void) {
    for (size_t i = 0; i < COUNT(types); i++) {
        CONTEXT("request of %s", types[i].name);
        address a = fresh_ws();
        int s = open_socket(types[i].type), listener = peer_listen(a.text), port = atoi(strrchr(a.text, ':') + 1);
        char to[64], request[1024], expected[512], key[64];
        snprintf(to, sizeof(to), "ws://*;localhost:%d%s", port, i % 2 ? "/a?b" : "");
        CONNECT(s, to);
        int fd = peer_accept(listener);
        read_http(fd, request, sizeof(request));
        field(request, "Sec-WebSocket-Key", key);
        CHECK_EQ(strlen(key), 24);
        snprintf(expected, sizeof(expected),
                 "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Protocol: %s.sp.nanomsg.org\r\n\r\n",
                 i % 2 ? "/a?b" : "/", port, key, types[i].expects);
        check_at(__FILE__, __LINE__, strcmp(request, expected) == 0, "the request is\n%s", request);
        CLOSE(s);
        close(fd);
        close(listener);
    }
}

/* Every type welcomes who asks for it, and nobody else. */
static void roles(void) {
    for (size_t i = 0; i < COUNT(types); i++)
        for (size_t k = 0; k < COUNT(types); k++) {
            CONTEXT("%s asked for %s", types[i].name, types[k].name);
            address a = fresh_ws();
            int s = open_socket(types[i].type);
            BIND(s, a.text);
            int fd = peer_connect(a.text);
            send_request(fd, types[k].name);
            char line[40] = "";
            peer_read(fd, line, 39);
            const char *expected = i == k ? "HTTP/1.1 101 Switching Protocols\r\n" : "HTTP/1.1 400 Incompatible Socket Type\r\n";
            CHECK_BYTES(line, expected, i == k ? 34 : 39);
            close(fd);
            CLOSE(s);
        }
}

/* One change to a good request each: what the answer's first line says. The reference knows no lists, and one status only. */
static void requests(void) {
    static const char *const good[] = {"Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
                                       "Sec-WebSocket-Key: " KEY, "Sec-WebSocket-Version: 13",
                                       "Sec-WebSocket-Protocol: pair.sp.nanomsg.org"};
    static const char welcome[] = "101 Switching Protocols", body[] = "400 Cannot Have Body",
                      stranger[] = "400 Unrecognized Socket Type", incompatible[] = "400 Incompatible Socket Type",
                      upgrade[] = "426 Upgrade Required";
    static const struct {
        int line;
        const char *instead, *answer, *reference; /* NULL: answers the same */
    } rows[] = {
        {0, "hOST:  localhost  ", welcome, NULL},
        {0, NULL, "400 Host Must Be Given Once", body},
        {1, "upgrade: WebSocket", welcome, NULL},
        {1, "Upgrade: h2c", upgrade, body},
        {1, NULL, upgrade, body},
        {2, "Connection: keep-alive, UPGRADE", welcome, NULL},
        {2, "Connection: keep-alive\r\nConnection: Upgrade", welcome, NULL},
        {2, "Connection: close", upgrade, body},
        {2, NULL, upgrade, body},
        {3, NULL, "400 Sec-WebSocket-Key Must Be Given Once", body},
        {4, "Sec-WebSocket-Version: 8", upgrade, "400 Unsupported WebSocket Version"},
        {4, NULL, upgrade, body},
        {5, NULL, welcome, NULL},
        {5, "Sec-WebSocket-Protocol: PAIR.sp.nanomsg.org", welcome, NULL},
        {5, "Sec-WebSocket-Protocol: bus.sp.nanomsg.org", incompatible, NULL},
        {5, "Sec-WebSocket-Protocol: pear.sp.nanomsg.org", stranger, NULL},
        {5, "Sec-WebSocket-Protocol: bus.sp.nanomsg.org, chat", incompatible, stranger},
        {5, "Sec-WebSocket-Protocol: pair.sp.nanomsg.org, bus.sp.nanomsg.org", welcome, stranger},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("request with %s", rows[i].instead ? rows[i].instead : good[rows[i].line]);
        char request[1024] = "GET /any?path HTTP/1.1\r\nX-Unknown: long enough for those who read a minimum first, which is "
                             "more than there would be otherwise\r\n",
             answer[512], expected[64];
        for (int k = 0; k < (int)COUNT(good); k++) {
            const char *line = k == rows[i].line ? rows[i].instead : good[k];
            if (line != NULL)
                sprintf(request + strlen(request), "%s\r\n", line);
        }
        strcat(request, "\r\n");
        address a = fresh_ws();
        int s = open_socket(NN_PAIR);
        BIND(s, a.text);
        int fd = peer_connect(a.text);
        size_t half = strlen(request) / 2; /* in two pieces */
        peer_write(fd, request, half);
        pause_ms(2);
        peer_write(fd, request + half, strlen(request) - half);
        const char *status = genuine() && rows[i].reference != NULL ? rows[i].reference : rows[i].answer;
        if (genuine() && status != welcome) /* there the answer has no end */
            peer_read(fd, answer, strlen(status) + 11);
        else
            read_http(fd, answer, sizeof(answer));
        snprintf(expected, sizeof(expected), "HTTP/1.1 %s\r\n", status);
        CHECK_BYTES(answer, expected, strlen(expected));
        if (status == welcome) {
            bool is_named = strstr(answer, "\r\nSec-WebSocket-Protocol:") != NULL;
            CHECK(is_named == (rows[i].line != 5 || rows[i].instead != NULL) || genuine()); /* an empty name is no name */
            CHECK(strstr(answer, "\r\nSec-WebSocket-Accept: " ACCEPT "\r\n") != NULL);
            WAIT(connections(s) == 1);
        } else if (!genuine()) {
            CHECK(strstr(answer, "\r\nSec-WebSocket-Version: 13\r\n") != NULL);
            CHECK(peer_hung_up(fd));
            WAIT(statistic(s, NN_STAT_BROKEN_CONNECTIONS) == 1);
            CHECK_EQ(connections(s), 0);
        }
        close(fd);
        CLOSE(s);
    }
}

/* What the reference cannot bear: requests that are short, long, or none. */
static void strange_requests(void) {
    static const struct {
        const char *request, *answer;
        int padding;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\n", 0},
        {"POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n", 0},
        {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", 0},
        {"\x01\x02\x03", "HTTP/1.1 400 Bad Request\r\n", 0},
        {"GET / HTTP/1.1\r\nX: ", "HTTP/1.1 431 Request Header Fields Too Large\r\n", 40000},
    };
    int s = open_socket(NN_PAIR);
    address a = fresh_ws();
    BIND(s, a.text);
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("strange request %zu", i);
        int fd = peer_connect(a.text);
        char answer[256];
        peer_write(fd, rows[i].request, strlen(rows[i].request));
        for (int k = 0; k < rows[i].padding; k += 100)
            peer_write(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 100);
        read_http(fd, answer, sizeof(answer));
        CHECK_BYTES(answer, rows[i].answer, strlen(rows[i].answer));
        CHECK(strcmp(answer + strlen(answer) - 4, "\r\n\r\n") == 0);
        CHECK(peer_hung_up(fd));
        close(fd);
        CHECK_EQ(connections(s), 0);
    }
    CLOSE(s);
}

/* A client takes nothing but a proper welcome. What is refused is tried again, unlike in the reference. */
static void replies(void) {
    static const struct {
        const char *line, *upgrade, *connection;
        bool proof, welcome;
    } rows[] = {
        {"101 Switching Protocols", "websocket", "Upgrade", true, true},
        {"101 Fine", "WebSocket", "upgrade", true, true},
        {"200 OK", "websocket", "Upgrade", true, false},
        {"101 Switching Protocols", "h2c", "Upgrade", true, false},
        {"101 Switching Protocols", "websocket", "keep-alive, Upgrade", true, true}, /* the reference refuses a list */
        {"101 Switching Protocols", "websocket", "Upgrade", false, false},
        {"400 Incompatible Socket Type", "", "", false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        CONTEXT("reply %zu", i);
        bool welcome = rows[i].welcome && !(genuine() && strchr(rows[i].connection, ','));
        address a = fresh_ws();
        int s = open_socket(NN_PAIR), listener = peer_listen(a.text);
        CONNECT(s, a.text);
        int fd = peer_accept(listener);
        char text[1024], key[64], proof[29];
        read_http(fd, text, sizeof(text));
        field(text, "Sec-WebSocket-Key", key);
        accept_text(rows[i].proof ? key : KEY, proof);
        snprintf(text, sizeof(text),
                 "HTTP/1.1 %s\r\nX-Other: 1\r\nSec-WebSocket-Accept: %s\r\nUpgrade: %s\r\nConnection: %s\r\n\r\n",
                 rows[i].line, proof, rows[i].upgrade, rows[i].connection);
        peer_write(fd, text, strlen(text));
        if (welcome) {
            WAIT(connections(s) == 1);
        } else {
            CHECK(peer_hung_up(fd));
            if (!genuine()) {
                close(fd);
                fd = peer_accept(listener);
                read_http(fd, text, sizeof(text));
                send_welcome(fd, text);
                WAIT(connections(s) == 1);
            }
        }
        close(fd);
        close(listener);
        CLOSE(s);
    }
}

/* ---- frames ---------------------------------------------------------------------------------------------------- */

/* Every form of length, in both directions. */
static void lengths(void) {
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 300000};
    for EACH_ROLE (role) {
        int s = open_socket(NN_PAIR);
        struct peer peer = meet(s, role, "pair");
        for (size_t i = 0; i < COUNT(sizes); i++) {
            CONTEXT("%s, %zu bytes", role_name[role], sizes[i]);
            char *data = pattern(sizes[i]);
            SEND_BYTES(s, data, sizes[i]);
            FRAME(peer, 0x82, data, sizes[i]);
            frame_send(peer, 0x82, data, sizes[i]);
            RECV_BYTES(s, data, sizes[i]);
            free(data);
        }
        close(peer.fd);
        CLOSE(s);
    }
}

/* A client's masks differ, and what it sends to several or again is not spoilt. */
static void masks(void) {
    CONTEXT("masks");
    int s = open_socket(NN_BUS);
    struct peer one = meet(s, SERVER, "bus"), two = meet(s, SERVER, "bus");
    char *data = pattern(1000);
    uint8_t before[4] = {0};
    for (int i = 0; i < 4; i++) {
        void *message = nn_allocmsg(1000, 0);
        memcpy(message, data, 1000);
        CHECK_EQ(nn_send(s, &message, NN_MSG, 0), 1000);
        struct frame a = frame_recv(one), b = frame_recv(two);
        CHECK(memcmp(a.mask, b.mask, 4) != 0 || genuine());
        CHECK(memcmp(a.mask, before, 4) != 0);
        memcpy(before, a.mask, 4);
        if (!genuine()) {
            CHECK_BYTES(a.data, data, 1000);
            CHECK_BYTES(b.data, data, 1000);
        }
        free(a.data);
        free(b.data);
    }
    free(data);
    close(one.fd);
    close(two.fd);
    CLOSE(s);
}

/* Fragments make one message; control frames may come between them. */
static void fragments(void) {
    for EACH_ROLE (role) {
        CONTEXT("fragments, %s", role_name[role]);
        int s = open_socket(NN_PAIR);
        struct peer peer = meet(s, role, "pair");
        frame_send(peer, 0x02, "ab", 2);
        frame_send(peer, 0x00, "", 0);
        if (!genuine()) {
            frame_send(peer, 0x89, "are you there", 13);
            frame_send(peer, 0x8a, "unasked", 7);
            FRAME(peer, 0x8a, "are you there", 13);
        }
        frame_send(peer, 0x00, "c", 1);
        NOTHING(s);
        frame_send(peer, 0x80, "de", 2);
        RECV(s, "abcde");
        frame_send(peer, 0x01, "h\xe2\x82", 3); /* the euro sign in two pieces */
        frame_send(peer, 0x80, "\xac", 1);
        RECV(s, "h\xe2\x82\xac");
        frame_send(peer, 0x81, "text", 4);
        frame_send(peer, 0x82, "\xff", 1);
        RECV(s, "text");
        RECV(s, "\xff");
        for (int i = 0; i < 1000; i++)
            frame_send(peer, i == 0 ? 0x02 : i == 999 ? 0x80 : 0x00, "0123456789", 10);
        char *whole = malloc(10000);
        for (int i = 0; i < 10000; i++)
            whole[i] = (char)('0' + i % 10);
        RECV_BYTES(s, whole, 10000);
        free(whole);
        close(peer.fd);
        CLOSE(s);
    }
}

/* The longer forms of a length are understood for short payloads, too; frames may come in any pieces. */
static void pieces(void) {
    CONTEXT("pieces");
    int s = open_socket(NN_PAIR);
    struct peer peer = meet(s, SERVER, "pair");
    static const uint8_t stream[] = {0x82, 0x03, 'a', 'b', 'c', 0x01, 0x01, 'd', 0x80, 0x7e, 0x00, 0x7e};
    for (size_t i = 0; i < sizeof(stream); i++) {
        peer_write(peer.fd, stream + i, 1);
        pause_ms(1);
    }
    char rest[127];
    memset(rest, 'e', 126);
    peer_write(peer.fd, rest, 126);
    RECV(s, "abc");
    memmove(rest + 1, rest, 126);
    rest[0] = 'd';
    RECV_BYTES(s, rest, 127);
    close(peer.fd);
    CLOSE(s);
}

/* Many messages in each direction at once, through full buffers. */
static void *stream_in(void *argument) {
    struct peer *peer = argument;
    for (int i = 0; i < 2000; i++) {
        char data[1000] = {0};
        memcpy(data, &i, sizeof(i));
        frame_send(*peer, 0x82, data, sizeof(data));
        if (i % 100 == 0 && !genuine())
            frame_send(*peer, 0x89, "ping", 4);
    }
    return NULL;
}

static void streams(void) {
    for EACH_ROLE (role) {
        CONTEXT("streams, %s", role_name[role]);
        int s = open_socket(NN_PAIR);
        struct peer peer = meet(s, role, "pair");
        pthread_t thread = spawn(stream_in, &peer);
        for (int i = 0; i < 2000; i++) {
            char data[1000];
            CHECK_EQ(nn_recv(s, data, sizeof(data), 0), 1000);
            CHECK_BYTES(data, &i, sizeof(i));
        }
        await(thread);
        int sent = fill(s, 1000, 100000);
        for (int i = 0; i < sent;) {
            struct frame frame = frame_recv(peer);
            if (!CHECK(frame.first == 0x82 || frame.first == 0x8a))
                break;
            i += frame.first == 0x82;
            CHECK_EQ(frame.length, frame.first == 0x82 ? 1000 : 4);
            free(frame.data);
        }
        close(peer.fd);
        CLOSE(s);
    }
}

/* ---- opcodes in control data ----------------------------------------------------------------------------------- */

#define OPCODE_PROPERTY 24

/* The opcode of a received message stands behind its header, in whole or as far as there is room. */
static void opcodes_received(void) {
    for EACH_ROLE (role) {
        int s = open_socket(NN_PAIR);
        struct peer peer = meet(s, role, "pair");
        for (int opcode = 1; opcode <= 2; opcode++)
            for (size_t room = 0; room <= 72; room++) {
                CONTEXT("opcode %d in %zu bytes, %s", opcode, room, role_name[role]);
                _Alignas(8) uint8_t buffer[80], expected[80];
                memset(buffer, 0xa5, sizeof(buffer));
                memset(expected, 0xa5, sizeof(expected));
                struct nn_cmsghdr heads[] = {{24, PROTO_SP, SP_HDR}, {OPCODE_PROPERTY, NN_WS, NN_WS_MSG_TYPE}};
                memcpy(expected, &heads[0], 16);
                memset(expected + 16, 0, 8);
                memcpy(expected + 24, &heads[1], 16);
                expected[40] = (uint8_t)opcode;
                char body[8];
                struct nn_iovec vector = {body, sizeof(body)};
                struct nn_msghdr header = {&vector, 1, buffer, room};
                frame_send(peer, 0x80 | opcode, "abc", 3);
                CHECK_EQ(nn_recvmsg(s, &header, 0), 3);
                size_t written = room < 24 ? 0 : room < 41 ? room : 41; /* then padding */
                CHECK_BYTES(buffer, written ? expected : buffer, written);
                for (size_t i = room < 24 ? 0 : room < 48 ? room : 48; i < sizeof(buffer); i++)
                    CHECK_EQ(buffer[i], 0xa5);
            }
        close(peer.fd);
        CLOSE(s);
    }
}

/* What was received goes back in the form it came; any other opcode can be asked for. */
static void opcodes_sent(void) {
    for EACH_ROLE (role) {
        CONTEXT("opcodes sent, %s", role_name[role]);
        int s = open_socket(NN_PAIR);
        struct peer peer = meet(s, role, "pair");
        for (int form = 0; form < 2; form++)
            for (int opcode = 1; opcode <= 2; opcode++) {
                void *body = NULL, *control = NULL;
                _Alignas(8) char buffer[64] = "";
                struct nn_iovec vector = {&body, NN_MSG};
                struct nn_msghdr header = {&vector, 1, form ? (void *)&control : buffer, form ? NN_MSG : sizeof(buffer)};
                frame_send(peer, 0x80 | opcode, "echo", 4);
                CHECK_EQ(nn_recvmsg(s, &header, 0), 4);
                CHECK_EQ(nn_sendmsg(s, &header, 0), 4);
                FRAME(peer, 0x80 | opcode, "echo", 4);
            }
        static const uint8_t opcodes[] = {1, 2, 9};
        for (size_t i = 0; i < COUNT(opcodes); i++) {
            struct {
                struct nn_cmsghdr head;
                uint8_t data[8];
            } control = {{NN_CMSG_LEN(1), NN_WS, NN_WS_MSG_TYPE}, {opcodes[i]}};
            struct nn_iovec vector = {"body", 4};
            struct nn_msghdr header = {&vector, 1, &control, sizeof(control)};
            CHECK_EQ(nn_sendmsg(s, &header, 0), 4);
            FRAME(peer, 0x80 | opcodes[i], "body", 4);
        }
        SEND(s, "as usual");
        FRAME(peer, 0x82, "as usual", 8);
        close(peer.fd);
        CLOSE(s);
    }
}

/* Protocols with headers keep it, and other transports know nothing of it. */
static void opcodes_elsewhere(void) {
    CONTEXT("opcodes elsewhere");
    struct {
        struct nn_cmsghdr head;
        uint8_t data[8];
    } text = {{NN_CMSG_LEN(1), NN_WS, NN_WS_MSG_TYPE}, {1}};
    struct nn_iovec vector = {"body", 4};
    struct nn_msghdr header = {&vector, 1, &text, sizeof(text)};
    int s = open_socket(NN_REP);
    struct peer peer = meet(s, CLIENT, "rep");
    frame_send(peer, 0x82, "\x80\0\0\1ask", 7);
    RECV(s, "ask");
    CHECK_EQ(nn_sendmsg(s, &header, 0), 4);
    FRAME(peer, 0x81, "\x80\0\0\1body", 8);
    close(peer.fd);
    CLOSE(s);
    for EACH_TRANSPORT (t) {
        int a = open_socket(NN_PAIR), b = open_socket(NN_PAIR);
        join(a, b, t);
        CHECK_EQ(nn_sendmsg(a, &header, 0), 4);
        char body[8];
        void *control = NULL;
        struct nn_iovec to = {body, sizeof(body)};
        struct nn_msghdr received = {&to, 1, &control, NN_MSG};
        CHECK_EQ(nn_recvmsg(b, &received, 0), 4);
        struct nn_cmsghdr *first = NN_CMSG_FIRSTHDR(&received);
        CHECK(first != NULL && NN_CMSG_NXTHDR(&received, first) == NULL);
        nn_freemsg(control);
        CLOSE(a, b);
    }
}

/* ---- violations and closing ------------------------------------------------------------------------------------ */

/* A message before the violation is delivered, nothing after it. */
static void violation(enum role role, int first, const char *start, int length, int code, const char *reason) {
    CONTEXT("%s sends %02x, then frame %02x of %d bytes", role_name[role], start ? start[0] & 0xff : 0, first, length);
    int s = open_socket(NN_PAIR);
    struct peer peer = meet(s, role, "pair");
    char data[256] = "";
    memset(data, 'x', sizeof(data));
    frame_send(peer, 0x82, "before", 6);
    RECV(s, "before");
    if (start != NULL)
        frame_send(peer, start[0] & 0xff, start + 1, strlen(start + 1));
    frame_send(peer, first, data, (size_t)length);
    CLOSED(peer, code, reason);
    frame_send(peer, 0x82, "after", 5);
    WAIT(connections(s) == 0);
    EMPTY(s);
    close(peer.fd);
    CLOSE(s);
}

static void violations(void) {
    for EACH_ROLE (role) {
        violation(role, 0xc2, NULL, 1, 1002, "RSV1, RSV2, and RSV3 must be unset.");
        violation(role, 0xa2, NULL, 1, 1002, "RSV1, RSV2, and RSV3 must be unset.");
        violation(role, 0x92, NULL, 1, 1002, "RSV1, RSV2, and RSV3 must be unset.");
        violation(role, 0x83, NULL, 1, 1002, "Invalid opcode.");
        violation(role, 0x8b, NULL, 0, 1002, "Invalid opcode.");
        violation(role, 0x80, NULL, 1, 1002, "No message to continue.");
        violation(role, 0x82, "\x02" "ab", 1, 1002, "Expected continuation frame opcode.");
        violation(role, 0x09, NULL, 1, 1002, "Cannot fragment control message (FIN=0).");
        violation(role, 0x89, NULL, 126, 1002, "Control frame payload exceeds allowable length.");
        violation(role, 0x88, NULL, 1, 1002, "Expected 2byte close code.");
        violation(role, 0x88, NULL, 2, 1002, "Unrecognized close code.");
        violation(role, 0x80, "\x01\xe2\x82", 1, 1007, "Invalid UTF-8 code point split on previous frame.");
        if (!genuine()) /* delivers it */
            violation(role, 0x80, "\x01\xe2\x82", 0, 1007, "Truncated UTF-8 payload with invalid code point.");
    }
}

/* Violations that need bytes of their own. */
static void more_violations(void) {
    static const struct {
        const char *data;
        int first, code;
        const char *reason;
    } rows[] = {
        {"\x03\xe8\xff", 0x88, 1002, "Invalid UTF-8 sent as Close Reason."},
        {"ab\xff", 0x81, 1007, "Invalid UTF-8 code point in payload."},
        {"\xed\xa0\x80", 0x81, 1007, "Invalid UTF-8 code point in payload."},
        {"ab\xf0\x9d\x84", 0x81, 1007, "Truncated UTF-8 payload with invalid code point."},
    };
    for EACH_ROLE (role) {
        for (size_t i = 0; i < COUNT(rows); i++) {
            CONTEXT("violation %zu, %s", i, role_name[role]);
            int s = open_socket(NN_PAIR);
            struct peer peer = meet(s, role, "pair");
            frame_send(peer, rows[i].first, rows[i].data, strlen(rows[i].data));
            CLOSED(peer, rows[i].code, rows[i].reason);
            WAIT(connections(s) == 0);
            EMPTY(s);
            close(peer.fd);
            CLOSE(s);
        }
        CONTEXT("wrong masking, %s", role_name[role]);
        int s = open_socket(NN_PAIR);
        struct peer peer = meet(s, role, "pair"), wrong = {peer.fd, role == CLIENT ? SERVER : CLIENT};
        frame_send(wrong, 0x82, "data", 4);
        CLOSED(peer, 1002,
               role == CLIENT ? "Server expects MASK bit to be set." : "Client expects MASK bit to be unset.");
        close(peer.fd);
        CLOSE(s);
    }
}

/* The limit is that of the moment, and holds for the whole message. */
static void oversize(void) {
    for EACH_ROLE (role)
        for (int form = 0; form < 4; form++) {
            CONTEXT("oversize %d, %s", form, role_name[role]);
            int s = open_socket(NN_PAIR);
            struct peer peer = meet(s, role, "pair");
            char data[201] = {0};
            set(s, NN_RCVMAXSIZE, form == 1 ? 200 : 10);
            frame_send(peer, 0x82, data, form == 1 ? 200 : 10);
            RECV_BYTES(s, data, form == 1 ? 200 : 10);
            const char *reason = "Message size exceeds limit.";
            if (form == 0) {
                frame_send(peer, 0x82, data, 11);
                reason = role == SERVER ? "Message larger than application allows." : reason;
            } else if (form == 1) {
                frame_send(peer, 0x82, data, 201);
            } else if (form == 2) {
                frame_send(peer, 0x02, data, 10);
                frame_send(peer, 0x80, data, 1);
                reason = role == SERVER ? "Message larger than application allows." : reason;
            } else {
                frame_head(peer.fd, 0x82, role == CLIENT ? 0xff : 0x7f, 0x7fffffffffffffff);
            }
            CLOSED(peer, 1009, reason);
            WAIT(connections(s) == 0);
            CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), 0);
            EMPTY(s);
            close(peer.fd);
            CLOSE(s);
        }
}

/* The reason arrives, also while the sender is busy with what nobody wants. */
static void far_too_large(void) {
    CONTEXT("far too large");
    int push = open_socket(NN_PUSH), pull = open_socket(NN_PULL);
    address a = fresh_ws();
    set(pull, NN_RCVMAXSIZE, 1000);
    BIND(pull, a.text);
    connect_and_wait(push, pull, a.text);
    char *data = pattern(8 << 20);
    SEND_BYTES(push, data, 8 << 20);
    free(data);
    WAIT(connections(push) == 0 && connections(pull) == 0);
    /* It comes back no more: others have tried again and again meanwhile. */
    int other = open_socket(NN_PUSH);
    CONNECT(other, fresh(TCP).text);
    WAIT(statistic(other, NN_STAT_CONNECT_ERRORS) >= 3);
    CLOSE(other);
    CHECK_EQ(statistic(push, NN_STAT_ESTABLISHED_CONNECTIONS), 1);
    CHECK_EQ(statistic(push, NN_STAT_BROKEN_CONNECTIONS), 0);
    CLOSE(push, pull);
}

/* Close frames are answered with the same code, and both sides have parted, not lost each other. Three codes are younger than the
 * reference. */
static void closing(void) {
    static const int codes[] = {0, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999, 1012, 1013, 1014};
    static const int bad[] = {1, 999, 1004, 1005, 1006, 1015, 2999, 5000};
    for EACH_ROLE (role) {
        for (size_t i = 0; i < COUNT(codes) + COUNT(bad); i++) {
            bool good = i < COUNT(codes) - (genuine() ? 3 : 0);
            int code = i < COUNT(codes) ? codes[i] : bad[i - COUNT(codes)];
            CONTEXT("close %d, %s", code, role_name[role]);
            int s = open_socket(NN_PAIR);
            struct peer peer = meet(s, role, "pair");
            char payload[] = {(char)(code >> 8), (char)code, 'b', 'y', 'e'};
            frame_send(peer, 0x82, "last", 4);
            RECV(s, "last"); /* nobody looks further before this is taken */
            frame_send(peer, 0x88, payload, code == 0 ? 0 : 5);
            if (good)
                CLOSED(peer, code ? code : 1000, "");
            else
                CLOSED(peer, 1002, "Unrecognized close code.");
            WAIT(connections(s) == 0);
            CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), 0);
            close(peer.fd);
            CLOSE(s);
        }
    }
}

/* Our own end is announced, behind all that was accepted. The reference says nothing. */
static void announced_end(void) {
    for EACH_ROLE (role)
        for (int by = 0; by < 3; by++) {
            CONTEXT("announced end %d, %s", by, role_name[role]);
            int s = open_socket(NN_PAIR);
            struct peer peer = meet(s, role, "pair");
            set(s, NN_LINGER, by == 2 ? 0 : 1000);
            if (by != 2)
                SEND(s, "last");
            if (by == 1)
                CHECK_OK(nn_shutdown(s, 1));
            else
                CLOSE(s);
            if (by != 2)
                FRAME(peer, 0x82, "last", 4);
            if (!genuine())
                FRAME(peer, 0x88, "\x03\xe9", 2);
            CHECK(peer_hung_up(peer.fd));
            close(peer.fd);
            if (by == 1)
                CLOSE(s);
        }
}

/* A client of nanomsg never comes back after a close frame, so whoever speaks in its words is left as it would leave, by either
 * side. */
static void silent_end(void) {
    for EACH_ROLE (role) {
        CONTEXT("silent end, %s", role_name[role]);
        int s = open_socket(NN_PAIR);
        address a = fresh_ws();
        struct peer peer = {-1, role};
        char text[1024], key[64], proof[29];
        if (role == CLIENT) {
            BIND(s, a.text);
            peer.fd = peer_connect(a.text);
            snprintf(text, sizeof(text),
                     "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " KEY
                     "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n",
                     a.text + strlen("ws://"));
            peer_write(peer.fd, text, strlen(text));
            read_http(peer.fd, text, sizeof(text));
        } else {
            int listener = peer_listen(a.text);
            CONNECT(s, a.text);
            peer.fd = peer_accept(listener);
            close(listener);
            read_http(peer.fd, text, sizeof(text));
            field(text, "Sec-WebSocket-Key", key);
            accept_text(key, proof);
            snprintf(text, sizeof(text),
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: pair.sp.nanomsg.org\r\n\r\n",
                     proof);
            peer_write(peer.fd, text, strlen(text));
        }
        WAIT(connections(s) == 1);
        CLOSE(s);
        struct frame frame = frame_recv(peer);
        CHECK_EQ(frame.first, -1);
        close(peer.fd);
    }
}

/* ---- reconnection ---------------------------------------------------------------------------------------------- */

static bool comes_back(int listener) {
    struct pollfd entry = {.fd = listener, .events = POLLIN};
    return poll(&entry, 1, 300) == 1;
}

static int welcome_next(int listener) {
    char text[1024];
    int fd = peer_accept(listener);
    read_http(fd, text, sizeof(text));
    send_welcome(fd, text);
    return fd;
}

/* An endpoint that tries no more says so. */
static void is_described_as_ended(int s) {
#if __has_include(<millrace/monitor.h>)
    static char text[8192];
    CHECK(nnx_describe(s, text, sizeof(text)) > 0);
    CHECK(strstr(text, "\"state\":\"ended\"") != NULL && strstr(text, "\"last_error\":null") == NULL);
#else
    (void)s;
#endif
}

/* A connection is replaced when it is lost, or when the server says that it goes (unlike by the reference). One that ended because
 * somebody broke the rules is not, but a new endpoint makes another. */
static void reconnection(void) {
    static const int last_words[] = {0, 1000, 1001, 1011, 1012, 4000, 1002, 1009};
    for (int how = 0; how < 2 + (int)COUNT(last_words); how++) {
        int code = how < 2 ? -1 : last_words[how - 2];
        bool comes_again = how == 0 || (how >= 2 && code != 1002 && code != 1009 && !genuine());
        CONTEXT("reconnection %d", how);
        address a = fresh_ws();
        int s = open_socket(NN_PAIR), listener = peer_listen(a.text);
        CONNECT(s, a.text);
        struct peer peer = {welcome_next(listener), SERVER};
        WAIT(connections(s) == 1);
        if (how == 1) {
            frame_send(peer, 0x83, "", 0);
            CLOSED(peer, 1002, "Invalid opcode.");
        } else if (how >= 2) {
            char payload[] = {(char)(code >> 8), (char)code};
            frame_send(peer, 0x88, payload, code == 0 ? 0 : 2);
            if (!genuine() || code != 1012)
                CLOSED(peer, code == 0 ? 1000 : code, "");
        }
        close(peer.fd);
        if (comes_again) {
            peer.fd = welcome_next(listener);
            WAIT(connections(s) == 1 && statistic(s, NN_STAT_ESTABLISHED_CONNECTIONS) == 2);
            CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), how == 0);
        } else {
            WAIT(connections(s) == 0);
            CHECK(!comes_back(listener));
            is_described_as_ended(s);
            CHECK_EQ(statistic(s, NN_STAT_BROKEN_CONNECTIONS), 0);
            CONNECT(s, a.text);
            peer.fd = welcome_next(listener);
            WAIT(connections(s) == 1);
        }
        SEND(s, "again");
        FRAME(peer, 0x82, "again", 5);
        close(peer.fd);
        close(listener);
        CLOSE(s);
    }
}

/* Silence is borne for five seconds, by both roles. */
static void *silence(void *unused) {
    CONTEXT("silence");
    address a = fresh_ws(), b = fresh_ws();
    int s = open_socket(NN_PULL), c = open_socket(NN_PULL), listener = peer_listen(b.text);
    BIND(s, a.text);
    int64_t since = now_ms();
    int fd = peer_connect(a.text);
    CONNECT(c, b.text);
    int other = peer_accept(listener);
    peer_write(fd, "GET / HTTP/1.1\r\n", 16);
    struct timeval limit = {slow() ? 60 : 15, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    CHECK(peer_hung_up(fd));
    CHECK(peer_hung_up(other));
    CHECK_NOT_BEFORE(since, 4800);
    close(fd);
    close(other);
    close(listener);
    CLOSE(s, c);
    return unused;
}

int main(void) {
    start();
    pthread_t silent = spawn(silence, NULL); /* takes its time while the others go on */
    addresses();
    message_type();
    request_bytes();
    roles();
    requests();
    if (!genuine())
        strange_requests();
    replies();
    lengths();
    masks();
    fragments();
    pieces();
    streams();
    opcodes_received();
    opcodes_sent();
    opcodes_elsewhere();
    violations();
    more_violations();
    oversize();
    if (!genuine()) /* comes back, sometimes */
        far_too_large();
    closing();
    announced_end();
    silent_end();
    reconnection();
    await(silent);
    return finish();
}
