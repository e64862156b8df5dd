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

/* Places that the strangers of one station hold. */
static unsigned strangers_of(uint64_t source)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        const struct connection *c = &connections[i];
        count += c->phase != CONNECTION_FREE && !c->trusted && c->stream->source == source;
    }
    return count;
}

/* Whether `a` is to give way rather than `b`: the station that holds most places pays first, of its clients
 * those that have said nothing, then the oldest. */
static bool gives_way(const struct connection *a, const struct connection *b)
{
    unsigned a_count = strangers_of(a->stream->source);
    unsigned b_count = strangers_of(b->stream->source);
    if (a_count != b_count) {
        return a_count > b_count;
    }
    return a->stream->heard != b->stream->heard ? b->stream->heard : a->opened_ms < b->opened_ms;
}

/* A free place, made by sending a stranger away if need be; NULL: there is none. */
static struct connection *place_find(void)
{
    struct connection *victim = NULL;
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        struct connection *c = &connections[i];
        if (c->phase == CONNECTION_FREE) {
            return c;
        }
        if (!c->trusted && (victim == NULL || gives_way(c, victim))) {
            victim = c;
        }
    }
    if (victim != NULL) {
        connection_drop(victim);
        service.counters.evicted++;
    }
    return victim;
}

static void client_seat(struct connection *c, struct stream *top, uint64_t now_ms)
{
    service.counters.connections++;
    connection_open(c, top, now_ms);
}

static void client_refuse(struct stream *stream)
{
    service.counters.refused_busy++;
    stream_close(stream, true);
}

void server_accept(struct stream *stream, uint64_t now_ms)
{
    struct connection *c = place_find();
    struct stream *top = c == NULL ? NULL : make_layer(stream);
    if (top == NULL) {
        client_refuse(stream);
    } else {
        client_seat(c, top, now_ms);
    }
}

void server_accept_plain(struct stream *stream, uint64_t now_ms)
{
    struct connection *c = place_find();
    if (c == NULL) {
        client_refuse(stream);
    } else {
        client_seat(c, stream, now_ms);
    }
}

/* Each turn begins with another client, so that what is shared out goes round. */
void server_turn(uint64_t now_ms)
{
    static unsigned first;
    first = (first + 1) % SERVER_CONNECTIONS;
    for (unsigned i = 0; i < SERVER_CONNECTIONS; i++) {
        struct connection *c = &connections[(first + i) % SERVER_CONNECTIONS];
        if (c->phase != CONNECTION_FREE) {
            connection_turn(c, &service, now_ms);
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
