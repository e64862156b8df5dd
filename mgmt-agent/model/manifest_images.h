/* SPDX-License-Identifier: MIT */
/* The files that a manifest names, against those that the box has. */
#ifndef MODEL_MANIFEST_IMAGES_H
#define MODEL_MANIFEST_IMAGES_H

#include "model/manifest.h"
#include "model/manifest_facts.h"

/** Complains about images that the box does not have or that are not what `images` says, and about the
 * partitions that want them. */
void manifest_images_check(const struct manifest *manifest, struct json *json, const struct facts *facts);

#endif
