/* SPDX-License-Identifier: MIT */
/* One HTTP request and its answer, between the server (http/) and the API (api/). RFC 9110, RFC 9112. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OTHER, /* anything else that is a valid token */
};

/** A complete request; the text is the server's and ends with the call. */
struct http_request {
    enum http_method method;
    const char *path;   /* zero-terminated, percent-decoded, without the query */
    const char *query;  /* zero-terminated, as sent, after the "?"; empty if there is none */
    const char *bearer; /* zero-terminated token of `Authorization: Bearer`, empty if there is none */
    const char *body;
    size_t body_bytes;
    uint64_t waited_ms; /* since the request was complete: more than 0 if the handler has answered HTTP_WAIT
                           before */
};

/** An answer under construction. */
struct http_response {
    unsigned status;
    const char *content_type; /* static text */
    char allow[32];           /* for 405: "GET, HEAD"; else empty */
    uint64_t wait_limit_ms;   /* with HTTP_WAIT: ask again at the latest after this time since the request */
    char *body;               /* grown by http_append(), freed by the server */
    size_t body_bytes, body_room;
    bool overflow; /* the body would have been larger than HTTP_BODY_MAX, or memory is short: answered 500 */
};

#define HTTP_BODY_MAX (1u << 20)

enum http_outcome {
    HTTP_DONE,
    HTTP_WAIT, /* nothing to say yet: the server asks again when something happened, and after wait_limit_ms
                */
};

/** Answers a request; the server calls it, and puts the body after the header in one write. */
typedef enum http_outcome http_handler(void *context, const struct http_request *request,
                                       struct http_response *response);

/** Appends to the body. */
void http_append(struct http_response *response, const void *data, size_t bytes);

#endif
