/* SPDX-License-Identifier: MIT */
#include "core/core.h"

/* LIMIT: quick deaths in a row before the VMM gives up; CALM: a life this long makes the next death the first again. */
enum { RESTART_LIMIT = 8, RESTART_FIRST_US = 100000, RESTART_LONGEST_US = 10000000, RESTART_CALM_US = 60000000 };

static struct mullion_module_info modules[BOOT_MAX_MODULES + 1];
static uint32_t module_count;
static struct partition *agent;
static const struct mullion_agent_header *image;
static uint32_t generation, quick_deaths;
static uint64_t restart_at; /* TSC; 0 = not waiting */
static bool started_once;

uint32_t agent_generation(void) { return generation; }

uint32_t agent_module_count(void) { return module_count; }

int agent_module_info(struct mullion_module_info *info) {
    if (info->index >= module_count) { return -MULLION_E_RANGE; }
    *info = modules[info->index];
    return 0;
}

static const char *image_error(const struct boot_module *module) {
    const struct mullion_agent_header *header = image;
    if (module->bytes < sizeof *header || header->magic != MULLION_AGENT_MAGIC) { return "it is not an agent image"; }
    if (header->abi_version != MULLION_ABI_VERSION || header->zero != 0) {
        return "it was built for another version of the VMM";
    }
    bool placed = header->load_gpa >= PAGE_BYTES && header->load_gpa < FRAME_BYTES &&
                  header->load_gpa % PAGE_BYTES == 0 && header->memory_bytes <= AGENT_RAM_BYTES - header->load_gpa;
    bool sized = header->image_bytes <= module->bytes && header->image_bytes <= header->memory_bytes &&
                 header->entry_offset < header->image_bytes && header->image_bytes >= sizeof *header;
    if (!placed || !sized) { return "its header is damaged, or the file is cut short"; }
    struct mullion_agent_header copy = *header;
    copy.crc32 = 0;
    uint32_t crc = crc32(0, &copy, sizeof copy);
    crc = crc32(crc, header + 1, header->image_bytes - sizeof *header);
    return crc == header->crc32 ? NULL : "its checksum does not match";
}

static void find_image(void) {
    for (uint32_t i = 0; i < platform.boot.module_count; i++) {
        const struct boot_module *module = &platform.boot.modules[i];
        if (!text_equal(module->text, MULLION_MODULE_AGENT)) { continue; }
        paging_map(module->start, module->bytes, PAGING_READ);
        image = (const void *)module->start; // NOLINT(performance-no-int-to-ptr)
        const char *error = image_error(module);
        if (error == NULL) { return; }
        log_fatal("agent module (mullion/agent.bin) is damaged; %s; write the image to the boot medium again", error);
    }
    log_fatal("no agent module (mullion/agent.bin); the boot medium is incomplete; write the image to it again");
}

static void show_module(uint64_t start, uint64_t bytes, const char *text, uint64_t *next_gpa) {
    uint64_t first = align_down(start, PAGE_BYTES);
    uint64_t span = align_up(start + bytes, PAGE_BYTES) - first;
    if (span != 0 && npt_map(&agent->npt, gpa(*next_gpa), hpa(first), span, false) != 0) {
        log_line("boot module \"%s\" is not shown to the agent: no memory for its page tables", text);
        return;
    }
    struct mullion_module_info *module = &modules[module_count];
    *module = (struct mullion_module_info){.index = module_count++, .gpa = *next_gpa + (start - first), .bytes = bytes};
    text_copy(module->name, text, sizeof module->name);
    *next_gpa += span;
}

static void show_modules(void) {
    uint64_t next_gpa = AGENT_MODULES_GPA;
    for (uint32_t i = 0; i < platform.boot.module_count; i++) {
        const struct boot_module *module = &platform.boot.modules[i];
        if (!text_equal(module->text, MULLION_MODULE_AGENT)) {
            show_module(module->start, module->bytes, module->text, &next_gpa);
        }
    }
    if (platform.acpi.dsdt_bytes != 0) {
        show_module(platform.acpi.dsdt, platform.acpi.dsdt_bytes, MULLION_MODULE_DSDT, &next_gpa);
    }
    if (platform.boot.modules_dropped != 0) {
        log_line("%u boot modules are left out: the VMM takes %u", platform.boot.modules_dropped, BOOT_MAX_MODULES);
    }
}

static void give_memory(uint64_t at, uint64_t bytes) {
    hpa_t host = frames_take(bytes, UINT64_MAX, MULLION_OWNER_PARTITION, MULLION_AGENT_ID);
    if (host.v == 0 || npt_map(&agent->npt, gpa(at), host, bytes, true) != 0) {
        log_fatal("too little memory: the agent needs %lu MiB in one piece; the machine has %lu MiB in all; add memory",
                  bytes >> 20, platform.ram_bytes >> 20);
    }
    agent->ranges[agent->range_count++] = (struct memory_range){gpa(at), host, bytes};
    for (uint64_t done = 0; done < bytes; done += FRAME_BYTES) { window_scrub(hpa(host.v + done)); }
}

void agent_init(void) {
    find_image();
    agent = partition_create_agent();
    give_memory(0, AGENT_RAM_BYTES);
    give_memory(AGENT_STATE_GPA, AGENT_STATE_BYTES);
    show_modules();
}

static void start(void) {
    ports_reset(agent);
    for (uint64_t done = 0; done < AGENT_RAM_BYTES && started_once; done += FRAME_BYTES) {
        window_scrub(hpa(agent->ranges[0].hpa.v + done));
    }
    int error = partition_write(agent, gpa(image->load_gpa), image, image->image_bytes);
    struct mullion_partition_start entry = {.mode = MULLION_ENTRY_PROTECTED32,
                                            .rip = image->load_gpa + image->entry_offset,
                                            .rbx = MULLION_ABI_VERSION,
                                            .rsi = hvm->hypercall};
    error = error != 0 ? error : partition_start(agent, &entry);
    ASSERT(error == 0);
    started_once = true;
    hvm->vcpu_flush(agent->vcpus[0]);
}

/** The delay doubles with each quick death; after RESTART_LIMIT of them the agent stays down. */
static void plan_restart(void) {
    bool calm = rdtsc() - agent->start_tsc > tsc_from_us(RESTART_CALM_US);
    quick_deaths = calm ? 1 : quick_deaths + 1;
    if (quick_deaths > RESTART_LIMIT) {
        log_line("agent died %u times in a row and stays down; partitions run on; restart the machine to manage it",
                 quick_deaths);
        restart_at = TSC_NEVER;
        return;
    }
    uint64_t delay = (uint64_t)RESTART_FIRST_US << (quick_deaths - 1);
    delay = delay > RESTART_LONGEST_US ? RESTART_LONGEST_US : delay;
    log_line("agent died: reason %u, detail 0x%lx, RIP 0x%lx; restart in %lu ms; partitions run on", agent->reason,
             agent->reason_detail, agent->reason_rip, delay / 1000);
    restart_at = rdtsc() + tsc_from_us(delay);
    loading_close(NULL);
}

void agent_look_after(void) {
    if (!started_once) {
        start();
    } else if (agent->state != MULLION_STATE_STOPPED || restart_at == TSC_NEVER) {
        return;
    } else if (restart_at == 0) {
        plan_restart();
    } else if (rdtsc() >= restart_at) {
        restart_at = 0;
        generation++;
        agent->state = MULLION_STATE_DEFINED;
        start();
    }
}
