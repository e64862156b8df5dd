/* SPDX-License-Identifier: MIT */
/* The agent's HTTPS server with a handler of the test's own: https-server [PORT]. Prints its port and
 * fingerprint. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/error.h"
#include "http/server.h"
#include "net/net.h"
#include "os/linux/sockets.h"
#include "tls/identity.h"
#include "tls/tls.h"

#define TOKEN   "let-me-in"
#define TSC_KHZ 1000000u

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t longest_turn_us;

/* CPU time, so that other processes do not count. */
static uint64_t busy_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void turn(void)
{
    uint64_t begin = busy_us();
    tls_turn();
    server_turn(now_ms());
    uint64_t took = busy_us() - begin;
    longest_turn_us = took > longest_turn_us ? took : longest_turn_us;
}

static unsigned long number(const struct http_request *request)
{
    return strtoul(request->query, NULL, 10);
}

static void say(struct http_response *response, const char *text)
{
    response->status = 200;
    response->content_type = "text/plain";
    http_append(response, text, strlen(text));
}

static enum http_outcome answer_hello(const struct http_request *request, struct http_response *response)
{
    (void)request;
    say(response, "hello\n");
    return HTTP_DONE;
}

static enum http_outcome answer_echo(const struct http_request *request, struct http_response *response)
{
    say(response, "");
    http_append(response, request->body, request->body_bytes);
    return HTTP_DONE;
}

/* ?N: that many bytes */
static enum http_outcome answer_big(const struct http_request *request, struct http_response *response)
{
    say(response, "");
    for (unsigned long i = number(request); i > 0; i--) {
        http_append(response, "x", 1);
    }
    return HTTP_DONE;
}

/* ?N: the answer comes after N ms, or never if nothing happens and N is above 60000 */
static enum http_outcome answer_wait(const struct http_request *request, struct http_response *response)
{
    response->wait_limit_ms = number(request) < 60000 ? number(request) : 200;
    if (request->waited_ms < number(request)) {
        return HTTP_WAIT;
    }
    say(response, "waited\n");
    return HTTP_DONE;
}

static enum http_outcome answer_secret(const struct http_request *request, struct http_response *response)
{
    if (strcmp(request->bearer, TOKEN) == 0) {
        say(response, "secret\n");
    } else {
        http_error(response, 401, "unauthorized", "send the token", "the token is wrong or missing");
    }
    return HTTP_DONE;
}

/* The longest turn is that since the last look. */
static enum http_outcome answer_counters(const struct http_request *request, struct http_response *response)
{
    (void)request;
    char text[512];
    const struct http_counters *http = http_counters();
    const struct tls_counters *tls = tls_counters();
    snprintf(text, sizeof(text),
             "{\"clients\":%u,\"connections\":%llu,\"evicted\":%llu,\"refused_busy\":%llu,\"requests\":%llu,"
             "\"timeouts\":%llu,\"handshakes\":%llu,\"failures\":%llu,\"header-too-large\":%llu,"
             "\"unauthorized\":%llu,\"longest_turn_us\":%llu}",
             server_clients(), (unsigned long long)http->connections, (unsigned long long)http->evicted,
             (unsigned long long)http->refused_busy, (unsigned long long)http->requests,
             (unsigned long long)http->timeouts, (unsigned long long)tls->handshakes,
             (unsigned long long)tls->failures, (unsigned long long)http->rejected[PARSE_LONG_HEAD],
             (unsigned long long)http->unauthorized, (unsigned long long)longest_turn_us);
    longest_turn_us = 0;
    say(response, text);
    return HTTP_DONE;
}

static const struct {
    const char *path;
    enum http_outcome (*answer)(const struct http_request *, struct http_response *);
} paths[] = {{"/hello", answer_hello}, {"/echo", answer_echo},     {"/big", answer_big},
             {"/wait", answer_wait},   {"/secret", answer_secret}, {"/counters", answer_counters}};

static enum http_outcome handle(void *context, const struct http_request *request,
                                struct http_response *response)
{
    (void)context;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strcmp(request->path, paths[i].path) == 0) {
            return paths[i].answer(request, response);
        }
    }
    http_error(response, 404, "not-found", "ask for /hello", "%s: there is no such thing", request->path);
    return HTTP_DONE;
}

static void accept_client(struct stream *stream)
{
    server_accept(stream, now_ms());
}

/* One line whenever the network has changed. */
static void tell(void)
{
    static uint32_t told;
    static const char *const sources[] = {"none", "dhcp", "static"};
    const struct net_status *status = net_status();
    if (status->generation != told) {
        told = status->generation;
        printf("network link=%d source=%s address=%s gateway=%s ipv6=%s problem=%s\n", status->link,
               sources[status->source], status->address, status->gateway, status->ipv6[0], status->problem);
        fflush(stdout);
    }
}

static int limit_of(uint64_t deadline, uint64_t now)
{
    return deadline == UINT64_MAX ? -1 : deadline <= now ? 0 : (int)(deadline - now);
}

static int serve(const struct net_config *config)
{
    net_start(config, TSC_KHZ, accept_client);
    server_start(tls_open, handle, NULL);
    for (;;) {
        uint64_t net = net_deadline();
        uint64_t net_ms = net == UINT64_MAX ? net : net / TSC_KHZ + 1;
        uint64_t server_ms = server_deadline();
        struct pollfd fd = {.fd = sockets_descriptor(), .events = POLLIN};
        if (poll(&fd, 1, limit_of(net_ms < server_ms ? net_ms : server_ms, now_ms())) < 0) {
            return 1;
        }
        net_poll(true);
        tell();
        turn();
    }
}

static void read_address(struct net_config *config, const char *address, const char *gateway)
{
    unsigned a[5] = {0};
    unsigned g[4] = {0};
    sscanf(address, "%u.%u.%u.%u/%u", &a[0], &a[1], &a[2], &a[3], &a[4]); // NOLINT(cert-err34-c)
    sscanf(gateway, "%u.%u.%u.%u", &g[0], &g[1], &g[2], &g[3]);           // NOLINT(cert-err34-c)
    for (unsigned i = 0; i < 4; i++) {
        config->address[i] = (uint8_t)a[i];
        config->gateway[i] = (uint8_t)g[i];
    }
    config->prefix = (uint8_t)a[4];
    config->has_address = config->has_gateway = true;
}

static void read_config(int argc, char **argv, struct net_config *config)
{
    config->fallback_s = 3;
    config->dhcp = argc == 1 || strcmp(argv[0], "dhcp") == 0;
    argv += config->dhcp;
    argc -= config->dhcp;
    if (argc >= 2) {
        read_address(config, argv[0], argv[1]);
    }
}

int main(int argc, char **argv)
{
    static uint8_t identity[TLS_IDENTITY_BYTES];
    static const uint8_t address[4] = {127, 0, 0, 1};
    char fingerprint[TLS_FINGERPRINT_BYTES];
    struct net_config config = {.host_name = "test-box"};
    size_t bytes;
    if (argc > 2) {
        read_config(argc - 2, argv + 2, &config);
    }
    if (tls_identity_make("test-box", address, identity, &bytes) != 0 ||
        tls_identity_use(identity, bytes) != 0) {
        fprintf(stderr, "https-server: no identity\n");
        return 1;
    }
    int port = sockets_listen((uint16_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : 0));
    tls_identity_fingerprint(fingerprint);
    printf("port %d fingerprint %s identity %zu bytes\n", port, fingerprint, bytes);
    fflush(stdout);
    return port < 0 ? 1 : serve(&config);
}
