/* SPDX-License-Identifier: MIT */
/* Any bytes from a client, in pieces of any size: every request handed on is whole, every answer begins as
 * one. */
#include <stdlib.h>
#include <string.h>

#include "http/connection.h"
#include "http/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURN_MS 500u

/* The client: sends `piece` bytes at a time, takes as much. */
static struct {
    struct stream stream;
    const uint8_t *data;
    size_t left, piece;
    uint8_t begin[16]; /* of what it was sent */
    size_t received;
    bool closed;
} client;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static long client_read(struct stream *stream, void *to, size_t room)
{
    (void)stream;
    size_t bytes = smaller(smaller(client.left, client.piece), room);
    memcpy(to, client.data, bytes);
    client.data += bytes;
    client.left -= bytes;
    return bytes == 0 && client.left == 0 && client.piece % 2 == 0 ? STREAM_END : (long)bytes;
}

static long client_write(struct stream *stream, const void *from, size_t bytes)
{
    (void)stream;
    size_t taken = smaller(bytes, client.piece * 16);
    size_t room = smaller(sizeof(client.begin) - smaller(client.received, sizeof(client.begin)), taken);
    memcpy(client.begin + client.received % sizeof(client.begin), from, room);
    client.received += taken;
    return (long)taken;
}

static void client_nothing(struct stream *stream)
{
    (void)stream;
}

static void client_close(struct stream *stream, bool abort)
{
    (void)stream, (void)abort;
    client.closed = true;
}

static const struct stream_operations operations = {.read = client_read,
                                                    .write = client_write,
                                                    .flush = client_nothing,
                                                    .finish = client_nothing,
                                                    .close = client_close,
                                                    .keep = client_nothing};

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
    require(request->path[0] == '/' && strlen(request->path) < PARSE_HEAD_MAX);
    require(strlen(request->query) < PARSE_HEAD_MAX && strlen(request->bearer) < PARSE_HEAD_MAX);
    require(request->body_bytes <= PARSE_BODY_MAX && strchr(request->query, ' ') == NULL);
    if (request->path[1] == 'w' && request->waited_ms < 2 * TURN_MS) {
        response->wait_limit_ms = 3 * TURN_MS;
        return HTTP_WAIT;
    }
    if (request->path[1] == 'e') {
        http_error(response, 404, "not-found", "-", "%s", request->path);
        return HTTP_DONE;
    }
    response->status = 200;
    response->content_type = "text/plain";
    http_append(response, request->body, request->body_bytes);
    return HTTP_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct connection c;
    struct connection_service service = {.handler = handle};
    memset(&client, 0, sizeof(client));
    client.stream.operations = &operations;
    client.piece = data[0] == 0 ? size : data[0];
    client.data = data + 1;
    client.left = size - 1;
    uint64_t now = 1000;
    connection_open(&c, &client.stream, now);
    while (c.phase != CONNECTION_FREE) {
        connection_turn(&c, &service, now);
        require(client.left > 0 || now < 1000 + 4 * CONNECTION_IDLE_MS + TURN_MS * size);
        now += client.left > 0 ? 1 : TURN_MS;
    }
    require(client.closed);
    require(client.received < 9 || memcmp(client.begin, "HTTP/1.1 ", 9) == 0);
    return 0;
}
