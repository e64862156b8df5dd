/* SPDX-License-Identifier: MIT */
#include "model/json_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_text(const char *text, json_sink *put, void *to)
{
    put(to, text, strlen(text));
}

static void put_string(const char *string, json_sink *put, void *to)
{
    put(to, "\"", 1);
    for (; *string != 0; string++) {
        unsigned char c = (unsigned char)*string;
        char escape[8];
        if (c >= ' ' && c != '"' && c != '\\') {
            put(to, string, 1);
            continue;
        }
        snprintf(escape, sizeof(escape), c < ' ' ? "\\u%04x" : "\\%c", c);
        put_text(escape, put, to);
    }
    put(to, "\"", 1);
}

static void put_children(const struct json_node *node, char open, char close, json_sink *put, void *to)
{
    put(to, &open, 1);
    for (const struct json_node *at = node->child; at != NULL; at = at->next) {
        if (at->key != NULL) {
            put_string(at->key, put, to);
            put(to, ":", 1);
        }
        json_write(at, put, to);
        if (at->next != NULL) {
            put(to, ",", 1);
        }
    }
    put(to, &close, 1);
}

static void put_integer(int64_t value, json_sink *put, void *to)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put_text(text, put, to);
}

void json_write(const struct json_node *node, json_sink *put, void *to)
{
    switch (node->type) {
    case JSON_BOOLEAN:
        put_text(node->boolean ? "true" : "false", put, to);
        break;
    case JSON_NUMBER:
        put_integer(node->integer, put, to);
        break;
    case JSON_STRING:
        put_string(node->string, put, to);
        break;
    case JSON_ARRAY:
        put_children(node, '[', ']', put, to);
        break;
    case JSON_OBJECT:
        put_children(node, '{', '}', put, to);
        break;
    default:
        put_text("null", put, to);
    }
}

static bool elements_equal(const struct json_node *a, const struct json_node *b)
{
    const struct json_node *other = b->child;
    for (const struct json_node *at = a->child; at != NULL; at = at->next, other = other->next) {
        if (!json_equals(at, other)) {
            return false;
        }
    }
    return true;
}

static bool members_equal(const struct json_node *a, const struct json_node *b)
{
    for (const struct json_node *at = a->child; at != NULL; at = at->next) {
        const struct json_node *other = json_member(b, at->key);
        if (other == NULL || !json_equals(at, other)) {
            return false;
        }
    }
    return true;
}

bool json_equals(const struct json_node *a, const struct json_node *b)
{
    if (a->type != b->type || a->child_count != b->child_count) {
        return false;
    }
    switch (a->type) {
    case JSON_BOOLEAN:
        return a->boolean == b->boolean;
    case JSON_NUMBER:
        return a->integer == b->integer;
    case JSON_STRING:
        return strcmp(a->string, b->string) == 0;
    case JSON_ARRAY:
        return elements_equal(a, b);
    case JSON_OBJECT:
        return members_equal(a, b);
    default:
        return true;
    }
}
