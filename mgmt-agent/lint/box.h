/* SPDX-License-Identifier: MIT */
/* A file that describes a box, so that a manifest can be checked against it without the box. */
#ifndef LINT_BOX_H
#define LINT_BOX_H

#include "model/json.h"
#include "model/manifest_facts.h"
#include "model/manifest_select.h"
#include "model/schema.h"

extern const struct schema_object schema_box;

/** Takes a document `kind: Box`. @return whether it has no error; `json` must outlive the facts */
bool box_take(struct facts *facts, struct manifest_self *self, struct json *json,
              const struct json_node *root);

#endif
