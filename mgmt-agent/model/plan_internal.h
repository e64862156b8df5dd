/* SPDX-License-Identifier: MIT */
/* What the files of the plan share. */
#ifndef MODEL_PLAN_INTERNAL_H
#define MODEL_PLAN_INTERNAL_H

#include "model/plan.h"

/** @return the list with this name, NULL if there is none */
const struct json_node *plan_list(const struct json_node *root, const char *name);

/** @return the partition with this name, or NULL */
const struct json_node *plan_partition(const struct json_node *root, const char *name);

/** Whether a field means the same in both objects, with its default where it is missing. */
bool plan_is_same(const struct schema_field *field, const struct json_node *before,
                  const struct json_node *after);

/** Appends "FIELD: OLD -> NEW" to a reason. */
void plan_describe(const struct schema_field *field, const struct json_node *before,
                   const struct json_node *after, char reason[PLAN_REASON_BYTES]);

/** Adds the steps for links. */
void plan_links(struct plan *plan, const struct plan_now *now, const struct json_node *root);

/** @return a new step, or NULL if there are too many */
struct plan_step *plan_add(struct plan *plan, enum plan_action action, enum schema_effect effect,
                           const struct json_node *node, const char *name);

#endif
