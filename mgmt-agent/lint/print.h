/* SPDX-License-Identifier: MIT */
/* What is written from the schema's tables: the JSON Schema, and the reference part of docs/manifest.md. */
#ifndef LINT_PRINT_H
#define LINT_PRINT_H

#include "model/schema.h"

#define PRINT_MAX_OBJECTS 48u

/** The objects that documents consist of, each once, from the outside in. */
struct print_objects {
    unsigned count;
    const struct schema_object *list[PRINT_MAX_OBJECTS];
};

/** Adds an object and all that its fields lead to. */
void print_collect(struct print_objects *objects, const struct schema_object *object);

/** Writes the JSON Schema (2020-12) of manifests and site configurations. */
void print_schema(void);

/** Writes a table of fields for each object, in Markdown. */
void print_reference(void);

#endif
