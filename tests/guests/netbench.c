/* SPDX-License-Identifier: MIT */
/*
 * netbench: TCP between a guest and a peer, with every byte checked. The peer may be another guest, or this
 * same program on the machine that runs the emulator. netbench serve PORT                    answers any
 * number of the two below, each on a connection of its own netbench send ADDRESS PORT MIB         a stream
 * that the server knows: prints MB/s and how much it got right netbench ping ADDRESS PORT ROUNDS      one
 * byte there and back: prints the median and the 99th percentile
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_WORDS 8192u
#define CHUNK_BYTES (CHUNK_WORDS * sizeof(uint64_t))
#define MAX_ROUNDS  100000u

enum mode { MODE_SEND = 's', MODE_PING = 'p' };

/* What the client says first, and what the server answers to a stream at its end. */
struct request {
    uint64_t mode, chunks;
};

struct verdict {
    uint64_t bytes, wrong_chunks;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        const ssize_t n = write(fd, at, bytes);
        if (n <= 0) {
            fail("write");
        }
        at += n;
        bytes -= (size_t)n;
    }
}

/* 0 if the stream ended before `bytes` came. */
static int read_all(int fd, void *data, size_t bytes)
{
    char *at = data;
    while (bytes > 0) {
        const ssize_t n = read(fd, at, bytes);
        if (n <= 0) {
            return 0;
        }
        at += n;
        bytes -= (size_t)n;
    }
    return 1;
}

/* The known stream: chunk `number`, which depends on its number and is nowhere constant. */
static void fill(uint64_t *words, uint64_t number)
{
    uint64_t x = (number + 1) * 0x9e3779b97f4a7c15ull;
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        words[i] = x;
    }
}

static void serve_stream(int fd, uint64_t chunks)
{
    static uint64_t got[CHUNK_WORDS], wanted[CHUNK_WORDS];
    struct verdict verdict = {0};
    for (uint64_t i = 0; i < chunks && read_all(fd, got, CHUNK_BYTES); i++) {
        fill(wanted, i);
        verdict.bytes += CHUNK_BYTES;
        verdict.wrong_chunks += memcmp(got, wanted, CHUNK_BYTES) != 0;
    }
    write_all(fd, &verdict, sizeof verdict);
}

static void serve_one(int fd)
{
    struct request request;
    char byte;
    if (!read_all(fd, &request, sizeof request)) {
        return;
    }
    if (request.mode == MODE_SEND) {
        serve_stream(fd, request.chunks);
        return;
    }
    while (read_all(fd, &byte, 1)) {
        write_all(fd, &byte, 1);
    }
}

static void no_delay(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void serve(uint16_t port)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&any, sizeof any) != 0 || listen(listener, 8) != 0) {
        fail("listen");
    }
    signal(SIGCHLD, SIG_IGN);
    printf("netbench: serving port %u\n", port);
    fflush(stdout);
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && fork() == 0) {
            no_delay(fd);
            serve_one(fd);
            _exit(0);
        }
        close(fd);
    }
}

static int connect_to(const char *address, uint16_t port)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (inet_pton(AF_INET, address, &peer.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0) {
        fail("connect");
    }
    no_delay(fd);
    return fd;
}

static int send_stream(int fd, uint64_t mib)
{
    static uint64_t words[CHUNK_WORDS];
    const struct request request = {MODE_SEND, (mib << 20) / CHUNK_BYTES};
    struct verdict verdict = {0};
    write_all(fd, &request, sizeof request);
    const double start = now();
    for (uint64_t i = 0; i < request.chunks; i++) {
        fill(words, i);
        write_all(fd, words, CHUNK_BYTES);
    }
    if (!read_all(fd, &verdict, sizeof verdict)) {
        fail("no verdict from the server");
    }
    const double seconds = now() - start;
    const unsigned long long sent = request.chunks * CHUNK_BYTES, got = verdict.bytes,
                             wrong = verdict.wrong_chunks;
    printf("netbench: sent %llu bytes, server got %llu, wrong chunks %llu, %.1f MB/s\n", sent, got, wrong,
           (double)got / 1e6 / seconds);
    return got == sent && wrong == 0 ? 0 : 1;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int ping(int fd, unsigned rounds)
{
    static double took[MAX_ROUNDS];
    const struct request request = {MODE_PING, 0};
    char byte = 'x';
    write_all(fd, &request, sizeof request);
    for (unsigned i = 0; i < rounds; i++) {
        const double start = now();
        write_all(fd, &byte, 1);
        if (!read_all(fd, &byte, 1)) {
            fail("no answer");
        }
        took[i] = now() - start;
    }
    qsort(took, rounds, sizeof took[0], by_value);
    printf("netbench: ping-pong p50 %.3f ms, p99 %.3f ms, %u rounds\n", took[rounds / 2] * 1e3,
           took[rounds * 99 / 100] * 1e3, rounds);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        serve((uint16_t)atoi(argv[2]));
    }
    const unsigned long count = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    if (count > 0 && strcmp(argv[1], "send") == 0) {
        return send_stream(connect_to(argv[2], (uint16_t)atoi(argv[3])), count);
    }
    if (count > 0 && count <= MAX_ROUNDS && strcmp(argv[1], "ping") == 0) {
        return ping(connect_to(argv[2], (uint16_t)atoi(argv[3])), (unsigned)count);
    }
    fprintf(stderr, "netbench serve PORT | send ADDRESS PORT MIB | ping ADDRESS PORT ROUNDS\n");
    return 2;
}
