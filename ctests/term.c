/* nn_term: no effect before the first socket; then everything ends, for good. */
#include "blocked.h"
#include "wire.h"

/* One after another they would linger for longer than the program may take. */
enum { CLOGGED = 12, LINGER = 2000 };

/* A socket with messages for a peer that does not read. Returns the peer's descriptor. */
static int clogged(void) {
    int push = open_socket(NN_PUSH);
    set(push, NN_LINGER, LINGER);
    int fd = peer_connect(bind_fresh(push, TCP).text);
    peer_handshake(fd, NN_PULL);
    WAIT(connections(push) == 1);
    fill_up(push);
    return fd;
}

int main(void) {
    start();
    nn_term();
    int s = nn_socket(AF_SP, NN_PAIR);
    CHECK_EQ(s, 0);
    int sub = nn_socket(AF_SP, NN_SUB), rep = nn_socket(AF_SP, NN_REP), raw = nn_socket(AF_SP_RAW, NN_BUS);
    int server = open_socket(NN_PAIR), client = open_socket(NN_PAIR);
    address ipc = bind_fresh(server, IPC);
    connect_and_wait(client, server, ipc.text);
    CONNECT(sub, fresh(TCP).text);

    struct blocked blocked[6];
    block(&blocked[0], blocking_send, s);
    block(&blocked[1], blocking_recv, s);
    block(&blocked[2], blocking_recv, sub);
    block(&blocked[3], blocking_recv, rep);
    block(&blocked[4], blocking_loopback, raw);
    block(&blocked[5], blocking_recv, client);
    int peers[CLOGGED];
    for (int i = 0; i < CLOGGED; i++)
        peers[i] = clogged();
    int64_t since = now_ms();
    nn_term(); /* they linger together */
    if (!genuine())
        CHECK_NOT_BEFORE(since, LINGER * 9 / 10);
    for (int i = 0; i < CLOGGED; i++)
        close(peers[i]);
    for (size_t i = 0; i < COUNT(blocked); i++)
        CHECK_BLOCKED(&blocked[i], -1, EBADF);

    CHECK_ERR(nn_socket(AF_SP, NN_PAIR), ETERM);
    CHECK_ERR(nn_socket(77, 77), ETERM); /* before any look at the arguments */
    CHECK_ERR(nn_send(s, "x", 1, 0), EBADF);
    CHECK_ERR(nn_bind(s, "inproc://x"), EBADF);
    CHECK_ERR(nn_close(s), EBADF);
    CHECK_ERR(nn_close(client), EBADF);
    CHECK_EQ(access(ipc.text + strlen("ipc://"), F_OK), -1);
    nn_term();
    CHECK_ERR(nn_socket(AF_SP, NN_PAIR), ETERM);

    /* What needs no socket goes on working. */
    void *message = nn_allocmsg(10, 0);
    CHECK(message != NULL);
    message = nn_reallocmsg(message, 1000);
    CHECK_OK(nn_freemsg(message));
    CHECK(nn_symbol(0, NULL) != NULL);
    CHECK_OK(strcmp(nn_strerror(ETERM), "Nanomsg library was terminated"));
    return finish();
}
