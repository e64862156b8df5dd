/* SPDX-License-Identifier: MIT */
#include "model/manifest_claims.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AGENT_CPU 0u

void claims_begin(struct claims *claims, const struct manifest *manifest, const struct facts *facts)
{
    *claims = (struct claims){.manifest = manifest, .facts = facts};
    for (unsigned i = 0; i < manifest->count; i++) {
        const struct partition_spec *spec = &manifest->partitions[i];
        for (unsigned k = 0; (spec->cpus_listed || spec->has_slots) && k < spec->cpu_count; k++) {
            if (claims->named_by[spec->cpus[k]] == NULL) {
                claims->named_by[spec->cpus[k]] = spec;
            }
        }
    }
}

void claims_take(struct claims *claims, const struct partition_spec *spec, const uint32_t *cpus,
                 unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bool lends = claims->owner[cpus[i]] == NULL || claims->lends[cpus[i]];
        claims->owner[cpus[i]] = spec;
        claims->lends[cpus[i]] = lends && spec->share_cores;
    }
}

bool claims_is_taken(const struct claims *claims, const struct partition_spec *spec, unsigned cpu)
{
    const struct partition_spec *owner = claims->owner[cpu];
    return owner != NULL && !(owner->has_slots && spec->has_slots);
}

static bool is_same_core(const struct facts *facts, unsigned a, unsigned b)
{
    return facts->cpus[a].core != FACTS_UNKNOWN && facts->cpus[a].core == facts->cpus[b].core;
}

int claims_neighbour(const struct claims *claims, const struct partition_spec *spec, unsigned cpu)
{
    for (unsigned other = 0; other < claims->facts->cpu_count; other++) {
        const struct partition_spec *owner = claims->owner[other];
        bool is_other = other == AGENT_CPU || (owner != NULL && owner != spec);
        bool shares = spec->share_cores && (other == AGENT_CPU || (owner != NULL && claims->lends[other]));
        if (is_other && !shares && other != cpu && is_same_core(claims->facts, cpu, other)) {
            return (int)other;
        }
    }
    return -1;
}

bool claims_is_free(const struct claims *claims, const struct partition_spec *spec, unsigned cpu)
{
    return cpu != AGENT_CPU && claims->facts->cpus[cpu].usable && claims->owner[cpu] == NULL &&
           claims->named_by[cpu] == NULL && claims_neighbour(claims, spec, cpu) < 0;
}

/* Whether a lower CPU of this core was looked at before. */
static bool is_first_of_core(const struct facts *facts, unsigned cpu)
{
    for (unsigned other = 0; other < cpu; other++) {
        if (is_same_core(facts, cpu, other)) {
            return false;
        }
    }
    return true;
}

/* Adds those of a core's CPUs that fit. */
static unsigned choose_core(const struct claims *claims, const struct partition_spec *spec, unsigned core,
                            unsigned node, unsigned wanted, uint32_t *cpus)
{
    const struct facts *facts = claims->facts;
    unsigned found = 0;
    for (unsigned cpu = core; cpu < facts->cpu_count && found < wanted; cpu++) {
        bool is_of_core = cpu == core || is_same_core(facts, core, cpu);
        bool is_of_node = node == FACTS_UNKNOWN || facts->cpus[cpu].node == node;
        if (is_of_core && is_of_node && claims_is_free(claims, spec, cpu)) {
            cpus[found++] = cpu;
        }
    }
    return found;
}

unsigned claims_choose(const struct claims *claims, const struct partition_spec *spec, unsigned node,
                       unsigned wanted, uint32_t *cpus)
{
    unsigned found = 0;
    for (unsigned core = 0; core < claims->facts->cpu_count && found < wanted; core++) {
        if (is_first_of_core(claims->facts, core)) {
            found += choose_core(claims, spec, core, node, wanted - found, cpus + found);
        }
    }
    return found;
}

/* ---- words ------------------------------------------------------------------------------------------------
 */

/* Appends; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void append(char text[CLAIMS_TEXT_BYTES], const char *format,
                                                         ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, CLAIMS_TEXT_BYTES - used, format, arguments);
    va_end(arguments);
}

/* Why a partition that gave a count cannot have this CPU; empty if it can. */
static void why_not(const struct claims *claims, const struct partition_spec *spec, unsigned cpu,
                    char why[64])
{
    const struct partition_spec *owner =
        claims->owner[cpu] != NULL ? claims->owner[cpu] : claims->named_by[cpu];
    int neighbour = claims_neighbour(claims, spec, cpu);
    why[0] = 0;
    if (cpu == AGENT_CPU) {
        snprintf(why, 64, "the agent's");
    } else if (owner != NULL) {
        snprintf(why, 64, "\"%s\"", owner->name);
    } else if (!claims->facts->cpus[cpu].usable) {
        snprintf(why, 64, "did not start");
    } else if (neighbour >= 0) {
        snprintf(why, 64, "on the core of CPU %d", neighbour);
    }
}

/* Appends a run of CPUs that have one thing in common. */
static void append_run(char text[CLAIMS_TEXT_BYTES], unsigned first, unsigned last, const char *why)
{
    append(text, "%s%u", text[0] == 0 ? "" : why[0] != 0 ? "; " : ", ", first);
    if (last > first) {
        append(text, "-%u", last);
    }
    append(text, "%s%s", why[0] != 0 ? ": " : "", why);
}

unsigned claims_describe(const struct claims *claims, const struct partition_spec *spec,
                         char free[CLAIMS_TEXT_BYTES], char taken[CLAIMS_TEXT_BYTES])
{
    char before[64] = "";
    char why[64] = "";
    unsigned first = 0;
    unsigned count = 0;
    free[0] = taken[0] = 0;
    for (unsigned cpu = 0; cpu <= claims->facts->cpu_count; cpu++) {
        bool is_end = cpu == claims->facts->cpu_count;
        memcpy(before, why, sizeof(before));
        if (!is_end) {
            why_not(claims, spec, cpu, why);
            count += why[0] == 0 ? 1 : 0;
        }
        if (cpu > 0 && (is_end || strcmp(why, before) != 0)) {
            append_run(before[0] == 0 ? free : taken, first, cpu - 1, before);
            first = cpu;
        }
    }
    return count;
}
