/* SPDX-License-Identifier: MIT */
#include "fake_box.h"

#include "core/agent.h"
#include "core/console.h"
#include "core/event.h"
#include "core/frames.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/loading.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/pool.h"
#include "core/window.h"
#include "fake_hvm.h"
#include "inspect.h"
#include "x86/apic.h"
#include "x86/passthrough.h"
#include "x86/pci_host.h"
#include "x86/reset.h"
#include "x86/smp.h"
#include "x86/tsc.h"

#include <asm/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POOL_PAGES 1024u

struct platform platform;

static struct cpu cpus[BOX_CPUS];
static bool deaf[BOX_CPUS];
static struct frame table[BOX_FRAMES];
static uint8_t *ram;
static void *pool_block;

/* ---- CPUs ---- */

struct cpu *cpu_at(uint32_t index)
{
    return &cpus[index];
}

uint32_t cpu_count(void)
{
    return BOX_CPUS;
}

/* What run.c does when it is told to look. */
void smp_kick(const struct cpu *target)
{
    struct cpu *cpu = &cpus[target->index];
    if (deaf[cpu->index])
        return;
    bool runs = cpu->vcpu && cpu->vcpu->partition->state == MULLION_STATE_RUNNING;
    cpu->current = runs ? cpu->vcpu : NULL;
}

void box_deafen(uint32_t cpu)
{
    deaf[cpu] = true;
}

/* ---- functions of the box: none can be given away ---- */

int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request)
{
    (void)p;
    (void)request;
    return -MULLION_E_RANGE;
}

void passthrough_quiesce(const struct partition *p)
{
    (void)p;
}

int passthrough_check_reset(const struct partition *p)
{
    (void)p;
    return 0;
}

void passthrough_release(const struct partition *p)
{
    (void)p;
}

/* ---- memory ---- */

static uint8_t *in_one_frame(hpa_t at, size_t bytes)
{
    if (at.v / FRAME_BYTES != (at.v + bytes - 1) / FRAME_BYTES || at.v + bytes > BOX_FRAMES * FRAME_BYTES)
        abort();
    return ram + at.v;
}

void window_read(hpa_t from, void *to, size_t bytes)
{
    memcpy(to, in_one_frame(from, bytes), bytes);
}

void window_write(hpa_t to, const void *from, size_t bytes)
{
    memcpy(in_one_frame(to, bytes), from, bytes);
}

void window_copy(hpa_t to, hpa_t from, size_t bytes)
{
    memcpy(in_one_frame(to, bytes), in_one_frame(from, bytes), bytes);
}

void window_close(void)
{
}

/* Only the first bytes are ever written by tests. */
void window_scrub(hpa_t frame)
{
    memset(in_one_frame(frame, FRAME_BYTES), 0, 2 * PAGE_BYTES);
}

void box_scrub(void)
{
    while (frames_scrub_step())
        ;
}

uint8_t *box_agent_ram(uint64_t address)
{
    return ram + box_agent()->partition->ranges[0].hpa.v + address;
}

/* ---- time, consoles, the rest of the box ---- */

uint64_t tsc_khz(void)
{
    return 2500000;
}

uint64_t tsc_at_boot(void)
{
    return 1;
}

uint64_t tsc_boot_epoch(void)
{
    return 1700000000;
}

bool tsc_reliable(void)
{
    return true;
}

uint64_t tsc_from_us(uint64_t microseconds)
{
    return microseconds; /* a thousandth: nobody waits long for a deaf CPU */
}

static bool has_byte_link;
static size_t byte_link_room;

void box_add_byte_link(size_t room)
{
    has_byte_link = true;
    byte_link_room = room;
}

bool byte_link_present(void)
{
    return has_byte_link;
}

size_t byte_link_write(const uint8_t *bytes, size_t count)
{
    (void)bytes;
    return count < byte_link_room ? count : byte_link_room;
}

size_t console_read(enum mullion_host_channel channel, uint64_t *offset, uint8_t *bytes, size_t count)
{
    memset(bytes, channel == MULLION_HOST_CONSOLE ? 'k' : 'l', count < 3 ? count : 3);
    *offset = 1000;
    return count < 3 ? count : 3;
}

