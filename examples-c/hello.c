/* The smallest program that does something: a question and its answer over tcp, both ends in one process. A real program
 * looks at what each call returns; the other examples do.
 *
 * Build:  cc -o hello hello.c -lnanomsg
 * Run:    ./hello
 *         | the server got: hello
 *         | the client got: hello yourself
 */
#include <nanomsg/nn.h>
#include <nanomsg/reqrep.h>
#include <stdio.h>

int main(void)
{
    char text[64];
    int server = nn_socket(AF_SP, NN_REP), client = nn_socket(AF_SP, NN_REQ);
    nn_bind(server, "tcp://127.0.0.1:5555");
    nn_connect(client, "tcp://127.0.0.1:5555");
    nn_send(client, "hello", 6, 0);
    nn_recv(server, text, sizeof text, 0);
    printf("the server got: %s\n", text);
    nn_send(server, "hello yourself", 15, 0);
    nn_recv(client, text, sizeof text, 0);
    printf("the client got: %s\n", text);
    return nn_close(client) | nn_close(server);
}
