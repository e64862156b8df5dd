/* SPDX-License-Identifier: MIT */
/* From an answer to the bytes on the wire. */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http/http.h"

#define RESPONSE_HEAD_BYTES 768u /* room for the longest head */

/** What the connection adds to an answer. */
struct response_frame {
    bool close;     /* the connection ends after this answer */
    bool http_1_0;  /* the client has to be told that it stays open */
    bool head_only; /* the request was HEAD */
};

/** Writes status line and header fields. @return bytes written */
size_t response_head(const struct http_response *response, const struct response_frame *frame,
                     char head[RESPONSE_HEAD_BYTES]);

/** Makes head and body one piece of memory. @return false if memory is short, the response is unchanged then
 */
bool response_join(struct http_response *response, const struct response_frame *frame);

#endif
