/* SPDX-License-Identifier: MIT */
/* The body of every error answer: {"code", "message", "remedy"}. */
#ifndef HTTP_ERROR_H
#define HTTP_ERROR_H

#include "http/http.h"

/**
 * Makes the response an error, in place of what its body held.
 * @param code one word for programs, for example "not-found"
 * @param remedy what the caller can do about it
 * @param format what is wrong, naming the thing
 */
__attribute__((format(printf, 5, 6))) void http_error(struct http_response *response, unsigned status,
                                                      const char *code, const char *remedy,
                                                      const char *format, ...);

/** Appends `text` as a JSON string, quoted; bytes that are no UTF-8 become U+FFFD. */
void http_append_json_string(struct http_response *response, const char *text);

#endif
