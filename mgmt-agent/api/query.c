/* SPDX-License-Identifier: MIT */
/* Parameters of a request: the query, and the partition that the path names. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"

#define VALUE_BYTES 32u

struct partition *call_partition(struct call *call)
{
    struct partition *p = machine_look(call->machine, call->name);
    if (p == NULL) {
        http_error(call->response, 404, "no-such-partition", "see /api/v1/partitions for the names",
                   "there is no partition \"%s\"", call->name);
    }
    return p;
}

/* The parameter that begins here: where its value is, and its length. */
static const char *value_of(const char *parameter, size_t bytes, size_t *value_bytes)
{
    const char *equals = memchr(parameter, '=', bytes);
    *value_bytes = equals != NULL ? bytes - (size_t)(equals - parameter) - 1 : 0;
    return equals != NULL ? equals + 1 : parameter + bytes;
}

static bool is_named(const char *parameter, size_t bytes, const char *name)
{
    size_t length = strlen(name);
    return bytes >= length && memcmp(parameter, name, length) == 0 &&
           (bytes == length || parameter[length] == '=');
}

static bool is_known(const char *parameter, size_t bytes, const char *const *known)
{
    for (; *known != NULL; known++) {
        if (is_named(parameter, bytes, *known)) {
            return true;
        }
    }
    return false;
}

bool call_query_check(struct call *call, const char *const *known)
{
    for (const char *at = call->request->query; *at != 0;) {
        size_t bytes = strcspn(at, "&");
        if (bytes > 0 && !is_known(at, bytes, known)) {
            http_error(call->response, 400, "unknown-parameter",
                       "see docs/api.md for the parameters of this path", "%s has no parameter \"%.*s\"",
                       call->request->path, (int)(bytes < VALUE_BYTES ? bytes : VALUE_BYTES), at);
            return false;
        }
        at += bytes + (at[bytes] == '&' ? 1 : 0);
    }
    return true;
}

bool call_query_text(const struct call *call, const char *name, char *text, size_t size)
{
    for (const char *at = call->request->query; *at != 0;) {
        size_t bytes = strcspn(at, "&");
        if (is_named(at, bytes, name)) {
            size_t length;
            const char *value = value_of(at, bytes, &length);
            snprintf(text, size, "%.*s", (int)(length < size ? length : size), value);
            return true;
        }
        at += bytes + (at[bytes] == '&' ? 1 : 0);
    }
    return false;
}

static bool number_read(const char *text, uint64_t limit, uint64_t *value)
{
    *value = 0;
    for (const char *at = text; *at != 0; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*at < '0' || *at > '9' || digit > limit || *value > (limit - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    return text[0] != 0;
}

bool call_query_number(struct call *call, const char *name, uint64_t otherwise, uint64_t limit,
                       uint64_t *value)
{
    char text[VALUE_BYTES];
    *value = otherwise;
    if (!call_query_text(call, name, text, sizeof(text)) || number_read(text, limit, value)) {
        return true;
    }
    http_error(call->response, 400, "bad-parameter", "give a decimal number without sign",
               "\"%s\" is no value for the parameter \"%s\"; wanted a number from 0 to %" PRIu64, text, name,
               limit);
    return false;
}
