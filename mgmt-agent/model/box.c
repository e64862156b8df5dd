/* SPDX-License-Identifier: MIT */
#include "model/box.h"

#include <stdio.h>
#include <string.h>

#include "os/os.h"

#define MAX_PASSES 64u /* over the memory map, until two agree */

/* Words of a module line are parted by spaces; a third word and what follows is for people. They are shown on
 * the console, so no control character stays. */
static const char *word_copy(const char *from, char *to, size_t size)
{
    from += strspn(from, " ");
    size_t length = strcspn(from, " ");
    size_t kept = length < size ? length : size - 1;
    for (size_t i = 0; i < kept; i++) {
        to[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? '?' : from[i];
    }
    to[kept] = 0;
    return from + length;
}

static void module_read(struct box *box, uint32_t index, struct problem_list *problems)
{
    struct mullion_module_info info = {.index = index};
    if (os_hypercall(MULLION_CALL_MODULE_INFO, &info) != 0) {
        return;
    }
    info.name[sizeof(info.name) - 1] = 0;
    struct box_module *module = &box->modules[box->module_count];
    const char *rest = word_copy(info.name, module->kind, sizeof(module->kind));
    word_copy(rest, module->name, sizeof(module->name));
    module->bytes = info.bytes;
    module->data = os_map(info.gpa, info.bytes, OS_READ);
    if (module->data == NULL) {
        problem_add(problems, "module \"%s\": %s: the partitions that need it do not start", info.name,
                    info.bytes == 0 ? "the file is empty" : "its memory cannot be mapped by the agent");
        return;
    }
    if (box_module(box, module->kind, module->name) != NULL) {
        problem_add(problems,
                    "module \"%s\": the boot loader's configuration names it twice: the first is used",
                    info.name);
        return;
    }
    box->module_count++;
}

static void modules_read(struct box *box, struct problem_list *problems)
{
    for (uint32_t i = 0; i < box->platform.module_count; i++) {
        if (box->module_count == BOX_MAX_MODULES) {
            problem_add(problems, "boot modules: the loader gave %u: at most %u are used: load fewer images",
                        (unsigned)box->platform.module_count, BOX_MAX_MODULES);
            return;
        }
        module_read(box, i, problems);
    }
}

static void cpus_read(struct box *box)
{
    box->cpu_count = box->platform.cpu_count < BOX_MAX_CPUS ? box->platform.cpu_count : BOX_MAX_CPUS;
    for (uint32_t i = 0; i < box->cpu_count; i++) {
        box->cpus[i] = (struct mullion_cpu_info){.index = i};
        if (os_hypercall(MULLION_CALL_CPU_INFO, &box->cpus[i]) != 0) {
            os_die("CPU_INFO refused a CPU that PLATFORM_INFO counts");
        }
    }
}

/* One pass over the runs. @return where the last one ends, 0 if there is a gap: runs merged between two calls
 */
static uint64_t runs_read(struct box *box)
{
    uint64_t end = 0;
    for (box->run_count = 0; box->run_count < BOX_MAX_RUNS; box->run_count++) {
        struct mullion_memory_info *run = &box->runs[box->run_count];
        *run = (struct mullion_memory_info){.index = box->run_count};
        if (os_hypercall(MULLION_CALL_MEMORY_INFO, run) != 0) {
            break;
        }
        if (run->hpa != end) {
            return 0;
        }
        end += run->bytes;
    }
    return end;
}

/* Runs split and merge while CPUs scrub: a pass counts if it has no gap and ends where the one before ended.
 */
static void memory_read(struct box *box)
{
    uint64_t end = runs_read(box);
    for (unsigned pass = 1; pass < MAX_PASSES; pass++) {
        uint64_t before = end;
        end = runs_read(box);
        if (end != 0 && end == before) {
            return;
        }
    }
}

void box_refresh(struct box *box)
{
    cpus_read(box);
    memory_read(box);
}

void box_read(struct box *box, struct problem_list *problems)
{
    os_hypercall(MULLION_CALL_PLATFORM_INFO, &box->platform);
    box->module_count = 0;
    modules_read(box, problems);
    box_refresh(box);
    if (box->platform.cpu_count > BOX_MAX_CPUS) {
        problem_add(problems, "cpus: the box has %u: this agent uses the first %u",
                    (unsigned)box->platform.cpu_count, BOX_MAX_CPUS);
    }
}

const struct box_module *box_module(const struct box *box, const char *kind, const char *name)
{
    for (unsigned i = 0; i < box->module_count; i++) {
        const struct box_module *module = &box->modules[i];
        if (strcmp(module->kind, kind) == 0 && (name == NULL || strcmp(module->name, name) == 0)) {
            return module;
        }
    }
    return NULL;
}

uint64_t box_memory(const struct box *box, enum mullion_owner owner, uint32_t partition)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < box->run_count; i++) {
        const struct mullion_memory_info *run = &box->runs[i];
        if (run->owner == owner && (owner != MULLION_OWNER_PARTITION || run->partition == partition)) {
            bytes += run->bytes;
        }
    }
    return bytes;
}

uint64_t box_partition_memory(const struct box *box)
{
    uint64_t bytes = box_memory(box, MULLION_OWNER_FREE, 0) + box_memory(box, MULLION_OWNER_DIRTY, 0);
    for (uint32_t id = 1; id < MULLION_MAX_PARTITIONS; id++) {
        bytes += box_memory(box, MULLION_OWNER_PARTITION, id);
    }
    return bytes;
}

unsigned box_cpus(const struct box *box, enum mullion_cpu_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < box->cpu_count; i++) {
        bool agent = state == MULLION_CPU_OWNED && box->cpus[i].partition == MULLION_AGENT_ID;
        count += box->cpus[i].state == state && !agent ? 1 : 0;
    }
    return count;
}

uint64_t box_ms(const struct box *box, uint64_t from_tsc, uint64_t to_tsc)
{
    uint64_t khz = box->platform.tsc_khz;
    return khz == 0 || to_tsc < from_tsc ? 0 : (to_tsc - from_tsc) / khz;
}
