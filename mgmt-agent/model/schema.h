/* SPDX-License-Identifier: MIT */
/* Objects read by a table of their fields: unknown, missing and mistyped fields are named with their place.
 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "model/json.h"

/** One field of an object. */
struct schema_field {
    const char *name;
    bool required;
    /** Reads the field's value into `into`; complains about what it does not like. */
    void (*read)(const struct json *json, const struct json_node *value, void *into);
    const char *wanted; /* for the complaint about a missing field: type and an example */
};

/**
 * Reads all members of `node` by `fields`. Each error is one problem; the others are still read.
 * @return true if the node was an object without any error
 */
bool schema_read(const struct json *json, const struct json_node *node, const struct schema_field *fields,
                 size_t field_count, void *into);

/** Complains unless the value has the type. @return whether it has */
bool schema_type(const struct json *json, const struct json_node *value, enum json_type type,
                 const char *wanted);

/** Copies a string value of 1..size-1 bytes without control characters; complains else. @return whether it
 * was copied */
bool schema_string(const struct json *json, const struct json_node *value, char *to, size_t size,
                   const char *wanted);

/** Index of a string value among `words` (NULL-terminated); complains and returns -1 if there is none. */
int schema_choice(const struct json *json, const struct json_node *value, const char *const *words);

#endif
