/* SPDX-License-Identifier: MIT */
#include "model/manifest_box.h"

#include <string.h>

#include "model/manifest_layout.h"

static bool is_for_partitions(const struct mullion_memory_info *run)
{
    return run->owner == MULLION_OWNER_FREE || run->owner == MULLION_OWNER_DIRTY ||
           (run->owner == MULLION_OWNER_PARTITION && run->partition != MULLION_AGENT_ID);
}

void manifest_box_facts(const struct box *box, struct facts *facts)
{
    *facts = (struct facts){.cpu_count = box->cpu_count};
    for (unsigned i = 0; i < box->cpu_count; i++) {
        facts->cpus[i] = (struct facts_cpu){.usable = box->cpus[i].state != MULLION_CPU_NOT_STARTED,
                                            .core = FACTS_UNKNOWN,
                                            .node = FACTS_UNKNOWN};
    }
    for (unsigned i = 0; i < box->run_count; i++) {
        if (is_for_partitions(&box->runs[i])) {
            facts_add_memory(facts, box->runs[i].hpa, box->runs[i].bytes, FACTS_UNKNOWN);
        }
    }
    for (unsigned i = 0; i < box->module_count; i++) {
        const struct box_module *module = &box->modules[i];
        if (strcmp(module->kind, "image") == 0) {
            facts->images[facts->image_count++] =
                (struct facts_image){.name = module->name, .data = module->data, .bytes = module->bytes};
        }
    }
}

void manifest_box_check(struct manifest *manifest, struct json *json, const struct box *box)
{
    static struct facts facts;
    static struct layout layout;
    manifest_box_facts(box, &facts);
    layout_check(&layout, manifest, json, &facts);
}
