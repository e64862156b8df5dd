/* SPDX-License-Identifier: MIT */
/* The parts of the manifest that are about networks: `nics` of a partition, and `links`. */
#ifndef MODEL_MANIFEST_LINKS_H
#define MODEL_MANIFEST_LINKS_H

#include "model/manifest.h"

/** Reads `nics` of the partition `into` points at. */
void manifest_read_nics(const struct json *json, const struct json_node *value, void *into);

/** Reads `links` (NULL: there are none) when all partitions are known. */
void manifest_links_read(struct manifest *manifest, const struct json *json, const struct json_node *links);

/** Complains about MAC addresses that stand twice, and about more nics than the box has jacks for. */
void manifest_macs_check(struct manifest *manifest, const struct json *json);

#endif
