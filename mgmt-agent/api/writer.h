/* SPDX-License-Identifier: MIT */
/* JSON into the body of an answer. Keys are ours and need no escaping; `key` is NULL inside an array. */
#ifndef API_WRITER_H
#define API_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "http/http.h"

struct writer {
    struct http_response *response;
    bool comma; /* the next value is not the first */
};

void json_object(struct writer *w, const char *key);
void json_object_end(struct writer *w);
void json_array(struct writer *w, const char *key);
void json_array_end(struct writer *w);
void json_text(struct writer *w, const char *key, const char *text); /* an empty text is null */
void json_number(struct writer *w, const char *key, uint64_t value);
void json_flag(struct writer *w, const char *key, bool value);
void json_null(struct writer *w, const char *key);

/** A number in hexadecimal, as text: "0x1000". */
void json_hex(struct writer *w, const char *key, uint64_t value);

/** Bytes as text: what is no UTF-8, and zeros, become U+FFFD. At most WRITER_TEXT_BYTES. */
void json_bytes(struct writer *w, const char *key, const char *data, size_t bytes);

/** Bytes in base64 (RFC 4648). */
void json_base64(struct writer *w, const char *key, const char *data, size_t bytes);

#define WRITER_TEXT_BYTES 16384u

#endif