size_t console_room(void)
{
    return 100;
}

void console_write(const char *text, size_t count)
{
    (void)text;
    (void)count;
}

size_t log_read(uint64_t *offset, uint8_t *bytes, size_t count)
{
    (void)bytes;
    (void)count;
    *offset = 0;
    return 0;
}

uint32_t pci_host_count(void)
{
    return 1;
}

void pci_host_info(struct mullion_pci_info *info)
{
    info->vendor = 0x1234;
}

uint32_t agent_generation(void)
{
    return 0;
}

uint32_t agent_module_count(void)
{
    return 0;
}

int agent_module_info(struct mullion_module_info *info)
{
    (void)info;
    return -MULLION_E_RANGE;
}

void reset_machine(const struct acpi_info *acpi)
{
    (void)acpi;
    abort();
}

int reset_power_off(const struct acpi_info *acpi, uint32_t slp_typa, uint32_t slp_typb)
{
    (void)acpi;
    (void)slp_typa;
    (void)slp_typb;
    return -MULLION_E_HARDWARE;
}

void text_copy(char *to, const char *from, size_t bytes)
{
    size_t count = strnlen(from, bytes - 1);
    memcpy(to, from, count);
    to[count] = 0;
}

bool text_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ---- the box ---- */

struct vcpu *box_agent(void)
{
    return cpus[0].owner;
}

static void start_cpus(void)
{
    for (uint32_t i = 0; i < BOX_CPUS; i++) {
        cpus[i] = (struct cpu){.self = &cpus[i], .index = i, .present = true, .started = i + 1 < BOX_CPUS};
        deaf[i] = false;
    }
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[0]) != 0) /* this_cpu() */
        abort();
}

static void start_agent(void)
{
    struct partition *agent = partition_create_agent();
    hpa_t host = frames_take(BOX_AGENT_RAM, UINT64_MAX, MULLION_OWNER_PARTITION, MULLION_AGENT_ID);
    agent->ranges[0] = (struct memory_range){gpa(0), host, BOX_AGENT_RAM};
    agent->range_count = 1;
    if (npt_map(&agent->npt, gpa(0), host, BOX_AGENT_RAM, true) != 0)
        abort();
    agent->state = MULLION_STATE_RUNNING;
    cpus[0].vcpu = cpus[0].owner;
}

/* Taken once: the fuzzer starts thousands of boxes. */
static void take_memory(void)
{
    if (ram)
        return;
    ram = mmap(NULL, BOX_FRAMES * FRAME_BYTES + POOL_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED)
        abort();
    pool_block = ram + BOX_FRAMES * FRAME_BYTES;
}

void box_start(void)
{
    struct mullion_event_wait nothing;
    event_collect(&nothing);
    fake_hvm_reset();
    fake_hvm.code.long_mode = true;
    fake_hvm.length = 3;
    has_byte_link = false;
    platform = (struct platform){.window_gpa = BOX_WINDOW_GPA, .phys_bits = 40};
    take_memory();
    pool_init(pool_block, POOL_PAGES * PAGE_BYTES);
    start_cpus();
    frames_init(table, BOX_FRAMES * FRAME_BYTES);
    frames_add_ram(FRAME_BYTES, (BOX_FRAMES - 1) * FRAME_BYTES);
    start_agent();
    box_scrub();
}

/* The table of partitions outlives the box: empty it, the agent last, as its window shows another's memory.
 */
void box_stop(void)
{
    for (uint32_t i = 0; i < BOX_CPUS; i++)
        deaf[i] = false;
    for (uint32_t id = MULLION_MAX_PARTITIONS; id-- > 0;) {
        struct partition *p = partition_find(id);
        if (p)
            (void)partition_destroy(p);
    }
}

