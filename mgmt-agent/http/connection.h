/* SPDX-License-Identifier: MIT */
/* One client: its requests in order, one answer each, within limits of size and time. */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "http/http.h"
#include "http/parse.h"
#include "http/stream.h"

#define CONNECTION_FIRST_MS  10000u /* from the connection to its first byte over TLS */
#define CONNECTION_IDLE_MS   60000u /* between two requests */
#define CONNECTION_HEAD_MS   10000u
#define CONNECTION_BODY_MS   30000u
#define CONNECTION_WRITE_MS  30000u /* without a byte taken, by a client with a token */
#define CONNECTION_DEAF_MS   5000u  /* the same for one without: its answers are short */
#define CONNECTION_LINGER_MS 2000u
#define CONNECTION_LINGER    0x1000000u /* bytes read and thrown away after the last answer */
#define CONNECTION_NEVER     UINT64_MAX

/** What a connection does. */
enum connection_phase {
    CONNECTION_FREE = 0,
    CONNECTION_HEAD,     /* reads a head; idle if nothing of it is there */
    CONNECTION_CONTINUE, /* says that the body may come */
    CONNECTION_BODY,
    CONNECTION_HANDLE, /* the handler has yet to answer */
    CONNECTION_WRITE,
    CONNECTION_LINGER_PHASE, /* has said all; reads on so that the client gets to see it */
    CONNECTION_PHASE_COUNT,
};

struct connection {
    enum connection_phase phase;
    struct stream *stream;
    char *input;
    size_t used, room, thrown_away;
    struct parse_head head;
    struct http_request request;
    struct http_response response;
    size_t sent;
    uint64_t opened_ms,
        since_ms; /* since: of the phase, of the request in HANDLE, of the last progress in WRITE */
    unsigned served;
    bool asked;   /* the handler has seen the request */
    bool close;   /* after this answer */
    bool trusted; /* has shown a token that the handler took */
    bool more;    /* has work left that its share of a turn did not cover */
};

struct http_counters {
    uint64_t connections, refused_busy, evicted; /* accepted; all places held by trusted ones; gave way */
    uint64_t requests, timeouts;                 /* handed to the handler; ended by a time limit */
    uint64_t unauthorized;                       /* showed a token that is wrong */
    uint64_t rejected[PARSE_RESULT_COUNT];       /* by the server itself */
};

/** What all connections share. */
struct connection_service {
    http_handler *handler;
    void *context;
    struct http_counters counters;
};

void connection_open(struct connection *c, struct stream *stream, uint64_t now_ms);

/** Does what can be done now; a connection that has ended is CONNECTION_FREE afterwards. */
void connection_turn(struct connection *c, struct connection_service *service, uint64_t now_ms);

/** Ends it at once. */
void connection_drop(struct connection *c);

/** @return when connection_turn() is due even if nothing happens */
uint64_t connection_deadline(const struct connection *c);

#endif
