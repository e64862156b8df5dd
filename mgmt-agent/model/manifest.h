/* SPDX-License-Identifier: MIT */
/* The manifest (docs/manifest.md): which partitions this machine is divided into. */
#ifndef MODEL_MANIFEST_H
#define MODEL_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "model/address.h"
#include "model/manifest_select.h"
#include "model/schema.h"
#include "mullion/abi.h"

#define MANIFEST_MAX_PARTITIONS (MULLION_MAX_PARTITIONS - 1) /* identifier 0 is the agent */
#define MANIFEST_IMAGE_BYTES    64u
#define MANIFEST_CMDLINE_BYTES  2048u              /* what Linux on x86 reads */
#define MANIFEST_MEMORY_UNIT    UINT64_C(0x200000) /* MULLION_FRAME_BYTES */

#define MANIFEST_MAX_NICS     8u   /* of one partition */
#define MANIFEST_MAX_JACKS    32u  /* network ports of all partitions on the uplink */
#define MANIFEST_MAX_MACHINES 256u /* of a rack, in one file */
#define MANIFEST_MAX_LINKS    64u
#define MANIFEST_MAX_ENDS     16u /* of links at one partition */

#define MANIFEST_MEMORY_MIN UINT64_C(0x1000000) /* 16 MiB: nothing that the loader knows starts with less */

/** What to do when a partition has ended by itself. */
enum manifest_policy {
    POLICY_STOP = 0,
    POLICY_RESTART = 1,
};

/** A network port of a partition on the bridge to the outside. */
struct nic_spec {
    const struct json_node *node;
    bool has_mac; /* else it is derived */
    uint8_t mac[ADDRESS_MAC_BYTES];
};

/** A direct link between two partitions. */
struct link_spec {
    enum mullion_port_kind kind;
    unsigned ends[2]; /* indices of partitions; unlike */
};

/** What the manifest says about one partition. */
struct partition_spec {
    char name[MULLION_NAME_BYTES];
    bool cpus_listed; /* `cpus` names CPUs; else only cpu_count is given */
    bool has_slots;   /* the one CPU is shared by time slots */
    uint32_t cpu_count;
    uint32_t cpus[MULLION_MAX_VCPUS];
    uint64_t memory_bytes;
    char kernel[MANIFEST_IMAGE_BYTES];
    char initramfs[MANIFEST_IMAGE_BYTES]; /* empty: none */
    char cmdline[MANIFEST_CMDLINE_BYTES];
    bool share_cores, any_node;
    bool autostart;
    enum manifest_policy on_reboot, on_crash;
    uint32_t nic_count;
    struct nic_spec nics[MANIFEST_MAX_NICS];
    bool valid;                   /* no error was found; a partition that is not valid is never created */
    const struct json_node *node; /* where it stands, for later complaints */
};

struct manifest {
    bool usable;                  /* false: nothing of it can be carried out */
    const struct json_node *root; /* NULL: a syntax error */
    unsigned count;
    struct partition_spec partitions[MANIFEST_MAX_PARTITIONS];
    unsigned link_count;
    struct link_spec links[MANIFEST_MAX_LINKS]; /* those without error */
};

/**
 * Reads a manifest: syntax, schema (manifest_schema.h) and references. Every error is a problem of `json`; a
 * partition with an error is listed but not `valid`, the others are not affected. `json` must outlive the
 * manifest.
 */
void manifest_read(struct manifest *manifest, struct json *json, const char *text, size_t bytes,
                   struct problem_list *problems);

/** Checks the first two fields of a document, which say what the others mean. @return whether they fit */
bool manifest_head_check(struct json *json, const struct json_node *root, const struct schema_object *object);

/** As manifest_read, from a document that has been parsed (NULL: it could not be), and of `machines` what is
 * for this box; self NULL: none of them. */
void manifest_take(struct manifest *manifest, struct json *json, const struct json_node *root,
                   const struct manifest_self *self);

#endif
