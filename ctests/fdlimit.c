/* Running out of descriptors: EMFILE, nothing lost, and no busy loop around accept. */
#include "wire.h"
#include <sys/resource.h>

static void limit(int more) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = more < 0 ? limit.rlim_max : (rlim_t)(descriptors_open() + more);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
}

/* Opens, and asks for a descriptor, until refused; all can be closed. */
static void sockets(void) {
    CONTEXT("sockets");
    limit(40);
    int handles[200], count = 0;
    while (count < 200) {
        int s = nn_socket(AF_SP, NN_PAIR);
        if (s < 0) {
            CHECK_EQ(errno, EMFILE);
            break;
        }
        handles[count++] = s;
        int fd;
        if (nn_getsockopt(s, NN_SOL_SOCKET, NN_RCVFD, &fd, &(size_t){sizeof(fd)}) < 0) {
            CHECK_EQ(errno, EMFILE);
            break;
        }
    }
    CHECK(count >= 10 && count < 200);
    for (int i = 0; i < count; i++)
        CLOSE(handles[i]);
    limit(-1);
}

static double processor_seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The listener cannot accept for a while, and then can again. */
static void accepting(enum transport t) {
    CONTEXT("%s, accept", transport_name[t]);
    int s = open_socket(NN_PULL), push = open_socket(NN_PUSH);
    address a = join(s, push, t);
    int peer = t == TCP ? socket(AF_INET, SOCK_STREAM, 0) : socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_storage name;
    socklen_t length = peer_name(a.text, &name);
    peer_limited(peer);
    limit(-1);
    int hoard[1000], count = 0;
    struct rlimit few;
    getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = 128;
    setrlimit(RLIMIT_NOFILE, &few);
    while (count < 1000 && (hoard[count] = open("/dev/null", O_RDONLY)) >= 0)
        count++;
    CHECK_EQ(errno, EMFILE);
    CHECK_OK(connect(peer, (struct sockaddr *)&name, length));
    peer_greet(peer, NN_PUSH);
    peer_send(peer, t, "patient", 7);
    double before = processor_seconds();
    nothing_at(__FILE__, __LINE__, s, 300);
    if (!slow() && !genuine()) /* which tries again and again */
        CHECK(processor_seconds() - before < 0.2);
    SEND(push, "others work");
    RECV(s, "others work");
    for (int i = 0; i < count; i++)
        close(hoard[i]);
    RECV(s, "patient");
    if (!genuine()) /* which reads another counter */
        CHECK(statistic(s, NN_STAT_ACCEPT_ERRORS) >= 1);
    CHECK_EQ(statistic(s, NN_STAT_CURRENT_EP_ERRORS), 0);
    close(peer);
    CLOSE(s, push);
}

int main(void) {
    start();
    sockets();
    for EACH_OS_TRANSPORT (t)
        accepting(t);
    return finish();
}
