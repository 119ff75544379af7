/* Memory that is not there: what is passed is refused with ENOMEM, and a peer for whose payload there is none loses its connection. */
#include "qi.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define LARGE ((size_t)300 << 20)

static void leave_mb(long more) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld", &pages) == 1);
    fclose(file);
    struct rlimit wanted = {(rlim_t)pages * 4096 + ((rlim_t)more << 20), RLIM_INFINITY};
    CHECK_OK(setrlimit(RLIMIT_AS, &wanted));
}

static void write_all(int fd, const char *data, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = send(fd, data + done, length - done, MSG_NOSIGNAL);
        if (count < 0)
            return;
        done += (size_t)count;
    }
}

int main(void) {
    start();
    char *large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(large != MAP_FAILED);
    struct bus bus;
    open_bus(&bus, &(struct nnqi_server_options){.max_payload = LARGE});
    nnqi_builder builder = nnqi_builder_new();
    CHECK(nnqi_method(builder, "add", "(ii)", "l", add, NULL) > 0);
    nnqi_object object = nnqi_build(builder);
    nnqi_proxy proxy = add_service(&bus, "Adder", object);
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience()), 3);
    nnqi_endpoint endpoint = nnqi_endpoint_of(proxy);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    name.sin_port = htons((uint16_t)atoi(strrchr(bus.url, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(connect(fd, (struct sockaddr *)&name, sizeof(name)));
    /* Who has authenticated, with an empty map, may send more; and gets an answer. */
    const uint32_t hello[8] = {0x42adde42, 1, 4, 0x00010000, 0, 0, 8, 0};
    uint32_t answer[7];
    write_all(fd, (const char *)hello, sizeof(hello));
    CHECK_EQ(recv(fd, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
    CHECK_EQ(answer[3] >> 16 & 0xff, 2);
    while (recv(fd, answer, 1, MSG_DONTWAIT) > 0)
        ;

    leave_mb(20);
    NONE(nnqi_raw(large, LARGE), ENOMEM);
    NONE(nnqi_string(large, LARGE), ENOMEM);
    NONE(nnqi_decode("r", large, LARGE), ENOMEM);
    struct nnqi_header header = {.type = 4, .service = 1, .object = 1, .action = 100};
    CHECK_ERR(nnqi_send(endpoint, &header, large, LARGE, 0), ENOMEM);

    /* A call with a payload that there is no room for, and which is sent, not only announced. */
    const uint32_t words[7] = {0x42adde42, 2, (uint32_t)LARGE, 0x00010000, 1, 1, 100};
    struct nnqi_server_statistics statistics;
    write_all(fd, (const char *)words, sizeof(words));
    write_all(fd, large, LARGE);
    char end;
    WAIT(recv(fd, &end, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN);
    WAIT(nnqi_server_statistics(bus.server, &statistics) == 0 && statistics.connections == 1);
    IS_INT(nnqi_call(proxy, "add", TUPLE(nnqi_int('i', 1), nnqi_int('i', 2)), patience()), 3);
    close(fd);
    nnqi_endpoint_free(endpoint);
    CHECK_OK(nnqi_proxy_free(proxy));
    CHECK_OK(nnqi_object_free(object));
    close_bus(&bus);
    return failures != 0;
}
