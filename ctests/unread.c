/* What a peer sent before it went can still be received, also if our own writing failed meanwhile. (The reference drops
 * it on ipc, and on tcp after a reset; this is what we do better.) */
#include "wire.h"
#include <netinet/tcp.h>

static const char *const words[] = {"one", "two", "three"};

/* The peer reads nothing, so we have bytes pending when it sends its last words and goes. */
static void while_clogged(enum transport t) {
    CONTEXT("%s, clogged", transport_name[t]);
    int s = open_socket(NN_PAIR);
    address at = bind_fresh(s, t);
    int fd = peer_connect(at.text);
    peer_handshake(fd, NN_PAIR);
    int yes = 1; /* or Nagle keeps the words back, and the reset that follows drops them on the peer's side */
    CHECK_OK(t == TCP ? setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) : 0);
    CHECK(fill(s, 10000, 5000) < 5000);
    for (size_t i = 0; i < COUNT(words); i++)
        peer_send(fd, t, words[i], strlen(words[i]));
    close(fd);
    WAIT(statistic(s, NN_STAT_BROKEN_CONNECTIONS) == 1);
    for (size_t i = 0; i < COUNT(words); i++)
        RECV(s, words[i]);
    WAIT(connections(s) == 0);
    CLOSE(s);
}

int main(void) {
    start();
    if (!genuine())
        for EACH_OS_TRANSPORT (t)
            while_clogged(t);
    return finish();
}
