/* Who sent a message, and answering that one alone: a room that greets everybody by his name.
 *
 * Build:  cc -o peers peers.c -lnanomsg
 * Run:    ./peers
 *         | the room hears "Ann" from process ... of user ...
 *         | Ann gets: welcome, Ann
 *         | the room hears "Ben" from process ... of user ...
 *         | Ben gets: welcome, Ben
 */
#include <millrace/monitor.h>
#include <millrace/peer.h>
#include <nanomsg/bus.h>
#include <nanomsg/nn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "%s: %s\n", what, nn_strerror(nn_errno()));
        exit(1);
    }
    return result;
}

/* Receives a text, and tells on which connection it came. */
static uint64_t hear(int s, char *text, size_t size)
{
    uint64_t pipe = 0;
    struct nnx_process process = {0};
    void *control = NULL;
    struct nn_iovec body = {.iov_base = text, .iov_len = size};
    struct nn_msghdr message = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = NN_MSG};
    check(nn_recvmsg(s, &message, 0), "nn_recvmsg");
    for (struct nn_cmsghdr *at = NN_CMSG_FIRSTHDR(&message); at != NULL; at = NN_CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level == NN_PEER && at->cmsg_type == NN_PEER_PIPE)
            memcpy(&pipe, NN_CMSG_DATA(at), sizeof pipe);
        if (at->cmsg_level == NN_PEER && at->cmsg_type == NN_PEER_PROCESS)
            memcpy(&process, NN_CMSG_DATA(at), sizeof process);
    }
    nn_freemsg(control);
    printf("the room hears \"%s\" from process %d of user %u\n", text, process.pid, (unsigned)process.uid);
    return pipe;
}

/* Sends a text to one peer. */
static void tell(int s, uint64_t pipe, const char *text)
{
    struct {
        struct nn_cmsghdr head;
        uint64_t pipe;
    } to = {{NN_CMSG_LEN(sizeof pipe), NN_PEER, NN_PEER_SEND_TO}, pipe};
    struct nn_iovec body = {.iov_base = (void *)text, .iov_len = strlen(text) + 1};
    struct nn_msghdr message = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = &to, .msg_controllen = sizeof to};
    check(nn_sendmsg(s, &message, 0), "nn_sendmsg");
}

int main(void)
{
    const char *names[] = {"Ann", "Ben"};
    int on = 1, guests[2], room = check(nn_socket(AF_SP, NN_BUS), "room");
    check(nn_setsockopt(room, NN_SOL_SOCKET, NN_RECV_PEER, &on, sizeof on), "NN_RECV_PEER");
    check(nn_bind(room, "abstract://millrace-example-peers"), "nn_bind");

    for (int i = 0; i < 2; i++) {
        char text[64], answer[80];
        guests[i] = check(nn_socket(AF_SP, NN_BUS), "guest");
        check(nn_connect(guests[i], "abstract://millrace-example-peers"), "nn_connect");
        check(nnx_wait_peers(guests[i], 1, 5000), "nnx_wait_peers");
        check(nn_send(guests[i], names[i], strlen(names[i]) + 1, 0), "nn_send");

        uint64_t pipe = hear(room, text, sizeof text);
        snprintf(answer, sizeof answer, "welcome, %s", text);
        tell(room, pipe, answer);

        check(nn_recv(guests[i], answer, sizeof answer, 0), "nn_recv");
        printf("%s gets: %s\n", names[i], answer);
    }
    nn_close(guests[0]);
    nn_close(guests[1]);
    nn_close(room);
    return 0;
}
