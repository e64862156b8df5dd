/* SPDX-License-Identifier: MIT */
#include "model/manifest_layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/manifest_claims.h"
#include "model/manifest_images.h"
#include "model/manifest_later.h"
#include "model/manifest_schema.h"

#define MIB(bytes) ((bytes) >> 20)
#define ALL_NODES  UINT64_MAX

/* A layout that is being made. */
struct making {
    struct layout *layout;
    struct manifest *manifest;
    struct json *json;
    const struct facts *facts;
    struct claims claims;
    struct facts left; /* of which only the memory counts: what nobody has yet */
};

static const struct json_node *member(const struct partition_spec *spec, const char *name)
{
    const struct json_node *node = json_member(spec->node, name);
    return node != NULL ? node : spec->node;
}

/* The end of a sentence about a field, as long as this version does not know the field. */
static const char *unless_later(const char *field, const char *hint)
{
    return manifest_later(&schema_partition, field, NULL) == NULL ? hint : "";
}

/* ---- CPUs that are named ----------------------------------------------------------------------------------
 */

static void complain_core(struct making *m, const struct json_node *node, unsigned cpu, unsigned neighbour)
{
    const struct partition_spec *owner = m->claims.owner[neighbour];
    json_complain(
        m->json, node,
        "CPU %u is on the same core as CPU %u of %s%s%s: they could observe each other; name a CPU of "
        "another core%s",
        cpu, neighbour, owner != NULL ? "partition \"" : "the agent", owner != NULL ? owner->name : "",
        owner != NULL ? "\"" : "", unless_later("smt", ", or write \"smt\": \"share-cores\" in both"));
}

static void check_named(struct making *m, const struct partition_spec *spec, const struct json_node *node)
{
    const struct facts *facts = m->facts;
    unsigned cpu = (unsigned)node->integer;
    int neighbour = cpu < facts->cpu_count ? claims_neighbour(&m->claims, spec, cpu) : -1;
    if (facts->cpu_count == 1) {
        json_complain(m->json, node,
                      "this box has one CPU, which is the agent's; partitions need a box with more");
    } else if (cpu >= facts->cpu_count) {
        json_complain(m->json, node,
                      "CPU %u does not exist; this box has the CPUs 0 to %u; name one of 1 to %u", cpu,
                      facts->cpu_count - 1, facts->cpu_count - 1);
    } else if (!facts->cpus[cpu].usable) {
        json_complain(
            m->json, node,
            "CPU %u did not start when the box booted; name another CPU, or check it in the firmware setup",
            cpu);
    } else if (claims_is_taken(&m->claims, spec, cpu)) {
        json_complain(
            m->json, node,
            "CPU %u is claimed by partition \"%s\" already; a CPU belongs to one partition; name another",
            cpu, m->claims.owner[cpu]->name);
    } else if (neighbour >= 0) {
        complain_core(m, node, cpu, (unsigned)neighbour);
    }
}

/* Checks all CPUs of a list before it claims any. @return whether it could */
static bool claim_named(struct making *m, const struct partition_spec *spec)
{
    const struct json_node *cpus = member(spec, "cpus");
    unsigned before = problem_count(m->json->problems);
    if (spec->has_slots) {
        check_named(m, spec, json_member(cpus, "cpu"));
    }
    for (const struct json_node *at = cpus->child; spec->cpus_listed && at != NULL; at = at->next) {
        check_named(m, spec, at);
    }
    bool fits = problem_count(m->json->problems) == before;
    if (fits) {
        claims_take(&m->claims, spec, spec->cpus, spec->cpu_count);
    }
    return fits;
}

/* ---- memory -----------------------------------------------------------------------------------------------
 */

/* The nodes that CPUs are in, a bit each; all if nobody says. */
static uint64_t nodes_of(const struct facts *facts, const uint32_t *cpus, unsigned count)
{
    uint64_t nodes = 0;
    for (unsigned i = 0; i < count; i++) {
        uint16_t node = facts->cpus[cpus[i]].node;
        nodes |= node < FACTS_MAX_NODES ? UINT64_C(1) << node : ALL_NODES;
    }
    return nodes;
}

static bool is_in(const struct facts *facts, unsigned run, uint64_t nodes)
{
    return nodes == ALL_NODES ||
           (facts->nodes[run] < FACTS_MAX_NODES && (nodes >> facts->nodes[run] & 1) != 0);
}

static uint64_t memory_left(const struct making *m, uint64_t nodes)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < m->left.run_count; i++) {
        bytes += is_in(&m->left, i, nodes) ? m->left.runs[i].bytes : 0;
    }
    return bytes;
}

