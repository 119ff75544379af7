/* Calls a service that another program has, as qi_service.c.
 *
 * Build:  cc -o qi_client qi_client.c -lnanomsg && cc -o qi_service qi_service.c -lnanomsg
 * Leave:  ./qi_service tcp://127.0.0.1:9559
 * Run:    until ./qi_client 2> /dev/null; do sleep 0.1; done
 *         | "Hello, world!"
 */

#include <millrace/qi.h>
#include <stdio.h>

int main(void) {
    nnqi_session session = nnqi_connect("tcp://127.0.0.1:9559", NULL);
    nnqi_proxy greeter = session ? nnqi_service(session, "Greeter", 0) : 0;
    nnqi_value answer = greeter ? nnqi_call(greeter, "greet", nnqi_from_json("[\"world\"]", "(s)"), 1000) : 0;
    char text[100];
    if (!answer || nnqi_to_json(answer, text, sizeof text) < 0)
        return fprintf(stderr, "%s\n", nnqi_error()), 1;
    puts(text);
    nnqi_free(answer);
    nnqi_proxy_free(greeter);
    return nnqi_close(session);
}
