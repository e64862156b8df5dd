/* SPDX-License-Identifier: MIT */
/* The manifest against the box: does it have what each partition asks for, and does nobody ask twice? */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "model/box.h"
#include "model/manifest.h"

/**
 * Checks every valid partition of the manifest and fills in the CPUs of those that gave only a count (lowest
 * first, after all CPUs that are named somewhere). What the box does not have, or an earlier partition has
 * claimed, is a problem with its place in the manifest, and the partition becomes not `valid`.
 */
void plan_check(struct manifest *manifest, struct json *json, const struct box *box);

#endif
