/* SPDX-License-Identifier: MIT */
/* The REST API (docs/api.md): what the HTTP server calls for each request. */
#ifndef API_API_H
#define API_API_H

#include "http/http.h"

/** An http_handler; `machine` is a struct machine. */
enum http_outcome api_handle(void *machine, const struct http_request *request,
                             struct http_response *response);

#endif