int64_t box_call(uint64_t number, void *request, size_t bytes)
{
    struct vcpu *agent = box_agent();
    memcpy(box_agent_ram(BOX_REQUEST), request, bytes);
    agent->gpr[RAX] = number;
    agent->gpr[RDI] = BOX_REQUEST;
    hypercall_handle(agent);
    memcpy(request, box_agent_ram(BOX_REQUEST), bytes);
    return (int64_t)agent->gpr[RAX];
}

/* ---- invariants ---- */

static uint64_t frames_of(uint32_t id)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < BOX_FRAMES; i++)
        count += frame_owned_by(table, hpa(i * FRAME_BYTES), id);
    return count;
}

/* Every range is owned, mapped where it should be, and nothing else is owned. */
static const char *check_memory(const struct partition *p)
{
    uint64_t frames = 0;
    for (uint32_t i = 0; i < p->range_count; i++) {
        const struct memory_range *range = &p->ranges[i];
        for (uint64_t done = 0; done < range->bytes; done += FRAME_BYTES, frames++) {
            hpa_t to;
            bool writable;
            if (!frame_owned_by(table, hpa(range->hpa.v + done), p->id))
                return "a partition has a frame that it does not own";
            if (!npt_translate(&p->npt, gpa(range->gpa.v + done), &to, &writable) ||
                to.v != range->hpa.v + done)
                return "a frame is not mapped where its range says";
        }
    }
    return frames == frames_of(p->id) ? NULL : "a partition owns frames outside its ranges";
}

static const char *check_cpus(const struct partition *p)
{
    for (uint32_t i = 0; i < p->vcpu_count; i++) {
        const struct cpu *cpu = p->vcpus[i]->cpu;
        if ((p->shares_cpu0 ? cpu->sharer : cpu->owner) != p->vcpus[i])
            return "a vCPU runs on a CPU that belongs to another";
        bool runs = p->state == MULLION_STATE_RUNNING;
        if (!runs && p->reason != MULLION_REASON_STUCK && cpu->current == p->vcpus[i])
            return "a CPU uses a vCPU of a partition that does not run";
    }
    return NULL;
}

/* The agent sees a partition's memory in the window only while the partition is being loaded. */
static const char *check_window(const struct partition *p)
{
    hpa_t to;
    bool writable;
    const struct npt *agent = &box_agent()->partition->npt;
    for (uint32_t i = 0; i < p->range_count && p->state != MULLION_STATE_DEFINED; i++) {
        const struct memory_range *range = &p->ranges[i];
        if (npt_translate(agent, gpa(BOX_WINDOW_GPA + range->gpa.v), &to, &writable) && to.v == range->hpa.v)
            return "the agent sees the memory of a partition that was started";
    }
    return NULL;
}

/* No host frame is visible in the window unless a partition that is being loaded owns it. */
static const char *check_window_owner(uint64_t at)
{
    hpa_t to;
    bool writable;
    if (!npt_translate(&box_agent()->partition->npt, gpa(BOX_WINDOW_GPA + at), &to, &writable))
        return NULL;
    for (uint32_t id = 1; id < MULLION_MAX_PARTITIONS; id++) {
        const struct partition *p = partition_find(id);
        if (p && p->state == MULLION_STATE_DEFINED && frame_owned_by(table, to, id))
            return NULL;
    }
    return "the window shows a frame that no partition in loading owns";
}

const char *box_broken_invariant(void)
{
    const char *broken = NULL;
    for (uint32_t id = 0; id < MULLION_MAX_PARTITIONS && !broken; id++) {
        const struct partition *p = partition_find(id);
        if (!p && frames_of(id) != 0)
            return "frames belong to a partition that does not exist";
        if (!p)
            continue;
        broken = check_memory(p);
        broken = broken ? broken : check_cpus(p);
        broken = broken || id == MULLION_AGENT_ID ? broken : check_window(p);
    }
    for (uint64_t i = 0; i < BOX_FRAMES && !broken; i++)
        broken = check_window_owner(i * FRAME_BYTES);
    if (box_agent()->partition->range_count != 1 || cpus[0].owner->partition->id != MULLION_AGENT_ID)
        return "the agent's own resources changed";
    return broken;
}
