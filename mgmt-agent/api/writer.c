/* SPDX-License-Identifier: MIT */
#include "api/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/error.h"

#define NO_UTF8 0xff

static void append(struct writer *w, const char *text)
{
    http_append(w->response, text, strlen(text));
}

static void begin(struct writer *w, const char *key)
{
    append(w, w->comma ? "," : "");
    if (key != NULL) {
        append(w, "\"");
        append(w, key);
        append(w, "\":");
    }
    w->comma = true;
}

static void bracket_open(struct writer *w, const char *key, const char *bracket)
{
    begin(w, key);
    append(w, bracket);
    w->comma = false;
}

static void bracket_close(struct writer *w, const char *bracket)
{
    append(w, bracket);
    w->comma = true;
}

void json_object(struct writer *w, const char *key)
{
    bracket_open(w, key, "{");
}

void json_object_end(struct writer *w)
{
    bracket_close(w, "}");
}

void json_array(struct writer *w, const char *key)
{
    bracket_open(w, key, "[");
}

void json_array_end(struct writer *w)
{
    bracket_close(w, "]");
}

void json_text(struct writer *w, const char *key, const char *text)
{
    begin(w, key);
    if (text[0] == 0) {
        append(w, "null");
    } else {
        http_append_json_string(w->response, text);
    }
}

void json_number(struct writer *w, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    begin(w, key);
    append(w, text);
}

void json_flag(struct writer *w, const char *key, bool value)
{
    begin(w, key);
    append(w, value ? "true" : "false");
}

void json_null(struct writer *w, const char *key)
{
    begin(w, key);
    append(w, "null");
}

void json_hex(struct writer *w, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "\"0x%" PRIx64 "\"", value);
    begin(w, key);
    append(w, text);
}

void json_bytes(struct writer *w, const char *key, const char *data, size_t bytes)
{
    static char text[WRITER_TEXT_BYTES + 1];
    bytes = bytes < WRITER_TEXT_BYTES ? bytes : WRITER_TEXT_BYTES;
    for (size_t i = 0; i < bytes; i++) {
        text[i] = data[i] != 0 ? data[i] : (char)NO_UTF8;
    }
    text[bytes] = 0;
    begin(w, key);
    http_append_json_string(w->response, text);
}

void json_base64(struct writer *w, const char *key, const char *data, size_t bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    begin(w, key);
    append(w, "\"");
    for (size_t at = 0; at < bytes; at += 3) {
        size_t left = bytes - at;
        uint32_t group = (uint32_t)(uint8_t)data[at] << 16;
        group |= left > 1 ? (uint32_t)(uint8_t)data[at + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)(uint8_t)data[at + 2] : 0;
        char text[5] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=', left > 2 ? digits[group & 63] : '=', 0};
        append(w, text);
    }
    append(w, "\"");
}
