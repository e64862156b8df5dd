/* SPDX-License-Identifier: MIT */
#include "model/manifest_facts.h"

bool facts_add_memory(struct facts *facts, uint64_t hpa, uint64_t bytes, uint16_t node)
{
    struct mullion_memory_info *last = facts->run_count > 0 ? &facts->runs[facts->run_count - 1] : NULL;
    if (last != NULL && last->hpa + last->bytes == hpa && facts->nodes[facts->run_count - 1] == node) {
        last->bytes += bytes;
        return true;
    }
    if (facts->run_count == FACTS_MAX_RUNS) {
        return false;
    }
    facts->runs[facts->run_count] =
        (struct mullion_memory_info){.owner = MULLION_OWNER_FREE, .hpa = hpa, .bytes = bytes};
    facts->nodes[facts->run_count++] = node;
    return true;
}

uint64_t facts_memory(const struct facts *facts)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < facts->run_count; i++) {
        bytes += facts->runs[i].bytes;
    }
    return bytes;
}
