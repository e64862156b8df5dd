/* SPDX-License-Identifier: MIT */
/*
 * The server: a fixed number of places for clients. When all are taken, one that has not shown a valid token
 * gives way: of the station with most of them. So connections that never get that far cannot keep others out,
 * and one station that opens many only competes with itself.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/connection.h"

#define SERVER_CONNECTIONS 64u

/** Puts a layer on a new client's stream, for example TLS. @return NULL if that is not possible now */
typedef struct stream *server_layer(struct stream *below);

/** Starts serving with this handler, or changes it. */
void server_start(server_layer *layer, http_handler *handler, void *context);

/** Takes over the stream of a new client. */
void server_accept(struct stream *stream, uint64_t now_ms);

/** The same without the layer: for a stream that nobody else can listen to. */
void server_accept_plain(struct stream *stream, uint64_t now_ms);

/** Serves all clients as far as that is possible now. Call after every event and at server_deadline(). */
void server_turn(uint64_t now_ms);

/** @return the time at which server_turn() is due even if nothing happens; CONNECTION_NEVER: none */
uint64_t server_deadline(void);

/** @return clients connected now */
unsigned server_clients(void);

const struct http_counters *http_counters(void);

#endif
