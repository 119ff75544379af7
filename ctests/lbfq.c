/* Who is served first: round robin among equals, better priorities before worse ones. */
#include "ctest.h"

/* Three idle PULLs take turns in the order in which they connected. */
static void balance(int push_binds) {
    CONTEXT("load balancing, PUSH %s", push_binds ? "binds" : "connects");
    int push = open_socket(NN_PUSH), pulls[3];
    address a = fresh(INPROC);
    if (push_binds)
        BIND(push, a.text);
    for (int i = 0; i < 3; i++) {
        pulls[i] = open_socket(NN_PULL);
        if (push_binds)
            CONNECT(pulls[i], a.text);
        else
            CONNECT(push, bind_fresh(pulls[i], INPROC).text);
    }
    for (int i = 0; i < 7; i++)
        SEND_BYTES(push, ((char[]){(char)('0' + i)}), 1);
    static const char *const expected[] = {"036", "14", "25"};
    for (int i = 0; i < 3; i++) {
        for (const char *c = expected[i]; *c; c++)
            RECV_BYTES(pulls[i], c, 1);
        EMPTY(pulls[i]);
        CLOSE(pulls[i]);
    }
    CLOSE(push);
}

/* Three PUSHers with three messages each; priorities are those of the receiving endpoints. */
static void queueing(const int priorities[3], const char *const expected[9]) {
    CONTEXT("fair queueing, priorities %d %d %d", priorities[0], priorities[1], priorities[2]);
    int pull = open_socket(NN_PULL), pushes[3];
    for (int i = 0; i < 3; i++) {
        pushes[i] = open_socket(NN_PUSH);
        address a = bind_fresh(pushes[i], INPROC);
        set(pull, NN_RCVPRIO, priorities[i]);
        CONNECT(pull, a.text);
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            SEND_BYTES(pushes[i], ((char[]){(char)('0' + i), (char)('0' + k)}), 2);
    for (int i = 0; i < 9; i++)
        RECV(pull, expected[i]);
    EMPTY(pull);
    CLOSE(pull, pushes[0], pushes[1], pushes[2]);
}

static void alternate(void) {
    CONTEXT("alternating messages");
    int pull = open_socket(NN_PULL), x = open_socket(NN_PUSH), y = open_socket(NN_PUSH);
    address a = bind_fresh(pull, INPROC);
    CONNECT(x, a.text);
    CONNECT(y, a.text);
    for (int i = 0; i < 10; i++) {
        SEND(x, "x");
        SEND(y, "y");
        RECV(pull, "x");
        RECV(pull, "y");
    }
    CLOSE(pull, x, y);
}

/* Everything goes to the best peer until it is full, then spills over, and comes back. */
static void spill(enum transport t) {
    CONTEXT("send priorities, %s", transport_name[t]);
    int push = open_socket(NN_PUSH), best = open_socket(NN_PULL), second = open_socket(NN_PULL);
    address a = bind_fresh(best, t), b = bind_fresh(second, t);
    set(push, NN_SNDPRIO, 2);
    connect_and_wait(push, second, b.text);
    CHECK_EQ((int)statistic(push, NN_STAT_CURRENT_SND_PRIORITY), 2);
    set(push, NN_SNDPRIO, 1);
    connect_and_wait(push, best, a.text);
    WAIT(statistic(push, NN_STAT_CURRENT_SND_PRIORITY) == 1);
    for (int i = 0; i < 5; i++) {
        SEND(push, "first");
        RECV(best, "first");
    }
    EMPTY(second);
    char *data = pattern(100000);
    int count = 0;
    WAIT((count += nn_send(push, data, 100000, NN_DONTWAIT) >= 0,
          nn_recv(second, NULL, 0, NN_DONTWAIT) >= 0));
    CHECK(count > 1);
    set(best, NN_RCVTIMEO, 300);
    while (nn_recv(best, NULL, 0, 0) >= 0)
        ;
    set(best, NN_RCVTIMEO, patience());
    set(second, NN_RCVTIMEO, 100);
    while (nn_recv(second, NULL, 0, 0) >= 0)
        ;
    SEND(push, "first again");
    RECV(best, "first again");
    CLOSE(best);
    WAIT(statistic(push, NN_STAT_CURRENT_SND_PRIORITY) == 2);
    SEND(push, "second");
    set(second, NN_RCVTIMEO, patience());
    RECV(second, "second");
    CLOSE(second);
    WAIT((int64_t)statistic(push, NN_STAT_CURRENT_SND_PRIORITY) == -1);
    CLOSE(push);
    free(data);
}

int main(void) {
    start();
    balance(0);
    balance(1);
    static const char *const equal[] = {"00", "10", "20", "01", "11", "21", "02", "12", "22"};
    static const char *const ranked[] = {"10", "11", "12", "20", "21", "22", "00", "01", "02"};
    static const char *const one_better[] = {"10", "11", "12", "00", "20", "01", "21", "02", "22"};
    queueing((int[]){8, 8, 8}, equal);
    queueing((int[]){3, 1, 2}, ranked);
    queueing((int[]){16, 1, 16}, one_better);
    alternate();
    for EACH_TRANSPORT (t)
        spill(t);
    return finish();
}
