/* SPDX-License-Identifier: MIT */
/*
 * What a document may hold, as constant tables: each object's fields with type, range, default, example and
 * meaning. From one table come the check of a document (below), the JSON Schema and the reference in
 * docs/manifest.md (schema_print.h), and what a change of a field costs (plan.h). So they cannot disagree.
 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/json.h"

enum schema_kind {
    SCHEMA_BOOLEAN,
    SCHEMA_INTEGER, /* least..most */
    SCHEMA_TEXT,    /* least..most bytes, without control characters; `format` if it has one */
    SCHEMA_CHOICE,  /* one of `words` */
    SCHEMA_LIST,    /* least..most elements like `of` */
    SCHEMA_OBJECT,  /* `object` */
    SCHEMA_EITHER,  /* one of the `most` forms `of`; each has another JSON type */
    SCHEMA_KIND_COUNT,
};

/** What it costs to change a field of a running box. */
enum schema_effect {
    EFFECT_NONE, /* nothing: only what happens later follows it */
    EFFECT_LIVE, /* carried out while the partition runs */
    EFFECT_RESTART_PARTITION,
    EFFECT_RESTART_BOX,
    EFFECT_COUNT,
};

/** A form that texts have. */
struct schema_format {
    const char *noun;    /* "MAC address" */
    const char *pattern; /* schema_pattern.h */
    const char *wanted;  /* the pattern in words */
    const char *example; /* without quotes */
    /** What no pattern can say; complains about what it does not like. NULL: nothing */
    void (*check)(struct json *json, const struct json_node *value);
};

/** A word to choose. The list ends with a NULL word. */
struct schema_word {
    const char *word, *text;
};

struct schema_object;

struct schema_value {
    enum schema_kind kind;
    bool unique; /* SCHEMA_LIST: no element stands there twice */
    int64_t least, most;
    const char *hint; /* SCHEMA_INTEGER: why not another number; NULL: nothing to say */
    const struct schema_format *format;
    const struct schema_word *words;
    const struct schema_value *of;
    const struct schema_object *object;
};

struct schema_field {
    const char *name;
    bool required;
    struct schema_value value;
    const char *unit;      /* NULL: none */
    const char *otherwise; /* the default as JSON; NULL: there is none */
    const char *example;   /* as JSON */
    const char *text;      /* what it means, a sentence */
    const char *since;     /* version from which it is honoured; NULL: not yet, see manifest_later.h */
    enum schema_effect effect;
};

struct schema_object {
    const char *name; /* "Partition" */
    const char *text;
    const struct schema_field *fields;
    unsigned field_count;
    /** What fields mean together; called if each is right by itself. NULL: nothing */
    void (*check)(struct json *json, const struct json_node *object);
};

/** Checks a value and all below it; each error is a problem, and what has one is `faulty`. */
void schema_check(struct json *json, const struct json_node *node, const struct schema_object *object);

/** Checks a value that is no field of an object. */
void schema_check_value(struct json *json, const struct json_node *node, const struct schema_value *value);

/** @return the object's field with this name, or NULL */
const struct schema_field *schema_field(const struct schema_object *object, const char *name);

/** @return whether the object has only fields that it may have, each once; else what is meant is anybody's
 * guess */
bool schema_names_are_known(const struct schema_object *object, const struct json_node *node);

/** @return the form that a value of this type has, `value` itself unless it is SCHEMA_EITHER; NULL: none */
const struct schema_value *schema_form(const struct schema_value *value, enum json_type type);

/** Whether every value of this kind is written as this JSON type. */
bool schema_is_type(enum schema_kind kind, enum json_type type);

/** Writes what a value is to be: "a whole number from 1 to 16", "\"stop\" or \"restart\"" ... */
void schema_wanted(const struct schema_value *value, char *text, size_t size);

/** Calls `visit` for each field in the document that the table knows and that is not faulty, from above. It
 * returns whether to look below the field. */
typedef bool schema_visitor(struct json *json, const struct schema_object *object,
                            const struct schema_field *field, const struct json_node *value);
void schema_visit(struct json *json, const struct json_node *node, const struct schema_object *object,
                  schema_visitor *visit);

/* ---- reading: the member, or the field's default where it is missing or faulty ----------------------------
 */

/** @return the member of an object, NULL if it is missing or faulty */
const struct json_node *schema_get(const struct json_node *node, const char *name);

bool schema_flag(const struct schema_object *object, const struct json_node *node, const char *name);

int64_t schema_number(const struct schema_object *object, const struct json_node *node, const char *name);

/** @return the place of the chosen word in the field's list */
unsigned schema_choice(const struct schema_object *object, const struct json_node *node, const char *name);

/** Copies a text; empty if there is none. A default is not looked for: no text has one. */
void schema_text(const struct json_node *node, const char *name, char *to, size_t size);

#endif
