/* SPDX-License-Identifier: MIT */
/*
 * A strict JSON reader (RFC 8259) that keeps the place of every value, so that a complaint about a value can
 * say where it stands. It refuses what common libraries let pass or cannot locate: a duplicate key, bytes
 * that are not UTF-8, a byte-order mark, text after the value, nesting deeper than JSON_MAX_DEPTH.
 *
 * No memory is allocated: the caller provides the document, which must stay as long as the nodes are used.
 */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/problem.h"

#define JSON_MAX_BYTES 262144u /* length of a text */
#define JSON_MAX_DEPTH 16u
#define JSON_MAX_NODES 16384u

enum json_type {
    JSON_NULL,
    JSON_BOOLEAN,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_TYPE_COUNT,
};

/** One value. Children are linked in the order of the text. */
struct json_node {
    enum json_type type;
    uint32_t offset;     /* of the value's first byte in the text */
    uint32_t key_offset; /* of the key's first quote; of the value in an array */
    bool faulty;         /* something was complained about in it or below it */
    bool boolean;        /* JSON_BOOLEAN */
    bool is_integer;     /* JSON_NUMBER: `integer` holds the value exactly */
    int64_t integer;
    const char *key;                      /* decoded, NULL outside objects */
    const struct json_node *duplicate_of; /* the first member with this key, NULL if this is the first */
    const char *string;                   /* JSON_STRING: decoded, zero-terminated, without embedded zero */
    uint32_t index;                       /* position in the parent */
    uint32_t child_count;
    const struct json_node *parent, *child, *next;
};

/** A parsed text. */
struct json {
    const char *file; /* its name in complaints */
    const char *text;
    uint32_t bytes;
    struct problem_list *problems;
    uint32_t node_count;
    uint32_t string_used;
    struct json_node nodes[JSON_MAX_NODES];
    char strings[JSON_MAX_BYTES + JSON_MAX_NODES];
};

/**
 * Parses `text`. A syntax error adds one problem. A duplicate key is only marked: json_complain_duplicate.
 * @param file the name to print, for example "manifest"
 * @return the root value, or NULL if there is a syntax error (then a problem was added)
 */
const struct json_node *json_parse(struct json *json, const char *file, const char *text, size_t bytes,
                                   struct problem_list *problems);

/* ---- for readers of other notations: they fill the same document
 * -------------------------------------------
 */

/** Begins a document. @return whether the text is short enough; else a problem was added */
bool json_begin(struct json *json, const char *file, const char *text, size_t bytes,
                struct problem_list *problems);

/** @return a new value that begins at this place of the text; NULL if there are too many */
struct json_node *json_node_add(struct json *json, const struct json_node *parent, uint32_t offset);

/** Keeps a text in the document. @return it, or NULL if there is no room */
const char *json_string_add(struct json *json, const char *text, size_t bytes);

/** Leaves `count` elements of a list: who walks it later finds none that nobody has checked. */
void json_list_cut(struct json *json, const struct json_node *list, uint32_t count);

/** Takes note of a member's key, which the document must hold. */
void json_key_set(struct json_node *node, const char *key);

/** Adds the problem "FILE:LINE:COLUMN: /json/pointer: text" about a place in the text; node NULL: "/". */
__attribute__((format(printf, 4, 0))) void json_complain_at(struct json *json, uint32_t offset,
                                                            const struct json_node *node, const char *format,
                                                            va_list arguments);

/* ---- complaints and members -------------------------------------------------------------------------------
 */

/** Adds the problem "FILE:LINE:COLUMN: /json/pointer: text" about a value: it and all around it are `faulty`
 * now. */
__attribute__((format(printf, 3, 4))) void json_complain(struct json *json, const struct json_node *node,
                                                         const char *format, ...);

/** As json_complain, but with the place of the value's key. */
__attribute__((format(printf, 3, 4))) void json_complain_key(struct json *json, const struct json_node *node,
                                                             const char *format, ...);

/** Complains about a member that has `duplicate_of`. */
void json_complain_duplicate(struct json *json, const struct json_node *node);

/** Where a thing stands; columns count characters from 1. */
struct json_place {
    unsigned line, column;
};

struct json_place json_place(const struct json *json, uint32_t offset);

#define JSON_POINTER_BYTES 128u

/** @return the value's JSON pointer (RFC 6901), "/" for the root; of one that is too long the end, behind
 * "..." */
const char *json_pointer(const struct json_node *node, char buffer[JSON_POINTER_BYTES]);

/** @return the member of an object, or NULL; of several with this key the first */
const struct json_node *json_member(const struct json_node *object, const char *key);

/** @return the element of an array at this place, or NULL */
const struct json_node *json_element(const struct json_node *array, uint32_t index);

/** @return "an object", "a string" ... */
const char *json_type_name(enum json_type type);

#endif
