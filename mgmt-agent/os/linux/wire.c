/* SPDX-License-Identifier: MIT */
/*
 * The agent's network port as a process: frames travel in UDP datagrams between 127.0.0.1:PORT and PORT + 1,
 * which is how QEMU's `-netdev socket,udp=` carries them. With net/ above, the agent's own TCP/IP can be
 * tried on the host.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "os/linux/sockets.h"
#include "os/os.h"

static int wire = -1;
static bool cut;

int sockets_listen(uint16_t port)
{
    struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in there = here;
    there.sin_port = htons((uint16_t)(port + 1));
    wire = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(wire, (struct sockaddr *)&here, sizeof(here)) != 0 ||
        connect(wire, (struct sockaddr *)&there, sizeof(there)) != 0) {
        return -1;
    }
    return port;
}

int sockets_descriptor(void)
{
    return wire;
}

int os_net_open(uint32_t slot, uint8_t mac[6])
{
    static const uint8_t ours[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    (void)slot;
    memcpy(mac, ours, sizeof(ours));
    return 0;
}

/* A datagram of one byte cuts or mends the wire. */
bool os_net_link(void)
{
    return !cut;
}

int os_net_send(const void *frame, size_t bytes)
{
    return !cut && send(wire, frame, bytes, 0) == (ssize_t)bytes ? 0 : -1;
}

size_t os_net_receive(void *frame)
{
    ssize_t bytes = recv(wire, frame, OS_FRAME_BYTES, 0);
    if (bytes == 1) {
        cut = *(const char *)frame == '0';
    }
    return bytes > 1 && !cut ? (size_t)bytes : 0;
}

uint64_t os_tsc(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

_Noreturn void os_die(const char *text)
{
    fprintf(stderr, "agent: %s\n", text);
    exit(1);
}
