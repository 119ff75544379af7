/* Senders that leave at once, and what nn_close does about their messages. Linked with either library.
 *
 *   oneshot send ADDR NUMBER return|exit     connect, send one message, nn_close; then return from main, or call exit
 *   oneshot loop ADDR COUNT                  the same COUNT times in one process
 *   oneshot receive ADDR COUNT               bind, print "ok", receive the numbers 0 to COUNT-1, print which are missing
 *   oneshot backlog ADDR COUNT LINGER        connect, send COUNT bodies of 1 MiB, nn_close within LINGER ms
 *   oneshot slow ADDR COUNT                  bind, print "ok", receive such bodies with a pause after each
 *   oneshot stuck ADDR LINGER                connect, send until nothing fits, print the ms nn_close took and the count
 *   oneshot deaf ADDR                        bind, print "ok", never receive
 *   oneshot idle ADDR                        connect, send nothing, print the ms nn_close took
 *
 * The sender's blocking nn_send returns only once there is a connection, so a message sent is a message accepted. */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static void check(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
    exit(1);
}

static void set(int s, int option, int value)
{
    check(nn_setsockopt(s, NN_SOL_SOCKET, option, &value, sizeof value) == 0, "setsockopt");
}

static int open_socket(int type)
{
    int s = nn_socket(AF_SP, type);
    check(s >= 0, "socket");
    set(s, NN_SNDTIMEO, 20000);
    if (type == NN_PULL)
        set(s, NN_RCVTIMEO, 20000);
    return s;
}

static int pusher(const char *addr)
{
    int s = open_socket(NN_PUSH);
    check(nn_connect(s, addr) > 0, "connect");
    return s;
}

static int puller(const char *addr)
{
    int s = open_socket(NN_PULL);
    check(nn_bind(s, addr) > 0, "bind");
    puts("ok");
    fflush(stdout);
    return s;
}

static void send_one(const char *addr, int number)
{
    int s = pusher(addr);
    check(nn_send(s, &number, sizeof number, 0) == sizeof number, "send");
    check(nn_close(s) == 0, "close");
}

static int receive_all(const char *addr, int count)
{
    int s = puller(addr);
    char *seen = calloc((size_t)count, 1);
    int received = 0, number;
    while (received < count && nn_recv(s, &number, sizeof number, 0) == sizeof number) {
        check(number >= 0 && number < count && !seen[number], "a number sent once");
        seen[number] = 1;
        received++;
    }
    printf("ok %d of %d", received, count);
    for (int i = 0; i < count; i++)
        if (!seen[i])
            printf(" -%d", i);
    puts("");
    free(seen);
    nn_close(s);
    return received != count;
}

static long elapsed_ms(struct timespec since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since.tv_sec) * 1000 + (now.tv_nsec - since.tv_nsec) / 1000000;
}

static long timed_close(int s)
{
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    check(nn_close(s) == 0, "close");
    return elapsed_ms(start);
}

static void send_backlog(const char *addr, int count, int linger)
{
    int s = pusher(addr);
    set(s, NN_LINGER, linger);
    char *body = malloc(MIB);
    for (int i = 0; i < count; i++) {
        memset(body, i, MIB);
        check(nn_send(s, body, MIB, 0) == MIB, "send");
    }
    free(body);
    check(nn_close(s) == 0, "close");
}

static void receive_slowly(const char *addr, int count)
{
    int s = puller(addr);
    for (int i = 0; i < count; i++) {
        char *body;
        if (nn_recv(s, &body, NN_MSG, 0) != MIB) {
            printf("error %d of %d\n", i, count);
            exit(1);
        }
        check(body[0] == (char)i && body[MIB - 1] == (char)i, "body in order");
        nn_freemsg(body);
        usleep(20000); /* what makes it slow; nothing waits for this */
    }
    printf("ok %d of %d\n", count, count);
    nn_close(s);
}

static void close_stuck(const char *addr, int linger)
{
    int s = pusher(addr);
    set(s, NN_LINGER, linger);
    char body[1000] = "";
    int sent = 0;
    check(nn_send(s, body, sizeof body, 0) > 0, "first send");
    /* Room may come once more while the kernel moves its buffers; 300 ms without any is full. */
    set(s, NN_SNDTIMEO, 300);
    while (nn_send(s, body, sizeof body, 0) > 0)
        sent++;
    check(nn_errno() == ETIMEDOUT, "send until full");
    printf("ok %ld %d\n", timed_close(s), sent + 1);
}

static void close_idle(const char *addr)
{
    int s = pusher(addr);
    struct nn_pollfd writable = {s, NN_POLLOUT, 0};
    check(nn_poll(&writable, 1, 20000) == 1, "connection");
    printf("ok %ld\n", timed_close(s));
}

int main(int argc, char **argv)
{
    alarm(120);
    if (argc < 3)
        return 2;
    const char *role = argv[1], *addr = argv[2];
    int number = argc > 3 ? atoi(argv[3]) : 0;
    if (!strcmp(role, "send")) {
        send_one(addr, number);
        if (argc > 4 && !strcmp(argv[4], "exit"))
            exit(0);
    } else if (!strcmp(role, "loop")) {
        for (int i = 0; i < number; i++)
            send_one(addr, i);
    } else if (!strcmp(role, "receive"))
        return receive_all(addr, number);
    else if (!strcmp(role, "backlog"))
        send_backlog(addr, number, argc > 4 ? atoi(argv[4]) : 1000);
    else if (!strcmp(role, "slow"))
        receive_slowly(addr, number);
    else if (!strcmp(role, "stuck"))
        close_stuck(addr, number);
    else if (!strcmp(role, "deaf")) {
        puller(addr);
        pause();
    } else if (!strcmp(role, "idle"))
        close_idle(addr);
    else
        return 2;
    return 0;
}