/* Takes a range out of what is left. */
static void memory_take(struct making *m, uint64_t hpa, uint64_t bytes)
{
    static struct facts rest;
    rest.run_count = 0;
    for (unsigned i = 0; i < m->left.run_count; i++) {
        uint64_t begin = m->left.runs[i].hpa;
        uint64_t end = begin + m->left.runs[i].bytes;
        uint64_t cut_begin = hpa > begin ? hpa : begin;
        uint64_t cut_end = hpa + bytes < end ? hpa + bytes : end;
        bool is_cut = cut_begin < cut_end;
        uint64_t first = is_cut ? cut_begin - begin : end - begin;
        if (first > 0) {
            facts_add_memory(&rest, begin, first, m->left.nodes[i]);
        }
        if (is_cut && cut_end < end) {
            facts_add_memory(&rest, cut_end, end - cut_end, m->left.nodes[i]);
        }
    }
    m->left.run_count = rest.run_count;
    memcpy(m->left.runs, rest.runs, rest.run_count * sizeof(rest.runs[0]));
    memcpy(m->left.nodes, rest.nodes, rest.run_count * sizeof(rest.nodes[0]));
}

static int memory_find(const struct making *m, uint64_t bytes, uint64_t nodes, struct memory_choice *choice)
{
    static struct mullion_memory_info runs[FACTS_MAX_RUNS];
    unsigned count = 0;
    for (unsigned i = 0; i < m->left.run_count; i++) {
        if (is_in(&m->left, i, nodes)) {
            runs[count++] = m->left.runs[i];
        }
    }
    return memory_choose(runs, count, bytes, choice);
}

/* Says who has how much. */
static void memory_describe(const struct making *m, char text[CLAIMS_TEXT_BYTES])
{
    size_t used = 0;
    text[0] = 0;
    for (unsigned i = 0; i < m->layout->count && used + 1 < CLAIMS_TEXT_BYTES; i++) {
        if (m->layout->parts[i].name[0] != 0 && m->layout->parts[i].memory.count > 0) {
            used += (size_t)snprintf(text + used, CLAIMS_TEXT_BYTES - used, "%s\"%s\" has %" PRIu64 " MiB",
                                     used == 0 ? ": " : ", ", m->layout->parts[i].name,
                                     MIB(m->manifest->partitions[i].memory_bytes));
        }
    }
}

static void complain_memory(struct making *m, const struct partition_spec *spec, uint64_t nodes, int error)
{
    char others[CLAIMS_TEXT_BYTES];
    uint64_t wanted = MIB(spec->memory_bytes);
    uint64_t everywhere = memory_left(m, ALL_NODES);
    memory_describe(m, others);
    if (error == -MULLION_E_RANGE_LIMIT) {
        json_complain(m->json, member(spec, "memory"),
                      "wanted %" PRIu64 " MiB; %" PRIu64
                      " MiB are free, but in more than %u pieces; put this partition first in the file",
                      wanted, MIB(memory_left(m, nodes)), MULLION_MAX_RANGES);
    } else if (everywhere >= spec->memory_bytes) {
        json_complain(m->json, member(spec, "memory"),
                      "wanted %" PRIu64 " MiB; %" PRIu64
                      " MiB are free in the NUMA nodes of its CPUs, %" PRIu64
                      " MiB in others; name CPUs of another node, or give this partition or another less%s",
                      wanted, MIB(memory_left(m, nodes)), MIB(everywhere - memory_left(m, nodes)),
                      unless_later("numa", ", or write \"numa\": \"any-node\""));
    } else {
        json_complain(m->json, member(spec, "memory"),
                      "wanted %" PRIu64 " MiB; %" PRIu64 " MiB of %" PRIu64
                      " MiB are free%s; give this partition or another less",
                      wanted, MIB(everywhere), MIB(facts_memory(m->facts)), others);
    }
}

static bool place_memory(struct making *m, const struct partition_spec *spec, struct layout_part *part)
{
    uint64_t nodes = spec->any_node ? ALL_NODES : nodes_of(m->facts, spec->cpus, spec->cpu_count);
    int error =
        memory_find(m, spec->memory_bytes, nodes_of(m->facts, spec->cpus, spec->cpu_count), &part->memory);
    if (error != 0 && spec->any_node) {
        error = memory_find(m, spec->memory_bytes, nodes, &part->memory);
    }
    if (error != 0) {
        part->memory.count = 0;
        complain_memory(m, spec, nodes, error);
        return false;
    }
    for (unsigned i = 0; i < part->memory.count; i++) {
        memory_take(m, part->memory.ranges[i].hpa, part->memory.ranges[i].bytes);
    }
    return true;
}

/* ---- CPUs that are counted --------------------------------------------------------------------------------
 */

/* How many nodes the box has; 0 if nobody says. */
static unsigned node_count(const struct facts *facts)
{
    unsigned count = 0;
    for (unsigned i = 0; i < facts->cpu_count; i++) {
        unsigned node = facts->cpus[i].node;
        if (node >= FACTS_MAX_NODES) {
            return 0;
        }
        count = node >= count ? node + 1 : count;
    }
    return count;
}

