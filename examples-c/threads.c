/* Threads that share a socket. Each message goes to exactly one of those that wait in nn_recv; closing the socket wakes them
 * all with EBADF, which is how they are told to stop. Between the threads of a process inproc needs no network at all.
 *
 * PUSH, PULL, PUB, SUB, PAIR and BUS sockets can be shared like this. REQ, REP, SURVEYOR and RESPONDENT remember whose turn
 * it is: give each thread one of its own.
 *
 * Build:  cc -o threads threads.c -lnanomsg -pthread
 * Run:    ./threads
 *         | 4 threads took 1000 messages
 */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, MESSAGES = 1000 };

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

struct job {
    pthread_t thread;
    int tasks, done; /* sockets */
    int count;
};

static void *work(void *argument)
{
    struct job *job = argument;
    for (;;) {
        int task;
        if (nn_recv(job->tasks, &task, sizeof task, 0) < 0) {
            if (nn_errno() == EBADF)
                return NULL; /* closed: nothing more will come */
            check(-1, "nn_recv");
        }
        job->count++;
        check(nn_send(job->done, &task, sizeof task, 0), "nn_send");
    }
}

int main(void)
{
    int out = check(nn_socket(AF_SP, NN_PUSH), "nn_socket"), tasks = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    int done = check(nn_socket(AF_SP, NN_PUSH), "nn_socket"), in = check(nn_socket(AF_SP, NN_PULL), "nn_socket");
    check(nn_bind(out, "inproc://tasks"), "nn_bind");
    check(nn_connect(tasks, "inproc://tasks"), "nn_connect");
    check(nn_bind(in, "inproc://done"), "nn_bind");
    check(nn_connect(done, "inproc://done"), "nn_connect");

    struct job jobs[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.tasks = tasks, .done = done};
        if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]))
            return 1;
    }
    for (int i = 0; i < MESSAGES; i++) {
        int result;
        check(nn_send(out, &i, sizeof i, 0), "nn_send");
        check(nn_recv(in, &result, sizeof result, 0), "nn_recv");
    }

    nn_close(tasks); /* wakes the threads */
    int total = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].thread, NULL);
        total += jobs[i].count;
    }
    printf("%d threads took %d messages\n", THREADS, total);
    nn_close(out);
    nn_close(done);
    nn_close(in);
    return 0;
}
