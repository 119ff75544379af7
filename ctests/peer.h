/* The half of an interoperability peer that no library owns: commands, answers, bodies.
 *
 * A peer obeys one command per line on stdin and answers each with one line, "ok ..." or "error ...", so whoever drives
 * several peers knows what has happened before asking for the next step and nobody has to sleep. Commands:
 *
 *   open TYPE [raw]        a new socket (PAIR, PUB, SUB, REQ, REP, ...); later commands mean the newest one
 *   use N                  ... or socket number N, counted from 0
 *   bind ADDR, connect ADDR
 *   peers N                wait until exactly N connections are established
 *   subscribe [TOPIC]
 *   maxsize N              largest message accepted
 *   deadline MS            time for a survey
 *   timeout MS             for sends and receives; 10 s at first
 *   api copy|msg           pass bodies in buffers of our own (at first), or in the library's messages
 *   send SIZE SEED         answers "ok"
 *   recv                   answers "ok SIZE SEED" once the body has proved intact
 *   stream N SIZE          send N bodies with the seeds a, b, ... z, a, ...
 *   drain N SIZE           receive what stream sent, in order
 *   close                  close all sockets
 *
 * A body is made of its seed, a letter: the first byte is the letter itself, which serves as topic too. Other commands
 * are given to peer_extra(). The including file says what the commands do with its library: every function returns NULL
 * or what went wrong. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static int use_messages;

static const char *peer_open(const char *type, int raw);
static const char *peer_use(int number);
static const char *peer_bind(const char *addr);
static const char *peer_connect(const char *addr);
static int peer_connections(void);
static const char *peer_subscribe(const char *topic);
static const char *peer_maxsize(int bytes);
static const char *peer_deadline(int ms);
static const char *peer_timeout(int ms);
static const char *peer_send(const unsigned char *body, size_t size);
/* Leaves a body in *body that stays valid until the next receive. */
static const char *peer_recv(unsigned char **body, size_t *size);
static const char *peer_close(void);
/* Obeys and answers a command of this peer alone; returns 0 if it does not know it either. */
static int peer_extra(const char *command, char **args);

static void answer(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static unsigned char body_byte(size_t i, char seed)
{
    return i ? (unsigned char)(seed * 37 + i * 11 + (i >> 8) * 5 + (i >> 16) * 3) : (unsigned char)seed;
}

static unsigned char *make_body(size_t size, char seed)
{
    unsigned char *body = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        body[i] = body_byte(i, seed);
    return body;
}

/* The seed of an intact body, '-' for the empty one, 0 for a damaged one. */
static char body_seed(const unsigned char *body, size_t size)
{
    if (size == 0)
        return '-';
    for (size_t i = 1; i < size; i++)
        if (body[i] != body_byte(i, (char)body[0]))
            return 0;
    return (char)body[0];
}

static void report(const char *error)
{
    if (error)
        answer("error %s", error);
    else
        answer("ok");
}

static const char *await_peers(int wanted)
{
    static char text[64];
    const struct timespec pause = {0, 1000000};
    int found = peer_connections();
    for (int ms = 0; found != wanted && ms < PATIENCE_MS; ms++) {
        nanosleep(&pause, NULL);
        found = peer_connections();
    }
    snprintf(text, sizeof text, "%d connections, not %d", found, wanted);
    return found == wanted ? NULL : text;
}

static const char *send_body(size_t size, char seed)
{
    unsigned char *body = make_body(size, seed);
    const char *error = peer_send(body, size);
    free(body);
    return error;
}

/* Answers what came. */
static void receive(void)
{
    unsigned char *body;
    size_t size;
    const char *error = peer_recv(&body, &size);
    if (error)
        answer("error %s", error);
    else if (!body_seed(body, size))
        answer("error damaged body of %zu bytes", size);
    else
        answer("ok %zu %c", size, body_seed(body, size));
}

static char stream_seed(int i)
{
    return 'a' + i % 26;
}

static const char *stream(int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        const char *error = send_body(size, stream_seed(i));
        if (error)
            return error;
    }
    return NULL;
}

static const char *drain(int count, size_t expected)
{
    static char text[128];
    for (int i = 0; i < count; i++) {
        unsigned char *body;
        size_t size;
        const char *error = peer_recv(&body, &size);
        if (!error && size == expected && body_seed(body, size) == (size ? stream_seed(i) : '-'))
            continue;
        snprintf(text, sizeof text, "message %d of %d: %s", i, count, error ? error : "damaged or out of order");
        return text;
    }
    return NULL;
}

static void obey(const char *command, char **args)
{
    const char *first = args[0] ? args[0] : "";
    int number = atoi(first);
    if (!strcmp(command, "open"))
        report(peer_open(first, args[1] && !strcmp(args[1], "raw")));
    else if (!strcmp(command, "use"))
        report(peer_use(number));
    else if (!strcmp(command, "bind"))
        report(peer_bind(first));
    else if (!strcmp(command, "connect"))
        report(peer_connect(first));
    else if (!strcmp(command, "peers"))
        report(await_peers(number));
    else if (!strcmp(command, "subscribe"))
        report(peer_subscribe(first));
    else if (!strcmp(command, "maxsize"))
        report(peer_maxsize(number));
    else if (!strcmp(command, "deadline"))
        report(peer_deadline(number));
    else if (!strcmp(command, "timeout"))
        report(peer_timeout(number));
    else if (!strcmp(command, "api")) {
        use_messages = !strcmp(first, "msg");
        report(NULL);
    } else if (!strcmp(command, "send") && args[1])
        report(send_body((size_t)number, *args[1]));
    else if (!strcmp(command, "recv"))
        receive();
    else if (!strcmp(command, "stream") && args[1])
        report(stream(number, (size_t)atoi(args[1])));
    else if (!strcmp(command, "drain") && args[1])
        report(drain(number, (size_t)atoi(args[1])));
    else if (!strcmp(command, "close"))
        report(peer_close());
    else if (!peer_extra(command, args))
        answer("error unknown command %s", command);
}

int main(void)
{
    alarm(300); /* outlives no test run */
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        char *words[4] = {NULL};
        char *rest = line;
        for (int i = 0; i < 3; i++)
            words[i] = strtok_r(i ? NULL : rest, " \n", &rest);
        if (words[0])
            obey(words[0], words + 1);
    }
    return 0;
}
