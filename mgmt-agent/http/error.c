/* SPDX-License-Identifier: MIT */
#include "http/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES 512u
#define REPLACEMENT   "\xef\xbf\xbd"

static void append_text(struct http_response *response, const char *text)
{
    http_append(response, text, strlen(text));
}

/* Length of the UTF-8 sequence at `at` (RFC 3629), 0 if it is none; the zero at the end stops every look
 * ahead. */
static size_t sequence_bytes(const unsigned char *at)
{
    size_t bytes = at[0] < 0x80                    ? 1
                   : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                   : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                   : at[0] >= 0xf0 && at[0] < 0xf5 ? 4
                                                   : 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool outside = (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf4 && at[1] >= 0x90);
    return overlong || outside ? 0 : bytes;
}

/* @return bytes of the text that were dealt with */
static size_t append_character(struct http_response *response, const unsigned char *at)
{
    char escape[8];
    size_t bytes = sequence_bytes(at);
    if (bytes == 0) {
        append_text(response, REPLACEMENT);
        return 1;
    }
    if (*at == '"' || *at == '\\') {
        snprintf(escape, sizeof(escape), "\\%c", *at);
    } else if (*at < 0x20 || *at == 0x7f) {
        snprintf(escape, sizeof(escape), "\\u%04x", *at);
    } else {
        http_append(response, at, bytes);
        return bytes;
    }
    append_text(response, escape);
    return bytes;
}

void http_append_json_string(struct http_response *response, const char *text)
{
    http_append(response, "\"", 1);
    for (const unsigned char *at = (const unsigned char *)text; *at != 0;) {
        at += append_character(response, at);
    }
    http_append(response, "\"", 1);
}

void http_error(struct http_response *response, unsigned status, const char *code, const char *remedy,
                const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    response->status = status;
    response->content_type = "application/json";
    response->body_bytes = 0;
    response->overflow = false;
    append_text(response, "{\"code\":");
    http_append_json_string(response, code);
    append_text(response, ",\"message\":");
    http_append_json_string(response, message);
    append_text(response, ",\"remedy\":");
    http_append_json_string(response, remedy);
    append_text(response, "}\n");
}
