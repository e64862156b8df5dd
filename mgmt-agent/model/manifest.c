/* SPDX-License-Identifier: MIT */
#include "model/manifest.h"

#include <string.h>

#include "model/manifest_formats.h"
#include "model/manifest_later.h"
#include "model/manifest_references.h"
#include "model/manifest_schema.h"

/* ---- from the checked document ----------------------------------------------------------------------------
 */

static void take_cpus(struct partition_spec *spec, const struct json_node *cpus)
{
    spec->cpus_listed = cpus != NULL && cpus->type == JSON_ARRAY;
    if (cpus != NULL && cpus->type == JSON_NUMBER) {
        spec->cpu_count = (uint32_t)cpus->integer;
    }
    spec->has_slots = cpus != NULL && cpus->type == JSON_OBJECT;
    const struct json_node *shared = spec->has_slots ? schema_get(cpus, "cpu") : NULL;
    if (shared != NULL) {
        spec->cpus[spec->cpu_count++] = (uint32_t)shared->integer;
    }
    const struct json_node *at = spec->cpus_listed ? cpus->child : NULL;
    for (; at != NULL && spec->cpu_count < MULLION_MAX_VCPUS; at = at->next) {
        spec->cpus[spec->cpu_count++] = (uint32_t)at->integer;
    }
}

static void take_boot(struct partition_spec *spec, const struct json_node *boot)
{
    if (boot != NULL) {
        schema_text(boot, "kernel", spec->kernel, sizeof(spec->kernel));
        schema_text(boot, "initramfs", spec->initramfs, sizeof(spec->initramfs));
        schema_text(boot, "cmdline", spec->cmdline, sizeof(spec->cmdline));
    }
}

static void take_nics(struct partition_spec *spec, const struct json_node *nics)
{
    const struct json_node *at = nics != NULL ? nics->child : NULL;
    for (; at != NULL && spec->nic_count < MANIFEST_MAX_NICS; at = at->next) {
        const struct json_node *mac = schema_get(at, "mac");
        struct nic_spec *nic = &spec->nics[spec->nic_count++];
        *nic = (struct nic_spec){.node = at, .has_mac = mac != NULL};
        if (mac != NULL) {
            address_read_mac(mac->string, nic->mac);
        }
    }
}

static void take_partition(struct partition_spec *spec, const struct json_node *node)
{
    *spec = (struct partition_spec){.autostart = true, .on_reboot = POLICY_RESTART, .node = node};
    if (node->type != JSON_OBJECT) {
        return;
    }
    const struct json_node *memory = schema_get(node, "memory");
    schema_text(node, "name", spec->name, sizeof(spec->name));
    take_cpus(spec, schema_get(node, "cpus"));
    spec->memory_bytes = memory != NULL ? format_memory_bytes(memory->string) : 0;
    spec->share_cores = schema_choice(&schema_partition, node, "smt") == 1;
    spec->any_node = schema_choice(&schema_partition, node, "numa") == 1;
    take_boot(spec, schema_get(node, "boot"));
    spec->autostart = schema_flag(&schema_partition, node, "autostart");
    spec->on_reboot = schema_choice(&schema_partition, node, "onReboot");
    spec->on_crash = schema_choice(&schema_partition, node, "onCrash");
    take_nics(spec, schema_get(node, "nics"));
}

static unsigned partition_index(const struct manifest *manifest, const char *name)
{
    unsigned i = 0;
    while (i < manifest->count && strcmp(manifest->partitions[i].name, name) != 0) {
        i++;
    }
    return i;
}

static void take_link(struct manifest *manifest, const struct json_node *node)
{
    const struct json_node *end = json_member(node, "between")->child;
    struct link_spec link = {
        .kind = schema_choice(&schema_link, node, "kind") == 1 ? MULLION_PORT_CONSOLE : MULLION_PORT_NET,
        .ends = {partition_index(manifest, end->string), partition_index(manifest, end->next->string)}};
    if (link.ends[0] < manifest->count && link.ends[1] < manifest->count) {
        manifest->links[manifest->link_count++] = link;
    }
}

static void take_lists(struct manifest *manifest, const struct json_node *root)
{
    const struct json_node *partitions = json_member(root, "partitions");
    const struct json_node *links = json_member(root, "links");
    const struct json_node *at =
        partitions != NULL && partitions->type == JSON_ARRAY ? partitions->child : NULL;
    for (; at != NULL && manifest->count < MANIFEST_MAX_PARTITIONS; at = at->next) {
        take_partition(&manifest->partitions[manifest->count++], at);
    }
    at = links != NULL && links->type == JSON_ARRAY ? links->child : NULL;
    for (; at != NULL && at->index < MANIFEST_MAX_LINKS; at = at->next) {
        if (!at->faulty) {
            take_link(manifest, at);
        }
    }
}

/* ---- the document -----------------------------------------------------------------------------------------
 */

static void check_references(struct json *json, const struct json_node *root)
{
    const struct json_node *machines = json_member(root, "machines");
    manifest_references_check(json, root, NULL);
    const struct json_node *at = machines != NULL && machines->type == JSON_ARRAY ? machines->child : NULL;
    for (; at != NULL && at->index < MANIFEST_MAX_MACHINES; at = at->next) {
        if (at->type == JSON_OBJECT) {
            manifest_references_check(json, at, root);
        }
    }
}

bool manifest_head_check(struct json *json, const struct json_node *root, const struct schema_object *object)
{
    static const char *const head[] = {"apiVersion", "kind"};
    if (root->type != JSON_OBJECT) {
        schema_check(json, root, object);
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct json_node *member = json_member(root, head[i]);
        const struct schema_field *field = schema_field(object, head[i]);
        if (member == NULL) {
            char wanted[64];
            schema_wanted(&field->value, wanted, sizeof(wanted));
            json_complain(json, root, "field \"%s\" is missing; wanted %s; add it", head[i], wanted);
        } else {
            schema_check_value(json, member, &field->value);
        }
    }
    return !root->faulty;
}

void manifest_take(struct manifest *manifest, struct json *json, const struct json_node *root,
                   const struct manifest_self *self)
{
    manifest->count = 0;
    manifest->link_count = 0;
    manifest->root = root;
    manifest->usable = root != NULL && manifest_head_check(json, root, &schema_machine);
    if (!manifest->usable) {
        return;
    }
    bool is_clear = schema_names_are_known(&schema_machine, root); /* a box selects among the members */
    schema_check(json, root, &schema_machine);
    check_references(json, root);
    manifest->usable = self == NULL || manifest_select(json, root, self);
    if (!manifest->usable) {
        return;
    }
    take_lists(manifest, root);
    manifest_later_check(json, root, &schema_machine);
    for (unsigned i = 0; i < manifest->count; i++) {
        manifest->partitions[i].valid = is_clear && !manifest->partitions[i].node->faulty;
    }
    manifest->usable = is_clear;
}

void manifest_read(struct manifest *manifest, struct json *json, const char *text, size_t bytes,
                   struct problem_list *problems)
{
    manifest_take(manifest, json, json_parse(json, "manifest", text, bytes, problems), NULL);
}
