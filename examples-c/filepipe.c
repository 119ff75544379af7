/* Sends a file through a PUSH/PULL pipeline.
 *
 * Build:  cc -o filepipe filepipe.c -lnanomsg
 * Run:    ./filepipe recv copy tcp://127.0.0.1:5555 && cmp copy filepipe && echo the same
 *         | ... bytes in ... messages, ...
 *         | checksum ok (...)
 *         | the same
 * Run:    ./filepipe send filepipe tcp://127.0.0.1:5555
 *
 * The receiver binds, the sender connects; it does not matter who is there first. Each message starts with its type: a
 * chunk of the file, or the end with the file's length and checksum, which the receiver compares with its own. */
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 256 * 1024 };
enum type { DATA = 1, END = 2 };

/* Both ends agree on byte order as long as they run on the same kind of machine, which is enough here. Eight bytes long, so
 * that the bytes of the file that follow it are aligned. */
struct header {
    uint64_t type;
};

struct end {
    struct header header;
    uint64_t length;
    uint64_t checksum;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "filepipe: %s: %s\n", what, nn_strerror(nn_errno()));
    exit(1);
}

/* FNV-1a over words of eight bytes, the last one filled up with zeros: a byte at a time would be slower than the pipeline.
 * All chunks but the last are multiples of eight, so how the file is cut does not matter. */
static uint64_t checksum(uint64_t sum, const char *data, size_t len)
{
    while (len > 0) {
        uint64_t word = 0;
        size_t part = len < sizeof word ? len : sizeof word;
        memcpy(&word, data, part);
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        data += part;
        len -= part;
    }
    return sum;
}

static const uint64_t CHECKSUM_START = UINT64_C(0xcbf29ce484222325);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A message from nn_allocmsg() belongs to the library once it is sent: nothing is copied. */
static void send_message(int s, void *msg)
{
    if (nn_send(s, &msg, NN_MSG, 0) < 0)
        fail("nn_send");
}

static void *new_message(size_t size)
{
    void *msg = nn_allocmsg(size, 0);
    if (!msg)
        fail("nn_allocmsg");
    return msg;
}

/* Reads straight into the message. */
static struct header *read_chunk(FILE *file, size_t *len)
{
    struct header *chunk = new_message(sizeof *chunk + CHUNK);
    chunk->type = DATA;
    *len = fread(chunk + 1, 1, CHUNK, file);
    if (ferror(file))
        fail("fread");
    chunk = nn_reallocmsg(chunk, sizeof *chunk + *len);
    if (!chunk)
        fail("nn_reallocmsg");
    return chunk;
}

static int send_file(const char *path, const char *url)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path);
    int s = nn_socket(AF_SP, NN_PUSH);
    if (s < 0 || nn_connect(s, url) < 0)
        fail(url);

    uint64_t length = 0, sum = CHECKSUM_START;
    for (;;) {
        size_t len;
        struct header *chunk = read_chunk(file, &len);
        if (len == 0) {
            nn_freemsg(chunk);
            break;
        }
        sum = checksum(sum, (char *)(chunk + 1), len);
        length += len;
        send_message(s, chunk);
    }
    struct end *end = new_message(sizeof *end);
    *end = (struct end){.header.type = END, .length = length, .checksum = sum};
    send_message(s, end);

    fclose(file);
    /* Waits until everything is on its way, for as long as NN_LINGER allows. */
    nn_close(s);
    return 0;
}

static int report(const struct end *end, uint64_t length, uint64_t sum, uint64_t messages, double seconds)
{
    printf("%" PRIu64 " bytes in %" PRIu64 " messages, %.1f MB/s, %.0f msgs/s\n", length, messages,
           (double)length / 1e6 / seconds, (double)messages / seconds);
    if (length != end->length || sum != end->checksum) {
        printf("checksum WRONG: got %" PRIu64 " bytes, %016" PRIx64 "; sent were %" PRIu64 " bytes, %016" PRIx64 "\n", length,
               sum, end->length, end->checksum);
        return 1;
    }
    printf("checksum ok (%016" PRIx64 ")\n", sum);
    return 0;
}

static int receive_file(const char *path, const char *url)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        fail(path);
    int s = nn_socket(AF_SP, NN_PULL);
    if (s < 0 || nn_bind(s, url) < 0)
        fail(url);

    uint64_t length = 0, sum = CHECKSUM_START, messages = 0;
    double begin = 0;
    for (;;) {
        struct header *msg;
        int len = nn_recv(s, &msg, NN_MSG, 0);
        if (len < (int)sizeof *msg)
            fail("nn_recv");
        if (messages++ == 0)
            begin = now();
        if (msg->type == DATA) {
            size_t size = (size_t)len - sizeof *msg;
            sum = checksum(sum, (char *)(msg + 1), size);
            length += size;
            if (fwrite(msg + 1, 1, size, file) != size)
                fail(path);
            nn_freemsg(msg);
            continue;
        }
        if (msg->type != END || len != (int)sizeof(struct end)) {
            fprintf(stderr, "filepipe: not a message of ours\n");
            return 1;
        }
        double seconds = now() - begin;
        if (fclose(file))
            fail(path);
        int status = report((struct end *)msg, length, sum, messages, seconds);
        nn_freemsg(msg);
        nn_close(s);
        return status;
    }
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "send") == 0)
        return send_file(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "recv") == 0)
        return receive_file(argv[2], argv[3]);
    fprintf(stderr, "usage: filepipe send FILE URL\n       filepipe recv OUT URL\n");
    return 2;
}
