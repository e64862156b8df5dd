/* SPDX-License-Identifier: MIT */
/* A manifest against the box that the agent runs on. */
#ifndef MODEL_MANIFEST_BOX_H
#define MODEL_MANIFEST_BOX_H

#include "model/box.h"
#include "model/manifest.h"
#include "model/manifest_facts.h"

/** What the VMM has told about the box. Memory of partitions counts as theirs to have. */
void manifest_box_facts(const struct box *box, struct facts *facts);

/** Layer 4: what the box does not have, or an earlier partition has claimed, is a problem with its place, and
 * the partition becomes not `valid`. Fills in the CPUs of those that gave a count. */
void manifest_box_check(struct manifest *manifest, struct json *json, const struct box *box);

#endif
