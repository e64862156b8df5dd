/* SPDX-License-Identifier: MIT */
/* From a request to its handler: who may, what there is, how it may be asked for. */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

#include "api/call.h"

#define TELL_MS 60000u

struct route {
    enum http_method method;
    const char *pattern; /* "{name}" and "{action}" stand for one segment */
    call_handler *handler;
};

static const struct route routes[] = {
    {HTTP_GET, "/", api_root},
    {HTTP_GET, "/api/v1/system", api_system},
    {HTTP_GET, "/api/v1/partitions", api_partitions},
    {HTTP_GET, "/api/v1/partitions/{name}", api_partition},
    {HTTP_GET, "/api/v1/partitions/{name}/console", api_console},
    {HTTP_POST, "/api/v1/partitions/{name}/actions/{action}", api_partition_action},
    {HTTP_GET, "/api/v1/hardware", api_hardware},
    {HTTP_GET, "/api/v1/log", api_log},
    {HTTP_POST, "/api/v1/actions/{action}", api_box_action},
};

/* ---- patterns
 * ------------------------------------------------------------------------------------------------------ */

static bool segment_take(const char **path, char to[CALL_NAME_BYTES])
{
    size_t length = strcspn(*path, "/");
    if (length == 0 || length >= CALL_NAME_BYTES) {
        return false;
    }
    memcpy(to, *path, length);
    to[length] = 0;
    *path += length;
    return true;
}

static bool pattern_fits(const char *pattern, const char *path, struct call *call)
{
    while (*pattern != 0) {
        if (*pattern == '{') {
            bool is_name = strncmp(pattern, "{name}", 6) == 0;
            if (!segment_take(&path, is_name ? call->name : call->action)) {
                return false;
            }
            pattern += strcspn(pattern, "}") + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == 0;
}

/* ---- who may
 * ------------------------------------------------------------------------------------------------------- */

/* Looks at every byte of the token whatever was given, so the time tells nothing about it. */
static bool token_is_right(const char *token, const char *given)
{
    size_t length = strlen(token);
    size_t given_length = strlen(given);
    unsigned differs = length == 0 || length != given_length ? 1 : 0;
    for (size_t i = 0; i < length; i++) {
        volatile unsigned char other = (unsigned char)given[i < given_length ? i : 0];
        differs |= (unsigned char)token[i] ^ other;
    }
    return differs == 0;
}

/* At most one line in a while: anybody on the wire can cause them. */
static void wrong_token_tell(struct machine *machine)
{
    uint64_t now = machine_ms(machine);
    machine->wrong_tokens++;
    if (machine->wrong_tokens_told_ms != 0 && now - machine->wrong_tokens_told_ms < TELL_MS) {
        return;
    }
    machine_announce(machine, "https: wrong token shown, times since the last such line: %llu",
                     (unsigned long long)machine->wrong_tokens);
    machine->wrong_tokens = 0;
    machine->wrong_tokens_told_ms = now > 0 ? now : 1;
}

static enum http_outcome refuse(struct call *call)
{
    if (call->request->bearer[0] != 0) {
        wrong_token_tell(call->machine);
    }
    http_error(call->response, 401, "unauthorized",
               "send the header `Authorization: Bearer TOKEN`; the box shows the token on its local console, "
               "command "
               "`status`",
               "%s",
               call->request->bearer[0] == 0 ? "this needs the administrator's token" : "the token is wrong");
    return HTTP_DONE;
}

/* ---- answers
 * ------------------------------------------------------------------------------------------------------- */

void call_begin(struct call *call, unsigned status)
{
    call->response->status = status;
    call->response->content_type = "application/json";
    call->json = (struct writer){.response = call->response};
    json_object(&call->json, NULL);
}

enum http_outcome call_end(struct call *call)
{
    json_object_end(&call->json);
    http_append(call->response, "\n", 1);
    return HTTP_DONE;
}

static enum http_outcome wrong_method(struct call *call, const struct route *route)
{
    const char *allowed = route->method == HTTP_GET ? "GET, HEAD" : "POST";
    http_error(call->response, 405, "method-not-allowed", "use a method that the header `Allow` names",
               "%s takes %s only", call->request->path, allowed);
    snprintf(call->response->allow, sizeof(call->response->allow), "%s", allowed);
    return HTTP_DONE;
}

static enum http_outcome route_find(struct call *call)
{
    enum http_method method = call->request->method == HTTP_HEAD ? HTTP_GET : call->request->method;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (pattern_fits(routes[i].pattern, call->request->path, call)) {
            return method == routes[i].method ? routes[i].handler(call) : wrong_method(call, &routes[i]);
        }
    }
    http_error(call->response, 404, "not-found", "see docs/api.md for what there is; begin at /api/v1/system",
               "there is nothing at %.200s", call->request->path);
    return HTTP_DONE;
}

enum http_outcome api_handle(void *machine, const struct http_request *request,
                             struct http_response *response)
{
    struct call call = {.machine = machine, .request = request, .response = response};
    bool open = strcmp(request->path, "/") == 0 && request->bearer[0] == 0;
    if (!open && !token_is_right(call.machine->token, request->bearer)) {
        return refuse(&call);
    }
    return route_find(&call);
}

enum http_outcome api_root(struct call *call)
{
    static const char text[] =
        "Mullion " MULLION_VERSION "\n\n"
        "This box is divided into partitions. Its API is at /api/v1/system and below and wants\n"
        "the header `Authorization: Bearer TOKEN`; the token stands on the box's local console.\n";
    call->response->status = 200;
    call->response->content_type = "text/plain; charset=utf-8";
    http_append(call->response, text, sizeof(text) - 1);
    return HTTP_DONE;
}
