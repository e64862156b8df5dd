/* SPDX-License-Identifier: MIT */
#include "os/linux/model.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "os/linux/model_internal.h"
#include "os/os.h"

#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
#define WINDOW_BYTES (8ull << 30)
#define STATE_BYTES  0x200000u
#define TSC_KHZ      1000000u
#define FRAME        MULLION_FRAME_BYTES

struct guest {
    struct mullion_partition_info info;
    struct mullion_partition_start entry;
    char output[4096];
    char input[1024];
    size_t input_used;
};

static struct {
    struct mullion_platform_info platform;
    struct mullion_cpu_info cpus[MODEL_MAX_CPUS];
    struct mullion_module_info modules[MODEL_MAX_MODULES];
    uint8_t owner[MODEL_FRAMES], partition[MODEL_FRAMES];
    struct guest guests[MULLION_MAX_PARTITIONS];
    uint32_t shown;       /* partition in the window, 0: none */
    uint32_t shares_cpu0; /* partition, 0: none */
    struct mullion_event_wait events;
    enum model_power power;
    uint64_t advanced_ms;
    unsigned calls_to_death; /* 0: it lives */
    bool death_after_call;
    jmp_buf *death;
} vmm;

static uint8_t state_area[STATE_BYTES];
static uint8_t *window;
static int ram = -1;

/* ---- what tests do
 * ----------------------------------------------------------------------------------------- */

