/* SPDX-License-Identifier: MIT */
/* The links of two manifests: which go, which come, which fall and rise with a partition. */
#include <stdio.h>
#include <string.h>

#include "model/plan_internal.h"

/* The two names in the order of the alphabet: it does not matter which end is which. */
struct ends {
    const char *kind, *first, *second;
};

static struct ends ends_of(const struct json_node *link)
{
    const struct json_node *between = json_member(link, "between");
    const char *a = between->child->string;
    const char *b = between->child->next->string;
    bool ascends = strcmp(a, b) < 0;
    return (struct ends){json_member(link, "kind")->string, ascends ? a : b, ascends ? b : a};
}

static bool is_same_link(const struct json_node *a, const struct json_node *b)
{
    struct ends one = ends_of(a);
    struct ends other = ends_of(b);
    return strcmp(one.kind, other.kind) == 0 && strcmp(one.first, other.first) == 0 &&
           strcmp(one.second, other.second) == 0;
}

/* How many links like this one stand in the list before it, or altogether if it is not in the list. */
static unsigned count_before(const struct json_node *list, const struct json_node *link)
{
    unsigned count = 0;
    for (const struct json_node *at = list != NULL ? list->child : NULL; at != NULL && at != link;
         at = at->next) {
        count += is_same_link(at, link) ? 1 : 0;
    }
    return count;
}

static void add(struct plan *plan, enum plan_action action, const struct json_node *link, const char *reason)
{
    char name[PLAN_NAME_BYTES];
    struct ends ends = ends_of(link);
    snprintf(name, sizeof(name), "%s %s - %s", ends.kind, ends.first, ends.second);
    struct plan_step *step = plan_add(plan, action, EFFECT_LIVE, link, name);
    if (step != NULL) {
        snprintf(step->reason, sizeof(step->reason), "%s", reason);
    }
}

/* Whether the partition is destroyed and created again. */
static bool comes_anew(const struct plan_now *now, const struct json_node *root, const char *name)
{
    const struct json_node *before = plan_partition(now->root, name);
    const struct json_node *after = plan_partition(root, name);
    return before == NULL || after == NULL || plan_effect(before, after) >= EFFECT_RESTART_PARTITION;
}

void plan_links(struct plan *plan, const struct plan_now *now, const struct json_node *root)
{
    const struct json_node *before = plan_list(now->root, "links");
    const struct json_node *after = plan_list(root, "links");
    for (const struct json_node *at = before != NULL ? before->child : NULL; at != NULL; at = at->next) {
        if (count_before(before, at) >= count_before(after, at)) {
            add(plan, PLAN_UNLINK, at, "the new manifest has it no more");
        }
    }
    for (const struct json_node *at = after != NULL ? after->child : NULL; at != NULL; at = at->next) {
        struct ends ends = ends_of(at);
        if (count_before(after, at) >= count_before(before, at)) {
            add(plan, PLAN_LINK, at, "it is new");
        } else if (comes_anew(now, root, ends.first) || comes_anew(now, root, ends.second)) {
            add(plan, PLAN_LINK, at, "one of its ends is created anew: the other end sees it fall and rise");
        }
    }
}
