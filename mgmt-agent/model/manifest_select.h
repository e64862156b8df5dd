/* SPDX-License-Identifier: MIT */
/* One file for a rack: what of it is for this box. */
#ifndef MODEL_MANIFEST_SELECT_H
#define MODEL_MANIFEST_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/json.h"

#define SELECT_UUID_BYTES 16u

/** What a box knows of itself. */
struct manifest_self {
    bool has_uuid;
    uint8_t uuid[SELECT_UUID_BYTES];
};

/**
 * Puts the fields of the first of `machines` that fits this box in the place of the document's, and takes
 * `machines` out of it. The document has been checked by the schema.
 * @return false if an error, which has been told, leaves open which one fits
 */
bool manifest_select(struct json *json, const struct json_node *root, const struct manifest_self *self);

#endif
