/* SPDX-License-Identifier: MIT */
/* In which order partitions are started. */
#include "model/manifest_schema.h"
#include "model/plan_internal.h"

static int64_t number_of(const struct json_node *partition)
{
    return schema_number(&schema_partition, partition, "startOrder");
}

/* Whether all for whom it waits have been started. */
static bool is_ready(const struct json_node *root, const struct json_node *partition, uint64_t started)
{
    const struct json_node *after = json_member(partition, "after");
    for (const struct json_node *at = after != NULL ? after->child : NULL; at != NULL; at = at->next) {
        const struct json_node *other = plan_partition(root, at->string);
        if (other != NULL && (started >> other->index & 1) == 0) {
            return false;
        }
    }
    return true;
}

static const struct json_node *next_to_start(const struct json_node *root, uint64_t started)
{
    const struct json_node *best = NULL;
    const struct json_node *list = plan_list(root, "partitions");
    for (const struct json_node *at = list->child; at != NULL; at = at->next) {
        bool is_better = best == NULL || number_of(at) < number_of(best);
        if ((started >> at->index & 1) == 0 && is_better && is_ready(root, at, started)) {
            best = at;
        }
    }
    return best;
}

unsigned plan_start_order(const struct json_node *root, unsigned order[MANIFEST_MAX_PARTITIONS])
{
    uint64_t started = 0;
    unsigned count = 0;
    for (const struct json_node *at = next_to_start(root, started); at != NULL;
         at = next_to_start(root, started)) {
        started |= UINT64_C(1) << at->index;
        order[count++] = at->index;
    }
    return count;
}
