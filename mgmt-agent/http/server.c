/* SPDX-License-Identifier: MIT */
#include "http/server.h"

static struct connection connections[SERVER_CONNECTIONS];
static struct connection_service service;
static server_layer *make_layer;

void server_start(server_layer *layer, http_handler *handler, void *context)
{
    make_layer = layer;
    service.handler = handler;
    service.context = context;
}

/* A free place, made by sending the oldest untrusted client away if need be; NULL: there is none. */
static struct connection *place_find(void)
{
    struct connection *oldest = NULL;
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        struct connection *c = &connections[i];
        if (c->phase == CONNECTION_FREE) {
            return c;
        }
        if (!c->trusted && (oldest == NULL || c->opened_ms < oldest->opened_ms)) {
            oldest = c;
        }
    }
    if (oldest != NULL) {
        connection_drop(oldest);
        service.counters.evicted++;
    }
    return oldest;
}

void server_accept(struct stream *stream, uint64_t now_ms)
{
    struct connection *c = place_find();
    struct stream *top = c == NULL ? NULL : make_layer(stream);
    if (top == NULL) {
        service.counters.refused_busy++;
        stream_close(stream, true);
        return;
    }
    service.counters.connections++;
    connection_open(c, top, now_ms);
}

void server_turn(uint64_t now_ms)
{
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        if (connections[i].phase != CONNECTION_FREE) {
            connection_turn(&connections[i], &service, now_ms);
        }
    }
}

uint64_t server_deadline(void)
{
    uint64_t first = CONNECTION_NEVER;
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        uint64_t at = connection_deadline(&connections[i]);
        first = connections[i].phase != CONNECTION_FREE && at < first ? at : first;
    }
    return first;
}

unsigned server_clients(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        count += connections[i].phase != CONNECTION_FREE;
    }
    return count;
}

const struct http_counters *http_counters(void)
{
    return &service.counters;
}
