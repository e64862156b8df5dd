/* SPDX-License-Identifier: MIT */
/* What one part of a manifest says about another: names that are taken or missing, orders that run in rings.
 */
#ifndef MODEL_MANIFEST_REFERENCES_H
#define MODEL_MANIFEST_REFERENCES_H

#include "model/json.h"

/** Checks the references among the partitions, networks, images and links of `body`: a document that the
 * schema has checked, or one of its selections, whose missing lists are those of `otherwise` (NULL: of none).
 */
void manifest_references_check(struct json *json, const struct json_node *body,
                               const struct json_node *otherwise);

#endif
