/* SPDX-License-Identifier: MIT */
#include "http/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024u

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

void http_append(struct http_response *response, const void *data, size_t bytes)
{
    if (response->overflow || bytes > HTTP_BODY_MAX - response->body_bytes) {
        response->overflow = true;
        return;
    }
    size_t needed = response->body_bytes + bytes;
    if (needed > response->body_room) {
        size_t room = needed > 2 * response->body_room ? needed : 2 * response->body_room;
        room = room < FIRST_ROOM ? FIRST_ROOM : room;
        char *larger = realloc(response->body, room);
        if (larger == NULL) {
            response->overflow = true;
            return;
        }
        response->body = larger;
        response->body_room = room;
    }
    if (bytes > 0) {
        memcpy(response->body + response->body_bytes, data, bytes);
        response->body_bytes = needed;
    }
}

static const char *reason_of(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "";
}

size_t response_head(const struct http_response *response, const struct response_frame *frame,
                     char head[RESPONSE_HEAD_BYTES])
{
    bool has_allow = response->allow[0] != 0;
    const char *connection = frame->close      ? "Connection: close\r\n"
                             : frame->http_1_0 ? "Connection: keep-alive\r\n"
                                               : "";
    int bytes = snprintf(
        head, RESPONSE_HEAD_BYTES,
        "HTTP/1.1 %u %s\r\n"
        "Content-Type: %s\r\n"
        "Content-Length: %zu\r\n"
        "%s%.31s%s%s%s"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\n\r\n",
        response->status, reason_of(response->status),
        response->content_type != NULL ? response->content_type : "application/json", response->body_bytes,
        has_allow ? "Allow: " : "", has_allow ? response->allow : "", has_allow ? "\r\n" : "",
        response->status == 401 ? "WWW-Authenticate: Bearer realm=\"mullion\"\r\n" : "", connection);
    return bytes < (int)RESPONSE_HEAD_BYTES ? (size_t)bytes : RESPONSE_HEAD_BYTES - 1;
}

bool response_join(struct http_response *response, const struct response_frame *frame)
{
    char head[RESPONSE_HEAD_BYTES];
    size_t head_bytes = response_head(response, frame, head);
    size_t body_bytes = frame->head_only ? 0 : response->body_bytes;
    if (head_bytes + body_bytes > response->body_room) {
        char *larger = realloc(response->body, head_bytes + body_bytes);
        if (larger == NULL) {
            return false;
        }
        response->body = larger;
        response->body_room = head_bytes + body_bytes;
    }
    memmove(response->body + head_bytes, response->body, body_bytes);
    memcpy(response->body, head, head_bytes);
    response->body_bytes = head_bytes + body_bytes;
    return true;
}
