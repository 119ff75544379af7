/* Stands between a client and a server of the object bus, and does not pass on what the server says while it is held: then the client
 * hears nothing, and the server talks to somebody who does not read. One connection at a time. Include after qi.h. */
#ifndef RELAY_H
#define RELAY_H

#include <sys/eventfd.h>

struct relay {
    int listener, wake, held, holding;
    struct sockaddr_in server;
    char url[64];
    pthread_t thread;
};

static bool forward(int from, int to) {
    static _Thread_local char buffer[64 * 1024];
    ssize_t length = recv(from, buffer, sizeof(buffer), 0);
    for (ssize_t done = 0, sent; done < length; done += sent) {
        sent = send(to, buffer + done, (size_t)(length - done), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
    }
    return length > 0;
}

static void pass(struct relay *relay, int client, int server) {
    for (;;) {
        PUT(relay->holding, GET(relay->held));
        struct pollfd all[] = {{client, POLLIN, 0}, {relay->wake, POLLIN, 0}, {relay->holding ? -1 : server, POLLIN, 0}};
        if (poll(all, 3, -1) < 0)
            continue;
        eventfd_t count;
        if (all[1].revents)
            CHECK_OK(eventfd_read(relay->wake, &count));
        if ((all[0].revents && !forward(client, server)) || (all[2].revents && !forward(server, client)))
            return;
    }
}

static void *relay_thread(void *argument) {
    struct relay *relay = argument;
    for (int client; (client = accept(relay->listener, NULL, NULL)) >= 0;) {
        /* Little room, and always the same. */
        int server = socket(AF_INET, SOCK_STREAM, 0), room = 64 * 1024;
        CHECK_OK(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)));
        CHECK_OK(connect(server, (struct sockaddr *)&relay->server, sizeof(relay->server)));
        pass(relay, client, server);
        close(client);
        close(server);
    }
    return NULL;
}

/* A socket that listens on loopback, and its URL. */
static int listen_at(char *url, size_t size) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_OK(bind(listener, (struct sockaddr *)&name, length));
    CHECK_OK(listen(listener, 8));
    CHECK_OK(getsockname(listener, (struct sockaddr *)&name, &length));
    snprintf(url, size, "tcp://127.0.0.1:%d", ntohs(name.sin_port));
    return listener;
}

/* A bus whose session, and all that it reaches, go through a relay: the server lists that as an address of its own. */
static void open_relayed(struct bus *bus, struct relay *relay, struct nnqi_server_options options, const struct nnqi_options *ours) {
    *relay = (struct relay){.wake = eventfd(0, 0)};
    relay->listener = listen_at(relay->url, sizeof(relay->url));
    const char *urls[] = {"tcp://127.0.0.1:0"}, *listed[] = {relay->url, NULL};
    options.advertise = listed;
    *bus = (struct bus){.server = nnqi_server_open(urls, 1, &options)};
    GOOD(bus->server);
    CHECK(nnqi_server_address(bus->server, 0, bus->url, sizeof(bus->url)) > 0);
    in_port_t port = (in_port_t)atoi(strrchr(bus->url, ':') + 1);
    relay->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    relay->thread = spawn(relay_thread, relay);
    bus->session = nnqi_connect(relay->url, ours);
    GOOD(bus->session);
}

static void hold(struct relay *relay, int held) {
    PUT(relay->held, held);
    CHECK_OK(eventfd_write(relay->wake, 1));
    WAIT(GET(relay->holding) == held);
}

static void end_relay(struct relay *relay) {
    CHECK_OK(shutdown(relay->listener, SHUT_RDWR));
    await(relay->thread);
    close(relay->listener);
    close(relay->wake);
}

__attribute__((unused)) static void close_relayed(struct bus *bus, struct relay *relay) {
    close_bus(bus);
    end_relay(relay);
}

#endif
