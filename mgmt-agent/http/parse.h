/* SPDX-License-Identifier: MIT */
/* From bytes to a request: what RFC 9112 asks for, and the limits of this server. Pure functions. */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "http/http.h"

#define PARSE_HEAD_MAX 8192u
#define PARSE_BODY_MAX 65536u

/** A run of bytes in the buffer. */
struct parse_span {
    size_t at, bytes;
};

/** What the head of a request says; places are relative to its first byte, for the buffer may move. */
struct parse_head {
    enum http_method method;
    struct parse_span path, query, bearer;
    size_t head_bytes, body_bytes;
    bool keep_alive, http_1_0, expects_continue;
};

/** Why a request is refused. */
enum parse_result {
    PARSE_OK = 0,
    PARSE_MORE, /* the head is not complete yet */
    PARSE_MALFORMED,
    PARSE_HOST,
    PARSE_TARGET,
    PARSE_LONG_TARGET,
    PARSE_LONG_HEAD,
    PARSE_LENGTH,
    PARSE_LONG_BODY,
    PARSE_CHUNKED,
    PARSE_CODING,
    PARSE_EXPECTATION,
    PARSE_VERSION,
    PARSE_RESULT_COUNT,
};

/** Reads a head from `bytes` bytes. The buffer is not changed. */
enum parse_result parse_head(const char *buffer, size_t bytes, struct parse_head *head);

/** Fills in a request once its body is there: ends texts with zeros and decodes the path, in the buffer.
 * @return false if the path has a bad percent escape */
bool parse_finish(char *buffer, const struct parse_head *head, struct http_request *request);

/** @return the error code of a refusal, NULL for results that are none */
const char *parse_code(enum parse_result result);

/** Answers a refused request. */
void parse_refuse(enum parse_result result, struct http_response *response);

#endif
