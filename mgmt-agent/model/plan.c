/* SPDX-License-Identifier: MIT */
#include "model/plan.h"

#include <inttypes.h>
#include <string.h>

#define MIB(bytes) ((bytes) >> 20)

/* Who has claimed which CPU so far. */
struct claims {
    const struct partition_spec *owner[BOX_MAX_CPUS];
    bool named[BOX_MAX_CPUS]; /* some manifest list names it: not for counts */
};

/* The node of the CPU list's entry for this vCPU. */
static const struct json_node *cpu_node(const struct partition_spec *spec, unsigned index)
{
    const struct json_node *node = json_member(spec->node, "cpus")->child;
    for (; index > 0; index--) {
        node = node->next;
    }
    return node;
}

static void cpu_claim(struct partition_spec *spec, unsigned index, struct claims *claims, struct json *json,
                      const struct box *box)
{
    uint32_t cpu = spec->cpus[index];
    const struct json_node *node = cpu_node(spec, index);
    if (box->cpu_count == 1) {
        json_complain(json, node,
                      "this box has one CPU, which is the agent's; partitions need a box with more");
        spec->valid = false;
    } else if (cpu >= box->cpu_count) {
        json_complain(json, node,
                      "CPU %" PRIu32 " does not exist; this box has the CPUs 0 to %u; name one of 1 to %u",
                      cpu, box->cpu_count - 1, box->cpu_count - 1);
        spec->valid = false;
    } else if (box->cpus[cpu].state == MULLION_CPU_NOT_STARTED) {
        json_complain(
            json, node,
            "CPU %" PRIu32
            " did not start when the box booted; name another CPU, or check it in the firmware setup",
            cpu);
        spec->valid = false;
    } else if (claims->owner[cpu] != NULL) {
        json_complain(json, node,
                      "CPU %" PRIu32
                      " is claimed by partition \"%s\" already; a CPU belongs to one partition; name another",
                      cpu, claims->owner[cpu]->name);
        spec->valid = false;
    }
}

/* Checks all CPUs of a list before it claims any. */
static void list_claim(struct partition_spec *spec, struct claims *claims, struct json *json,
                       const struct box *box)
{
    for (unsigned i = 0; i < spec->cpu_count; i++) {
        cpu_claim(spec, i, claims, json, box);
    }
    for (unsigned i = 0; spec->valid && i < spec->cpu_count; i++) {
        claims->owner[spec->cpus[i]] = spec;
    }
}

static bool cpu_usable(const struct box *box, const struct claims *claims, unsigned cpu)
{
    return box->cpus[cpu].state != MULLION_CPU_NOT_STARTED && claims->owner[cpu] == NULL &&
           !claims->named[cpu];
}

static void count_claim(struct partition_spec *spec, struct claims *claims, struct json *json,
                        const struct box *box)
{
    unsigned found = 0;
    for (unsigned cpu = 1; cpu < box->cpu_count && found < spec->cpu_count; cpu++) {
        if (cpu_usable(box, claims, cpu)) {
            spec->cpus[found++] = cpu;
        }
    }
    if (found < spec->cpu_count) {
        json_complain(json, json_member(spec->node, "cpus"),
                      "%" PRIu32
                      " CPUs wanted, %u left (CPU 0 is the agent's); give this partition or another fewer",
                      spec->cpu_count, found);
        spec->valid = false;
        return;
    }
    for (unsigned i = 0; i < found; i++) {
        claims->owner[spec->cpus[i]] = spec;
    }
}

static void names_note(const struct manifest *manifest, struct claims *claims)
{
    for (unsigned i = 0; i < manifest->count; i++) {
        const struct partition_spec *spec = &manifest->partitions[i];
        for (unsigned k = 0; spec->cpus_listed && k < spec->cpu_count; k++) {
            if (spec->cpus[k] < BOX_MAX_CPUS) {
                claims->named[spec->cpus[k]] = true;
            }
        }
    }
}

static void cpus_check(struct manifest *manifest, struct json *json, const struct box *box)
{
    struct claims claims = {{NULL}, {false}};
    names_note(manifest, &claims);
    for (unsigned i = 0; i < manifest->count; i++) {
        if (manifest->partitions[i].valid && manifest->partitions[i].cpus_listed) {
            list_claim(&manifest->partitions[i], &claims, json, box);
        }
    }
    for (unsigned i = 0; i < manifest->count; i++) {
        if (manifest->partitions[i].valid && !manifest->partitions[i].cpus_listed) {
            count_claim(&manifest->partitions[i], &claims, json, box);
        }
    }
}

static void memory_check(struct manifest *manifest, struct json *json, const struct box *box)
{
    uint64_t left = box_partition_memory(box);
    for (unsigned i = 0; i < manifest->count; i++) {
        struct partition_spec *spec = &manifest->partitions[i];
        if (!spec->valid) {
            continue;
        }
        if (spec->memory_bytes > left) {
            json_complain(json, json_member(spec->node, "memory"),
                          "%" PRIu64 " MiB wanted, %" PRIu64 " MiB left of the %" PRIu64
                          " MiB for partitions; give this partition or another less",
                          MIB(spec->memory_bytes), MIB(left), MIB(box_partition_memory(box)));
            spec->valid = false;
        } else {
            left -= spec->memory_bytes;
        }
    }
}

static void image_check(struct partition_spec *spec, const char *field, struct json *json,
                        const struct box *box)
{
    const struct json_node *boot = schema_get(spec->node, "boot");
    const struct json_node *name = boot != NULL ? schema_get(boot, field) : NULL;
    if (name == NULL || box_module(box, "image", name->string) != NULL) {
        return;
    }
    json_complain(json, name, "the boot medium holds no image \"%s\"; copy the file to images/%s on it",
                  name->string, name->string);
    spec->valid = false;
}

void plan_check(struct manifest *manifest, struct json *json, const struct box *box)
{
    for (unsigned i = 0; i < manifest->count; i++) {
        struct partition_spec *spec = &manifest->partitions[i];
        if (spec->node->type == JSON_OBJECT) {
            image_check(spec, "kernel", json, box);
            image_check(spec, "initramfs", json, box);
        }
    }
    cpus_check(manifest, json, box);
    memory_check(manifest, json, box);
}
