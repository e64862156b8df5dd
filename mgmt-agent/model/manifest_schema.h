/* SPDX-License-Identifier: MIT */
/* The tables of all that a manifest and a site configuration may hold; see schema.h. */
#ifndef MODEL_MANIFEST_SCHEMA_H
#define MODEL_MANIFEST_SCHEMA_H

#include "model/schema.h"

#define MANIFEST_VERSION "mullion/v1"
#define MANIFEST_UPLINK  "uplink" /* the network that is always there */

/* The documents, by their `kind`. */
extern const struct schema_object schema_machine, schema_site;

/* Parts of theirs. */
extern const struct schema_object schema_partition, schema_boot, schema_time_slots, schema_slot, schema_nic,
    schema_link, schema_network, schema_image, schema_watchdog, schema_console, schema_disk, schema_device,
    schema_selection, schema_match, schema_identity, schema_management, schema_admin;

extern const struct schema_word schema_versions[];

#endif
