/* SPDX-License-Identifier: MIT */
/*
 * What has to be done to get from one manifest to another, before anything is done: ordered steps, each with
 * what it costs and why. Pure logic over two documents that were checked; it asks nobody and changes nothing.
 * What a change of a field costs stands in the schema's tables (`effect`).
 */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "model/manifest.h"
#include "model/manifest_layout.h"

#define PLAN_HASH_BYTES   32u
#define PLAN_NAME_BYTES   80u
#define PLAN_REASON_BYTES 200u
#define PLAN_MAX_STEPS    512u /* 3 per partition, 2 per link, a field of the document each */

/** In the order in which they are carried out. */
enum plan_action {
    PLAN_BOX,     /* a field of the document that is about the whole box has another value */
    PLAN_UNLINK,  /* a link goes */
    PLAN_STOP,    /* a partition that stays is to stand still from now on */
    PLAN_DESTROY, /* a partition goes, or goes to come back as another one */
    PLAN_CREATE,
    PLAN_CHANGE, /* a partition stays and has another value in some field */
    PLAN_LINK,   /* a link comes, or comes back with a partition that was created anew */
    PLAN_START,
    PLAN_ACTION_COUNT,
};

struct plan_step {
    enum plan_action action;
    enum schema_effect effect;
    /** The partition, link or field: of the new manifest; of the old one for PLAN_UNLINK, PLAN_DESTROY and a
     * PLAN_BOX whose field was removed. */
    const struct json_node *node;
    char name[PLAN_NAME_BYTES];
    char reason[PLAN_REASON_BYTES];
};

/** What there is now. */
struct plan_now {
    uint64_t generation;          /* of what is in force; 0: nothing yet */
    const struct json_node *root; /* its manifest, NULL: none */
    uint64_t running;             /* a bit per partition of it, by its place in the list: its guest runs */
};

struct plan {
    unsigned count;
    struct plan_step steps[PLAN_MAX_STEPS];
    enum schema_effect effect; /* the greatest of all steps */
    bool can_cut_off;          /* something about the box's own network changes: `try` it */
    uint8_t hash[PLAN_HASH_BYTES];
};

/** Makes the plan from what there is to `root`, a manifest without errors. */
void plan_make(struct plan *plan, const struct plan_now *now, const struct json_node *root);

/** What a change of this partition costs: the greatest effect among the fields that differ. EFFECT_NONE if
 * none does. */
enum schema_effect plan_effect(const struct json_node *before, const struct json_node *after);

/** Picks from a layout what must not move: the partitions that both manifests have and that stay. For
 * layout_make(). */
void plan_keep(struct layout *kept, const struct layout *layout, const struct json_node *before,
               const struct json_node *after);

/** SHA-256 over the number and the contents of what is in force, and of what is to come; the same for every
 * layout of the text. An apply that cites it is refused if anything has changed since. */
void plan_hash(const struct plan_now *now, const struct json_node *root, uint8_t hash[PLAN_HASH_BYTES]);

/** Sorts partitions by when they are started: whom they wait for first, then `startOrder`, then the file's
 * order. Those in a ring, which no valid manifest has, are left out. @return how many, as places in the list
 */
unsigned plan_start_order(const struct json_node *root, unsigned order[MANIFEST_MAX_PARTITIONS]);

/** @return "create", "start" ... */
const char *plan_action_name(enum plan_action action);

/** @return "none", "live", "restart-partition" or "restart-box" */
const char *plan_effect_name(enum schema_effect effect);

#endif
