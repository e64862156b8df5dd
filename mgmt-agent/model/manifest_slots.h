/* SPDX-License-Identifier: MIT */
/* Partitions that share a CPU by time slots: whether their schedules fit together. */
#ifndef MODEL_MANIFEST_SLOTS_H
#define MODEL_MANIFEST_SLOTS_H

#include "model/json.h"

/** Complains about partitions of this list that share a CPU with different frames or in the same slots. */
void manifest_slots_check(struct json *json, const struct json_node *partitions);

#endif
