/* SPDX-License-Identifier: MIT */
/*
 * What the format has room for and this version does not carry out: accepted by the schema, refused by name.
 * One table; who builds one of these features removes its row and gives the field its version in the schema.
 */
#ifndef MODEL_MANIFEST_LATER_H
#define MODEL_MANIFEST_LATER_H

#include "model/schema.h"

/**
 * @param word one choice of the field, "{}" for its form as an object, NULL for the field altogether
 * @return what this version does not do yet, for example "share a CPU by time slots"; NULL if it does
 */
const char *manifest_later(const struct schema_object *object, const char *field, const char *word);

/** Complains about everything in the document that this version does not carry out. */
void manifest_later_check(struct json *json, const struct json_node *root,
                          const struct schema_object *object);

#endif
