/* SPDX-License-Identifier: MIT */
#include "model/plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "model/manifest_schema.h"
#include "model/plan_internal.h"

const char *plan_action_name(enum plan_action action)
{
    static const char *const names[PLAN_ACTION_COUNT] = {
        [PLAN_BOX] = "change-box", [PLAN_UNLINK] = "unlink", [PLAN_STOP] = "stop", [PLAN_DESTROY] = "destroy",
        [PLAN_CREATE] = "create",  [PLAN_CHANGE] = "change", [PLAN_LINK] = "link", [PLAN_START] = "start",
    };
    return (unsigned)action < PLAN_ACTION_COUNT ? names[action] : "?";
}

const char *plan_effect_name(enum schema_effect effect)
{
    static const char *const names[EFFECT_COUNT] = {
        [EFFECT_NONE] = "none",
        [EFFECT_LIVE] = "live",
        [EFFECT_RESTART_PARTITION] = "restart-partition",
        [EFFECT_RESTART_BOX] = "restart-box",
    };
    return (unsigned)effect < EFFECT_COUNT ? names[effect] : "?";
}

struct plan_step *plan_add(struct plan *plan, enum plan_action action, enum schema_effect effect,
                           const struct json_node *node, const char *name)
{
    if (plan->count == PLAN_MAX_STEPS) {
        return NULL;
    }
    struct plan_step *step = &plan->steps[plan->count++];
    *step = (struct plan_step){.action = action, .effect = effect, .node = node};
    snprintf(step->name, sizeof(step->name), "%s", name);
    plan->effect = effect > plan->effect ? effect : plan->effect;
    return step;
}

static void add(struct plan *plan, enum plan_action action, enum schema_effect effect,
                const struct json_node *partition, const char *reason)
{
    struct plan_step *step =
        plan_add(plan, action, effect, partition, json_member(partition, "name")->string);
    if (step != NULL) {
        snprintf(step->reason, sizeof(step->reason), "%s", reason);
    }
}

/* ---- partitions -------------------------------------------------------------------------------------------
 */

/* Writes which fields of a partition differ. @return whether any does */
static bool differences(const struct json_node *before, const struct json_node *after,
                        char reason[PLAN_REASON_BYTES])
{
    reason[0] = 0;
    for (unsigned i = 0; i < schema_partition.field_count; i++) {
        if (!plan_is_same(&schema_partition.fields[i], before, after)) {
            plan_describe(&schema_partition.fields[i], before, after, reason);
        }
    }
    return reason[0] != 0;
}

/* For a partition that goes, or goes to come back. */
static void destroy(struct plan *plan, const struct json_node *old, const struct json_node *root)
{
    const struct json_node *new = plan_partition(root, json_member(old, "name")->string);
    char reason[PLAN_REASON_BYTES];
    if (new == NULL) {
        add(plan, PLAN_DESTROY, EFFECT_RESTART_PARTITION, old, "the new manifest has it no more");
    } else if (plan_effect(old, new) >= EFFECT_RESTART_PARTITION && differences(old, new, reason)) {
        add(plan, PLAN_DESTROY, EFFECT_RESTART_PARTITION, old, reason);
    }
}

static void create_or_change(struct plan *plan, const struct plan_now *now, const struct json_node *new)
{
    const struct json_node *old = plan_partition(now->root, json_member(new, "name")->string);
    enum schema_effect effect = old != NULL ? plan_effect(old, new) : EFFECT_LIVE;
    char reason[PLAN_REASON_BYTES];
    if (old == NULL) {
        add(plan, PLAN_CREATE, effect, new, "it is new");
    } else if (effect >= EFFECT_RESTART_PARTITION) {
        add(plan, PLAN_CREATE, effect, new, "it was destroyed to be created with its new values");
    } else if (differences(old, new, reason)) {
        add(plan, PLAN_CHANGE, effect, new, reason);
    }
}

static bool is_to_run(const struct json_node *partition)
{
    return schema_choice(&schema_partition, partition, "power") == 0;
}