static void window_hide(void)
{
    void *at =
        mmap(window, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (at == MAP_FAILED) {
        perror("model: window");
        exit(1);
    }
    vmm.shown = 0;
}

static void memory_make(void)
{
    if (ram < 0) {
        ram = memfd_create("mullion-ram", 0);
        void *at = mmap(NULL, WINDOW_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (ram < 0 || at == MAP_FAILED) {
            perror("model: memory");
            exit(1);
        }
        window = at;
    }
    if (ftruncate(ram, 0) != 0 || ftruncate(ram, (off_t)(MODEL_FRAMES * FRAME)) != 0) {
        perror("model: memory");
        exit(1);
    }
    window_hide();
}

void model_boot(unsigned cpu_count)
{
    memory_make();
    memset(&vmm, 0, sizeof(vmm));
    console_boot();
    ports_boot();
    memset(state_area, 0, sizeof(state_area));
    memset(vmm.owner, MULLION_OWNER_FREE, sizeof(vmm.owner));
    vmm.platform = (struct mullion_platform_info){
        .abi_version = MULLION_ABI_VERSION,
        .tsc_khz = TSC_KHZ,
        .boot_tsc = os_tsc(),
        .window_gpa = (uintptr_t)window,
        .state_gpa = (uintptr_t)state_area,
        .state_bytes = STATE_BYTES,
        .agent_ram_bytes = 32u << 20,
        .vmm_bytes = 8u << 20,
        .ram_bytes = MODEL_FRAMES * FRAME,
        .sleep_cnt_port = 0x604,
        .cpu_count = cpu_count,
        .phys_bits = 40,
        .tsc_reliable = 1,
        .backend = "model",
        .version = "model",
    };
    for (uint32_t i = 0; i < cpu_count; i++) {
        vmm.cpus[i] = (struct mullion_cpu_info){
            .index = i, .apic_id = i, .state = i == 0 ? MULLION_CPU_OWNED : MULLION_CPU_FREE};
    }
}

void model_restart_agent(void)
{
    window_hide();
    ports_reset(MULLION_AGENT_ID);
    vmm.platform.agent_generation++;
}

void model_die_at(unsigned call, bool after, jmp_buf *where)
{
    vmm.calls_to_death = call;
    vmm.death_after_call = after;
    vmm.death = where;
}

void model_break_cpu(unsigned cpu)
{
    vmm.cpus[cpu].state = MULLION_CPU_NOT_STARTED;
}

void model_set_dirty(unsigned first_frame, unsigned count)
{
    memset(vmm.owner + first_frame, MULLION_OWNER_DIRTY, count);
}

void model_scrub(void)
{
    for (unsigned i = 0; i < MODEL_FRAMES; i++) {
        vmm.owner[i] = vmm.owner[i] == MULLION_OWNER_DIRTY ? MULLION_OWNER_FREE : vmm.owner[i];
    }
    vmm.events.events |= MULLION_EVENT_SCRUBBED;
}

void model_add_module(const char *text, const void *data, size_t bytes)
{
    struct mullion_module_info *module = &vmm.modules[vmm.platform.module_count++];
    module->gpa = (uintptr_t)data;
    module->bytes = bytes;
    snprintf(module->name, sizeof(module->name), "%s", text);
}

static void state_set(struct guest *guest, enum mullion_partition_state state)
{
    guest->info.state = state;
    if (state != MULLION_STATE_RUNNING && state != MULLION_STATE_PAUSED) {
        ports_reset(guest->info.id);
    }
    vmm.events.state_mask |= 1ull << guest->info.id;
}

void model_end_partition(uint32_t id, enum mullion_stop_reason reason, uint64_t detail)
{
    vmm.guests[id].info.reason = reason;
    vmm.guests[id].info.reason_detail = detail;
    state_set(&vmm.guests[id], MULLION_STATE_STOPPED);
}

void model_guest_output(uint32_t id, const char *text)
{
    struct guest *guest = &vmm.guests[id];
    for (; *text != 0; text++) {
        guest->output[guest->info.console_next++ % sizeof(guest->output)] = *text;
    }
    if (guest->info.console_next - guest->info.console_first > sizeof(guest->output)) {
        guest->info.console_first = guest->info.console_next - sizeof(guest->output);
    }
    vmm.events.console_mask |= 1ull << id;
}

const char *model_guest_input(uint32_t id)
{
    struct guest *guest = &vmm.guests[id];
    guest->input[guest->input_used] = 0;
    guest->input_used = 0;
    return guest->input;
}

enum model_power model_power(void)
{
    return vmm.power;
}

const struct mullion_partition_start *model_entry(uint32_t id)
{
    return &vmm.guests[id].entry;
}

uint8_t *model_memory(uint32_t id, uint64_t gpa)
{
    static uint8_t *frame;
    const struct mullion_partition_info *info = &vmm.guests[id].info;
    for (uint32_t i = 0; i < info->range_count; i++) {
        if (gpa >= info->ranges[i].gpa && gpa - info->ranges[i].gpa < info->ranges[i].bytes) {
            uint64_t hpa = info->ranges[i].hpa + (gpa - info->ranges[i].gpa);
            if (frame != NULL) {
                munmap(frame, FRAME);
            }
            frame = mmap(NULL, FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, ram, (off_t)(hpa & ~(FRAME - 1)));
            return frame == MAP_FAILED ? NULL : frame + hpa % FRAME;
        }
    }
    return NULL;
}

/* ---- calls
 * ------------------------------------------------------------------------------------------------- */

enum mullion_partition_state model_state(uint32_t id)
{
    return id < MULLION_MAX_PARTITIONS ? (enum mullion_partition_state)vmm.guests[id].info.state
                                       : MULLION_STATE_NONE;
}

uint32_t model_sharer(void)
{
    return vmm.shares_cpu0;
}

struct mullion_event_wait *model_events(void)
{
    return &vmm.events;
}

void model_count_pci(uint32_t count)
{
    vmm.platform.pci_count = count;
}

void model_advance(uint64_t ms)
{
    vmm.advanced_ms += ms;
}

static int guest_find(uint32_t id, struct guest **guest)
{
    if (id == MULLION_AGENT_ID || id >= MULLION_MAX_PARTITIONS ||
        vmm.guests[id].info.state == MULLION_STATE_NONE) {
        return -MULLION_E_NO_PARTITION;
    }
    *guest = &vmm.guests[id];
    return 0;
}

static int call_platform(void *request)
{
    memcpy(request, &vmm.platform, sizeof(vmm.platform));
    return 0;
}

static int call_cpu(void *request)
{
    struct mullion_cpu_info *info = request;
    if (info->index >= vmm.platform.cpu_count) {
        return -MULLION_E_RANGE;
    }
    *info = vmm.cpus[info->index];
    return 0;
}

static int call_memory(void *request)
{
    struct mullion_memory_info *info = request;
    unsigned at = 0;
    for (uint32_t run = 0; at < MODEL_FRAMES; run++) {
        unsigned end = at;
        while (end < MODEL_FRAMES && vmm.owner[end] == vmm.owner[at] &&
               vmm.partition[end] == vmm.partition[at]) {
            end++;
        }
        if (run == info->index) {
            info->owner = vmm.owner[at];
            info->partition = vmm.partition[at];
            info->hpa = at * FRAME;
            info->bytes = (end - at) * FRAME;
            return 0;
        }
        at = end;
    }
    return -MULLION_E_RANGE;
}

static int call_module(void *request)
{
    struct mullion_module_info *info = request;
    uint32_t index = info->index;
    if (index >= vmm.platform.module_count) {
        return -MULLION_E_RANGE;
    }
    *info = vmm.modules[index];
    info->index = index;
    return 0;
}

static int cpu_check(struct mullion_partition_create *create, uint32_t at)
{
    uint32_t cpu = create->cpus[at];
    create->failed_cpu = cpu;
    for (uint32_t i = 0; i < at; i++) {
        if (create->cpus[i] == cpu) {
            return -MULLION_E_CPU_TWICE;
        }
    }
    if (cpu >= vmm.platform.cpu_count) {
        return -MULLION_E_CPU_UNKNOWN;
    }
    create->failed_owner = vmm.cpus[cpu].partition;
    if (create->flags == MULLION_CREATE_SHARES_CPU0) {
        return create->vcpu_count != 1 || cpu != 0 ? -MULLION_E_RANGE
               : vmm.shares_cpu0 != 0              ? -MULLION_E_CPU_BUSY
                                                   : 0;
    }
    return vmm.cpus[cpu].state == MULLION_CPU_FREE          ? 0
           : vmm.cpus[cpu].state == MULLION_CPU_NOT_STARTED ? -MULLION_E_CPU_NOT_STARTED
                                                            : -MULLION_E_CPU_BUSY;
}

static int name_check(const char *name, uint32_t *free_id)
{
    *free_id = 0;
    for (uint32_t id = MULLION_MAX_PARTITIONS - 1; id > 0; id--) {
        const struct mullion_partition_info *info = &vmm.guests[id].info;
        if (info->state == MULLION_STATE_NONE) {
            *free_id = id;
        } else if (strcmp(info->name, name) == 0) {
            return -MULLION_E_NAME;
        }
    }
    return *free_id == 0 ? -MULLION_E_PARTITION_LIMIT : 0;
}

static int call_create(void *request)
{
    struct mullion_partition_create *create = request;
    uint32_t id;
    int error = name_check(create->name, &id);
    if (create->vcpu_count < 1 || create->vcpu_count > MULLION_MAX_VCPUS) {
        error = -MULLION_E_RANGE;
    }
    for (uint32_t i = 0; error == 0 && i < create->vcpu_count; i++) {
        error = cpu_check(create, i);
    }
    if (error != 0) {
        return error;
    }
    struct guest *guest = &vmm.guests[id];
    *guest = (struct guest){.info = {.id = id, .vcpu_count = create->vcpu_count}};
    memcpy(guest->info.name, create->name, sizeof(guest->info.name));
    if (create->flags == MULLION_CREATE_SHARES_CPU0) {
        vmm.shares_cpu0 = id;
    }
    for (uint32_t i = 0; i < create->vcpu_count && vmm.shares_cpu0 != id; i++) {
        guest->info.cpus[i] = create->cpus[i];
        vmm.cpus[create->cpus[i]].state = MULLION_CPU_OWNED;
        vmm.cpus[create->cpus[i]].partition = id;
    }
    create->id = id;
    state_set(guest, MULLION_STATE_DEFINED);
    return 0;
}

static int frames_check(struct mullion_partition_add_memory *add)
{
    for (uint64_t at = add->hpa; at < add->hpa + add->bytes; at += FRAME) {
        uint64_t frame = at / FRAME;
        add->failed_hpa = at;
        if (frame >= MODEL_FRAMES) {
            return -MULLION_E_MEMORY_NOT_RAM;
        }
        if (vmm.owner[frame] != MULLION_OWNER_FREE) {
            add->failed_owner = (uint32_t)vmm.owner[frame] << 16 | vmm.partition[frame];
            return vmm.owner[frame] == MULLION_OWNER_DIRTY ? -MULLION_E_MEMORY_DIRTY : -MULLION_E_MEMORY_BUSY;
        }
    }
    return 0;
}

static int add_check(const struct mullion_partition_add_memory *add, const struct guest *guest)
{
    if (guest->info.state != MULLION_STATE_DEFINED) {
        return -MULLION_E_STATE;
    }
    if (guest->info.range_count == MULLION_MAX_RANGES) {
        return -MULLION_E_RANGE_LIMIT;
    }
    if (add->bytes == 0 || (add->gpa | add->hpa | add->bytes) % FRAME != 0) {
        return -MULLION_E_MEMORY_ALIGN;
    }
    for (uint32_t i = 0; i < guest->info.range_count; i++) {
        if (add->gpa < guest->info.ranges[i].gpa + guest->info.ranges[i].bytes &&
            guest->info.ranges[i].gpa < add->gpa + add->bytes) {
            return -MULLION_E_GPA_OVERLAP;
        }
    }
    return 0;
}

static int call_add_memory(void *request)
{
    struct mullion_partition_add_memory *add = request;
    struct guest *guest;
    int error = guest_find(add->id, &guest);
    error = error != 0 ? error : add_check(add, guest);
    error = error != 0 ? error : frames_check(add);
    if (error != 0) {
        return error;
    }
    memset(vmm.owner + add->hpa / FRAME, MULLION_OWNER_PARTITION, add->bytes / FRAME);
    memset(vmm.partition + add->hpa / FRAME, (int)add->id, add->bytes / FRAME);
    guest->info.ranges[guest->info.range_count].gpa = add->gpa;
    guest->info.ranges[guest->info.range_count].hpa = add->hpa;
    guest->info.ranges[guest->info.range_count++].bytes = add->bytes;
    guest->info.memory_bytes += add->bytes;
    return 0;
}

static int window_open(struct guest *guest)
{
    if (guest->info.state != MULLION_STATE_DEFINED || vmm.shown != 0) {
        return -MULLION_E_STATE;
    }
    for (uint32_t i = 0; i < guest->info.range_count; i++) {
        void *at =
            mmap(window + guest->info.ranges[i].gpa, guest->info.ranges[i].bytes, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, ram, (off_t)guest->info.ranges[i].hpa);
        if (at == MAP_FAILED) {
            return -MULLION_E_POOL;
        }
    }
    vmm.shown = guest->info.id;
    return 0;
}

static int window_close(struct guest *guest)
{
    if (vmm.shown != guest->info.id) {
        return -MULLION_E_STATE;
    }
    window_hide();
    return 0;
}

static int call_start(void *request)
{
    const struct mullion_partition_start *start = request;
    struct guest *guest;
    int error = guest_find(start->id, &guest);
    if (error != 0 || guest->info.state != MULLION_STATE_DEFINED) {
        return error != 0 ? error : -MULLION_E_STATE;
    }
    if (vmm.shown == start->id) {
        window_hide();
    }
    guest->entry = *start;
    guest->info.start_count++;
    guest->info.start_tsc = os_tsc();
    guest->info.reason = MULLION_REASON_NONE;
    state_set(guest, MULLION_STATE_RUNNING);
    return 0;
}

static bool is_alive(const struct guest *guest)
{
    return guest->info.state == MULLION_STATE_RUNNING || guest->info.state == MULLION_STATE_PAUSED;
}

static int stop(struct guest *guest)
{
    if (!is_alive(guest)) {
        return -MULLION_E_STATE;
    }
    model_end_partition(guest->info.id, MULLION_REASON_REQUESTED, 0);
    return 0;
}

static int pause_(struct guest *guest)
{
    if (guest->info.state != MULLION_STATE_RUNNING) {
        return -MULLION_E_STATE;
    }
    state_set(guest, MULLION_STATE_PAUSED);
    return 0;
}

static int resume(struct guest *guest)
{
    if (guest->info.state != MULLION_STATE_PAUSED) {
        return -MULLION_E_STATE;
    }
    state_set(guest, MULLION_STATE_RUNNING);
    return 0;
}

static int reset(struct guest *guest)
{
    state_set(guest, MULLION_STATE_DEFINED);
    return 0;
}

static int destroy(struct guest *guest)
{
    if (vmm.shown == guest->info.id) {
        window_hide();
    }
    ports_free(guest->info.id);
    vmm.shares_cpu0 = vmm.shares_cpu0 == guest->info.id ? 0 : vmm.shares_cpu0;
    for (uint32_t i = 0; i < guest->info.vcpu_count && guest->info.cpus[i] != 0; i++) {
        vmm.cpus[guest->info.cpus[i]].state = MULLION_CPU_FREE;
        vmm.cpus[guest->info.cpus[i]].partition = 0;
    }
    for (unsigned i = 0; i < MODEL_FRAMES; i++) {
        if (vmm.owner[i] == MULLION_OWNER_PARTITION && vmm.partition[i] == guest->info.id) {
            vmm.owner[i] = MULLION_OWNER_DIRTY;
            vmm.partition[i] = 0;
        }
    }
    *guest = (struct guest){.input_used = 0};
    return 0;
}

static int power_button(struct guest *guest)
{
    return guest->info.state == MULLION_STATE_RUNNING ? 0 : -MULLION_E_STATE;
}

static int on_guest(void *request, int (*action)(struct guest *))
{
    const struct mullion_partition_ref *ref = request;
    struct guest *guest;
    int error = guest_find(ref->id, &guest);
    return error != 0 ? error : action(guest);
}

static int call_open(void *request)
{
    return on_guest(request, window_open);
}

static int call_close(void *request)
{
    return on_guest(request, window_close);
}

static int call_stop(void *request)
{
    return on_guest(request, stop);
}

static int call_pause(void *request)
{
    return on_guest(request, pause_);
}

static int call_resume(void *request)
{
    return on_guest(request, resume);
}

static int call_reset(void *request)
{
    return on_guest(request, reset);
}

static int call_destroy(void *request)
{
    return on_guest(request, destroy);
}

static int call_power_button(void *request)
{
    return on_guest(request, power_button);
}

static int call_info(void *request)
{
    struct mullion_partition_info *info = request;
    struct guest *guest;
    int error = guest_find(info->id, &guest);
    if (error == 0) {
        *info = guest->info;
    }
    return error;
}

static int call_counters(void *request)
{
    struct mullion_partition_counters *counters = request;
    struct guest *guest;
    int error = guest_find(counters->id, &guest);
    if (error == 0 && counters->vcpu >= guest->info.vcpu_count) {
        error = -MULLION_E_RANGE;
    }
    return error;
}

static int call_console_read(void *request)
{
    struct mullion_buffer *buffer = request;
    struct guest *guest;
    int error = guest_find(buffer->id, &guest);
    if (error != 0) {
        return error;
    }
    const struct mullion_partition_info *info = &guest->info;
    buffer->offset = buffer->offset < info->console_first ? info->console_first : buffer->offset;
    uint32_t moved = 0;
    for (uint64_t at = buffer->offset; at < info->console_next && moved < buffer->bytes; at++) {
        model_buffer(buffer)[moved++] = guest->output[at % sizeof(guest->output)];
    }
    buffer->bytes = moved;
    return 0;
}

static int call_console_write(void *request)
{
    struct mullion_buffer *buffer = request;
    struct guest *guest;
    int error = guest_find(buffer->id, &guest);
    if (error != 0) {
        return error;
    }
    size_t room = sizeof(guest->input) - 1 - guest->input_used;
    buffer->bytes = buffer->bytes < room ? buffer->bytes : (uint32_t)room;
    memcpy(guest->input + guest->input_used, model_buffer(buffer), buffer->bytes);
    guest->input_used += buffer->bytes;
    return 0;
}

static int power(enum model_power what)
{
    vmm.power = what;
    if (model_has_terminal()) {
        exit(0);
    }
    return -MULLION_E_HARDWARE;
}

static int call_host_reset(void *request)
{
    (void)request;
    return power(MODEL_POWER_RESET);
}

static int call_host_power_off(void *request)
{
    const struct mullion_host_power_off *off = request;
    return off->slp_typa > 7 || off->slp_typb > 7 ? -MULLION_E_RANGE : power(MODEL_POWER_OFF);
}

static int call_exit(void *request)
{
    fprintf(stderr, "model: the agent ended itself: %s\n", ((struct mullion_agent_exit *)request)->text);
    exit(1);
}

static int (*const calls[MULLION_CALL_COUNT])(void *request) = {
    [MULLION_CALL_PLATFORM_INFO] = call_platform,
    [MULLION_CALL_CPU_INFO] = call_cpu,
    [MULLION_CALL_MEMORY_INFO] = call_memory,
    [MULLION_CALL_MODULE_INFO] = call_module,
    [MULLION_CALL_PCI_INFO] = call_pci_info,
    [MULLION_CALL_PARTITION_CREATE] = call_create,
    [MULLION_CALL_PARTITION_ADD_MEMORY] = call_add_memory,
    [MULLION_CALL_WINDOW_OPEN] = call_open,
    [MULLION_CALL_WINDOW_CLOSE] = call_close,
    [MULLION_CALL_PARTITION_START] = call_start,
    [MULLION_CALL_PARTITION_STOP] = call_stop,
    [MULLION_CALL_PARTITION_PAUSE] = call_pause,
    [MULLION_CALL_PARTITION_RESUME] = call_resume,
    [MULLION_CALL_PARTITION_RESET] = call_reset,
    [MULLION_CALL_PARTITION_DESTROY] = call_destroy,
    [MULLION_CALL_PARTITION_POWER_BUTTON] = call_power_button,
    [MULLION_CALL_PARTITION_INFO] = call_info,
    [MULLION_CALL_PARTITION_COUNTERS] = call_counters,
    [MULLION_CALL_CONSOLE_READ] = call_console_read,
    [MULLION_CALL_CONSOLE_WRITE] = call_console_write,
    [MULLION_CALL_HOST_CONSOLE_READ] = call_host_read,
    [MULLION_CALL_HOST_CONSOLE_WRITE] = call_host_write,
    [MULLION_CALL_EVENT_WAIT] = call_wait,
    [MULLION_CALL_LOG_READ] = call_log,
    [MULLION_CALL_HOST_RESET] = call_host_reset,
    [MULLION_CALL_HOST_POWER_OFF] = call_host_power_off,
    [MULLION_CALL_AGENT_EXIT] = call_exit,
    [MULLION_CALL_PORT_CREATE] = call_port_create,
    [MULLION_CALL_PORT_CONNECT] = call_port_connect,
    [MULLION_CALL_PORT_DISCONNECT] = call_port_disconnect,
    [MULLION_CALL_PORT_ACKNOWLEDGE] = call_port_acknowledge,
    [MULLION_CALL_PORT_INFO] = call_port_info,
    [MULLION_CALL_PCI_ASSIGN] = call_pci_assign,
};

static void die(void)
{
    vmm.calls_to_death = 0;
    longjmp(*vmm.death, 1);
}

long os_hypercall(enum mullion_call call, void *request)
{
    bool last = vmm.calls_to_death > 0 && --vmm.calls_to_death == 0;
    if (last && !vmm.death_after_call) {
        die();
    }
    long result = (unsigned)call < COUNT(calls) ? calls[call](request) : -MULLION_E_UNKNOWN_CALL;
    if (last) {
        die();
    }
    return result;
}

void *os_map(uint64_t gpa, uint64_t bytes, enum os_access access)
{
    (void)access;
    return bytes > 0 ? (void *)(uintptr_t)gpa : NULL; // NOLINT(performance-no-int-to-ptr)
}

uint64_t os_gpa(const void *object)
{
    return (uintptr_t)object;
}

uint64_t os_tsc(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + vmm.advanced_ms * TSC_KHZ;
}

_Noreturn void os_die(const char *text)
{
    fprintf(stderr, "agent: %s\n", text);
    exit(1);
}
