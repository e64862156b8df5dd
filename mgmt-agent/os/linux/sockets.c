/* SPDX-License-Identifier: MIT */
#include "os/linux/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

#define BACKLOG 256

struct client {
    struct stream stream;
    int fd;
};

static int listener = -1;
static int watcher = -1;
static net_accept *take_client;
static struct net_status status;

static long read_(struct stream *stream, void *to, size_t room)
{
    ssize_t bytes = recv(((struct client *)stream)->fd, to, room, 0);
    return bytes > 0 ? bytes : bytes < 0 && errno == EAGAIN ? 0 : STREAM_END;
}

static long write_(struct stream *stream, const void *from, size_t bytes)
{
    ssize_t taken = send(((struct client *)stream)->fd, from, bytes, MSG_NOSIGNAL);
    return taken > 0 ? taken : taken < 0 && errno == EAGAIN ? 0 : STREAM_END;
}

static void nothing(struct stream *stream)
{
    (void)stream;
}

static void finish(struct stream *stream)
{
    shutdown(((struct client *)stream)->fd, SHUT_WR);
}

static void close_(struct stream *stream, bool abort)
{
    struct client *client = (struct client *)stream;
    const struct linger now = {.l_onoff = 1};
    if (abort) {
        setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    close(client->fd);
    free(client);
}

static const struct stream_operations operations = {
    .read = read_, .write = write_, .flush = nothing, .finish = finish, .close = close_, .keep = nothing};

/* Edge-triggered: every turn looks at every client until nothing more can be done. */
static int watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    return epoll_ctl(watcher, EPOLL_CTL_ADD, fd, &event);
}

static void client_open(int fd, uint32_t source)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct client *client = malloc(sizeof(*client));
    if (client == NULL || watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP) != 0) {
        free(client);
        close(fd);
        return;
    }
    *client = (struct client){.stream = {.operations = &operations, .source = source}, .fd = fd};
    take_client(&client->stream);
}

int sockets_listen(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int on = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    watcher = epoll_create1(EPOLL_CLOEXEC);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, bytes) != 0 || listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &bytes) != 0 || watch(listener, EPOLLIN) != 0) {
        return -1;
    }
    status.https_port = ntohs(address.sin_port);
    return status.https_port;
}

int sockets_descriptor(void)
{
    return watcher;
}

int net_start(const struct net_config *config, uint64_t tsc_khz, net_accept *accept)
{
    (void)config, (void)tsc_khz;
    take_client = accept;
    if (listener >= 0) {
        status.link = true;
        status.source = NET_STATIC;
        strcpy(status.address, "127.0.0.1/8");
        status.generation++;
    }
    return 0;
}

void net_poll(bool cable)
{
    (void)cable;
    struct epoll_event events[64];
    if (listener < 0) {
        return;
    }
    while (epoll_wait(watcher, events, 64, 0) == 64) {
    }
    struct sockaddr_in from = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(from);
    for (int fd;
         (fd = accept4(listener, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        client_open(fd, from.sin_addr.s_addr);
    }
}

uint64_t net_deadline(void)
{
    return UINT64_MAX;
}

const struct net_status *net_status(void)
{
    return &status;
}