static bool is_running(const struct plan_now *now, const struct json_node *old)
{
    return (now->running >> old->index & 1) != 0;
}

static void stop(struct plan *plan, const struct plan_now *now, const struct json_node *old,
                 const struct json_node *root)
{
    const struct json_node *new = plan_partition(root, json_member(old, "name")->string);
    if (new != NULL && plan_effect(old, new) < EFFECT_RESTART_PARTITION &&is_running(now, old) &&
        is_to_run(old) && !is_to_run(new)) {
        add(plan, PLAN_STOP, EFFECT_RESTART_PARTITION, new, "it is to stand still");
    }
}

static void start(struct plan *plan, const struct plan_now *now, const struct json_node *new)
{
    const struct json_node *old = plan_partition(now->root, json_member(new, "name")->string);
    if (!is_to_run(new)) {
        return;
    }
    if (old == NULL && schema_flag(&schema_partition, new, "autostart")) {
        add(plan, PLAN_START, EFFECT_LIVE, new, "it is new");
    } else if (old != NULL && !is_to_run(old)) {
        add(plan, PLAN_START, EFFECT_LIVE, new, "it is to stand still no more");
    } else if (old != NULL && is_running(now, old) && plan_effect(old, new) >= EFFECT_RESTART_PARTITION) {
        add(plan, PLAN_START, EFFECT_RESTART_PARTITION, new, "it ran before");
    }
}

/* ---- the box ----------------------------------------------------------------------------------------------
 */

/* Fields that can cut the operator off. */
static bool is_about_reaching(const char *name)
{
    return strcmp(name, "site") == 0 || strcmp(name, "networks") == 0;
}

static void box_fields(struct plan *plan, const struct plan_now *now, const struct json_node *root)
{
    for (unsigned i = 0; i < schema_machine.field_count; i++) {
        const struct schema_field *field = &schema_machine.fields[i];
        bool has_own_steps = field->required || strcmp(field->name, "links") == 0;
        if (has_own_steps || plan_is_same(field, now->root, root)) {
            continue;
        }
        const struct json_node *node = json_member(root, field->name);
        struct plan_step *step =
            plan_add(plan, PLAN_BOX, field->effect, node != NULL ? node : plan_list(now->root, field->name),
                     field->name);
        if (step != NULL) {
            plan_describe(field, now->root, root, step->reason);
        }
        plan->can_cut_off = plan->can_cut_off || is_about_reaching(field->name);
    }
}

/* In the order of the actions; within one, in the order in which they were added. */
static void sort(struct plan *plan)
{
    for (unsigned i = 1; i < plan->count; i++) {
        struct plan_step moved = plan->steps[i];
        unsigned k = i;
        for (; k > 0 && plan->steps[k - 1].action > moved.action; k--) {
            plan->steps[k] = plan->steps[k - 1];
        }
        plan->steps[k] = moved;
    }
}

void plan_make(struct plan *plan, const struct plan_now *now, const struct json_node *root)
{
    const struct json_node *before = plan_list(now->root, "partitions");
    const struct json_node *after = plan_list(root, "partitions");
    unsigned order[MANIFEST_MAX_PARTITIONS];
    unsigned count = now->root != NULL ? plan_start_order(now->root, order) : 0;
    memset(plan, 0, sizeof(*plan));
    assert(!root->faulty && (now->root == NULL || !now->root->faulty));
    box_fields(plan, now, root);
    for (unsigned i = count; i > 0; i--) {
        stop(plan, now, json_element(before, order[i - 1]), root);
        destroy(plan, json_element(before, order[i - 1]), root);
    }
    for (const struct json_node *at = after->child; at != NULL; at = at->next) {
        create_or_change(plan, now, at);
    }
    plan_links(plan, now, root);
    count = plan_start_order(root, order);
    for (unsigned i = 0; i < count; i++) {
        start(plan, now, json_element(after, order[i]));
    }
    sort(plan);
    plan_hash(now, root, plan->hash);
}
