/* SPDX-License-Identifier: MIT */
/* What manifest and site configuration have in common: their first two fields. */
#ifndef MODEL_DOCUMENT_H
#define MODEL_DOCUMENT_H

#include "model/schema.h"

#define DOCUMENT_VERSION "mullion/v1"

/** A document while it is read; `into` of every reader of its fields. */
struct document {
    bool head_ok; /* apiVersion and kind are what this agent knows */
    void *target;
};

void document_read_version(const struct json *json, const struct json_node *value, void *into);
void document_read_kind_machine(const struct json *json, const struct json_node *value, void *into);
void document_read_kind_site(const struct json *json, const struct json_node *value, void *into);

#endif
