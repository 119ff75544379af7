/* A burst of 1 to 200 messages and then silence: all of them arrive although the sender makes no further call. */
#include "ctest.h"
#include <sys/wait.h>

enum { LONGEST = 200 };

/* Sends a burst of as many messages as each byte read from the parent says, and does nothing in between. */
static void child(const char *to, size_t size, int orders) {
    int s = nn_socket(AF_SP, NN_PUSH);
    char *body = calloc(size, 1);
    unsigned char count;
    if (s < 0 || nn_connect(s, to) < 0)
        _exit(1);
    while (read(orders, &count, 1) == 1)
        for (int i = 0; i < count; i++)
            if (nn_send(s, body, size, 0) != (int)size)
                _exit(2);
    _exit(nn_close(s) == 0 ? 0 : 3);
}

static void bursts(enum transport t, size_t size) {
    CONTEXT("%s, %zu bytes", transport_name[t], size);
    int orders[2], status = -1;
    address at = fresh(t);
    CHECK_OK(pipe(orders));
    pid_t sender = fork(); /* before the library is in use */
    if (sender == 0) {
        close(orders[1]);
        child(at.text, size, orders[0]);
    }
    close(orders[0]);
    int s = open_socket(NN_PULL);
    BIND(s, at.text);
    char *body = calloc(size, 1);
    int step = slow() ? 23 : 1;
    for (int count = 1; count <= LONGEST; count += step) {
        unsigned char order = (unsigned char)count;
        CHECK_EQ(write(orders[1], &order, 1), 1);
        for (int i = 0; i < count; i++)
            if (!CHECK_EQ(nn_recv(s, body, size, 0), (int)size))
                count = LONGEST;
    }
    close(orders[1]);
    CHECK_EQ(waitpid(sender, &status, 0), sender);
    CHECK_EQ(status, 0);
    free(body);
    CLOSE(s);
}

int main(void) {
    start();
    for EACH_OS_TRANSPORT (t) {
        bursts(t, 64);
        bursts(t, 1000);
        bursts(t, 20000);
    }
    return finish();
}