/* Chooses CPUs of the lowest node that has CPUs and memory enough, else of all nodes. */
static unsigned choose_counted(struct making *m, struct partition_spec *spec)
{
    struct memory_choice memory;
    unsigned nodes = node_count(m->facts);
    for (unsigned node = 0; node < nodes; node++) {
        if (claims_choose(&m->claims, spec, node, spec->cpu_count, spec->cpus) == spec->cpu_count &&
            (spec->any_node || memory_find(m, spec->memory_bytes, UINT64_C(1) << node, &memory) == 0)) {
            return spec->cpu_count;
        }
    }
    return claims_choose(&m->claims, spec, FACTS_UNKNOWN, spec->cpu_count, spec->cpus);
}

static bool claim_counted(struct making *m, struct partition_spec *spec)
{
    char free[CLAIMS_TEXT_BYTES];
    char taken[CLAIMS_TEXT_BYTES];
    if (choose_counted(m, spec) == spec->cpu_count) {
        claims_take(&m->claims, spec, spec->cpus, spec->cpu_count);
        return true;
    }
    unsigned count = claims_describe(&m->claims, spec, free, taken);
    json_complain(m->json, member(spec, "cpus"),
                  "wanted %" PRIu32 " CPU%s, %u %s free%s%s (%s); give this partition or another fewer",
                  spec->cpu_count, spec->cpu_count == 1 ? "" : "s", count, count == 1 ? "is" : "are",
                  count > 0 ? ": " : "", free, taken);
    return false;
}

/* ---- all together -----------------------------------------------------------------------------------------
 */

/* Gives a partition what it has already. @return whether it has anything */
static bool take_kept(struct making *m, struct partition_spec *spec, struct layout_part *part,
                      const struct layout *kept)
{
    for (unsigned i = 0; kept != NULL && i < kept->count; i++) {
        const struct layout_part *old = &kept->parts[i];
        if (old->name[0] == 0 || strcmp(old->name, spec->name) != 0) {
            continue;
        }
        *part = *old;
        spec->cpu_count = old->cpu_count;
        memcpy(spec->cpus, old->cpus, sizeof(spec->cpus));
        claims_take(&m->claims, spec, old->cpus, old->cpu_count);
        for (unsigned k = 0; k < old->memory.count; k++) {
            memory_take(m, old->memory.ranges[k].hpa, old->memory.ranges[k].bytes);
        }
        return true;
    }
    return false;
}

static bool is_counted(const struct partition_spec *spec)
{
    return !spec->cpus_listed && !spec->has_slots;
}

static void place(struct making *m, struct partition_spec *spec, struct layout_part *part)
{
    if ((!is_counted(spec) || claim_counted(m, spec)) && place_memory(m, spec, part)) {
        memcpy(part->name, spec->name, sizeof(part->name));
        memcpy(part->cpus, spec->cpus, sizeof(part->cpus));
        part->cpu_count = spec->cpu_count;
    }
}

static void making_begin(struct making *m)
{
    m->left = *m->facts;
    claims_begin(&m->claims, m->manifest, m->facts);
    memset(m->layout, 0, sizeof(*m->layout));
    m->layout->count = m->manifest->count;
}

/* A partition with an error elsewhere takes its part, too: the others do not move when it is corrected. */
static bool can_be_placed(const struct partition_spec *spec)
{
    return spec->cpu_count > 0 && spec->memory_bytes > 0;
}

void layout_make(struct layout *layout, struct manifest *manifest, struct json *json,
                 const struct facts *facts, const struct layout *kept)
{
    static struct making m; /* large */
    bool waits[MANIFEST_MAX_PARTITIONS] = {false};
    m.layout = layout;
    m.manifest = manifest;
    m.json = json;
    m.facts = facts;
    making_begin(&m);
    for (unsigned i = 0; i < manifest->count; i++) {
        struct partition_spec *spec = &manifest->partitions[i];
        waits[i] = can_be_placed(spec) && !take_kept(&m, spec, &layout->parts[i], kept);
    }
    for (unsigned i = 0; i < manifest->count; i++) {
        struct partition_spec *spec = &manifest->partitions[i];
        waits[i] = waits[i] && (is_counted(spec) || claim_named(&m, spec));
    }
    for (unsigned i = 0; i < manifest->count; i++) {
        if (waits[i]) {
            place(&m, &manifest->partitions[i], &layout->parts[i]);
        }
    }
    for (unsigned i = 0; i < manifest->count; i++) {
        manifest->partitions[i].valid = !manifest->partitions[i].node->faulty;
    }
}

void layout_check(struct layout *layout, struct manifest *manifest, struct json *json,
                  const struct facts *facts)
{
    manifest_images_check(manifest, json, facts);
    layout_make(layout, manifest, json, facts, NULL);
}
