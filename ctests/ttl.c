/* NN_MAXTTL: a request that crossed n devices has n + 1 words and is taken iff n + 1 <= MAXTTL. */
#include "header.h"

/* `words` words, the last marked as the id. */
static void send_words(int s, int words) {
    uint8_t bytes[64] = {0};
    for (int i = 0; i < words; i++)
        bytes[4 * i + 3] = (uint8_t)(i + 1);
    bytes[4 * (words - 1)] = 0x80;
    CHECK_EQ(send_header(s, bytes, (size_t)words * 4, "body", 4, 0), 4);
}

static void limit(enum transport t, int domain, int asker, int answerer) {
    int from = open_raw(asker), to = open_domain(domain, answerer);
    join(to, from, t);
    for (int ttl = 1; ttl <= 15; ttl += 7) {
        CONTEXT("%s, type %d, domain %d, ttl %d", transport_name[t], answerer, domain, ttl);
        set(to, NN_MAXTTL, ttl); /* takes effect at once */
        for (int words = ttl + 1; words >= 1 && words >= ttl - 1; words--)
            send_words(from, words);
        for (int words = ttl; words >= 1 && words >= ttl - 1; words--) {
            struct sp_control control;
            char body[64];
            CHECK_EQ(recv_header(to, &control, body, 0), 4);
            CHECK_EQ(control.length, domain == AF_SP ? 0 : 4 * (words + 1));
        }
        EMPTY(to);
    }
    CLOSE(from, to);
}

static void setters(void) {
    CONTEXT("setters");
    int s = open_socket(NN_REP);
    CHECK_EQ(get(s, NN_MAXTTL), 8);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_MAXTTL, &(int){0}, 4), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_MAXTTL, &(int){-1}, 4), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_MAXTTL, &(int){256}, 4), EINVAL);
    CHECK_ERR(nn_setsockopt(s, NN_SOL_SOCKET, NN_MAXTTL, &(int){8}, 1), EINVAL);
    CHECK_EQ(get(s, NN_MAXTTL), 8);
    CLOSE(s);
}

int main(void) {
    start();
    setters();
    for EACH_TRANSPORT (t)
        for (int domain = AF_SP; domain <= AF_SP_RAW; domain++) {
            limit(t, domain, NN_REQ, NN_REP);
            limit(t, domain, NN_SURVEYOR, NN_RESPONDENT);
        }
    return finish();
}
