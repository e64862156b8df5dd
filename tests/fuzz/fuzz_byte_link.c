/* SPDX-License-Identifier: MIT */
/* Any bytes over the byte link, in pieces of any size, on a wire of any speed: the box stays alive, tells of
 * a connection only when one was begun, and hears the next one. */
#include <stdlib.h>
#include <string.h>

#include "http/error.h"
#include "http/server.h"
#include "os/linux/model.h"
#include "os/os.h"
#include "serial/byte_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DLE        0x10
#define LAST_TURNS 2000u

static uint64_t now_ms = 1000;
static bool escaped;
static unsigned told[256]; /* controls, by code */

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static enum http_outcome handle(void *context, const struct http_request *request,
                                struct http_response *response)
{
    (void)context;
    if (request->path[1] == 'w' && request->waited_ms == 0) {
        response->wait_limit_ms = 10;
        return HTTP_WAIT;
    }
    http_error(response, 404, "not-found", "-", "%s", request->path);
    return HTTP_DONE;
}

static void accept_plain(struct stream *stream)
{
    server_accept_plain(stream, now_ms);
}

/* Every escape that the box sends is one of its own. */
static void take(uint8_t byte)
{
    require(!escaped || byte == DLE || byte == '+' || byte == '.' || (byte >= '0' && byte <= '9'));
    told[byte] += escaped;
    escaped = byte == DLE && !escaped;
}

static void turn(void)
{
    uint8_t got[256];
    struct mullion_event_wait wait = {.deadline_tsc = 0};
    os_hypercall(MULLION_CALL_EVENT_WAIT, &wait);
    byte_link_receive();
    server_turn(now_ms++);
    byte_link_send();
    for (size_t bytes = sizeof(got); bytes == sizeof(got);) {
        bytes = model_wire_take(got, sizeof(got));
        for (size_t i = 0; i < bytes; i++) {
            take(got[i]);
        }
    }
}

static void send(const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        model_wire_send(data + at, size - at < piece ? size - at : piece);
        turn();
    }
}

/* A client comes that keeps to the rules; what the others left behind is read in time. */
static void next_client_is_heard(void)
{
    static const uint8_t begin[] = {'\n', DLE, '5'};
    unsigned before = told['5'];
    send(begin, sizeof(begin), sizeof(begin));
    for (unsigned i = 0; i < LAST_TURNS && told['5'] == before; i++) {
        turn();
    }
    require(told['5'] > before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    model_boot(2);
    model_add_byte_link(data[0] + 1u);
    server_start(NULL, handle, NULL);
    byte_link_start(accept_plain);
    memset(told, 0, sizeof(told));
    escaped = false;
    send(data + 2, size - 2 < 3000 ? size - 2 : 3000, data[1] % 64 + 1u);
    next_client_is_heard();
    model_add_byte_link(4096);
    model_wire_lose();
    send((const uint8_t *)"x", 1, 1);
    turn();
    require(server_clients() == 0);
    return 0;
}
