/* SPDX-License-Identifier: MIT */
/*
 * Every request is copied in once, checked, acted upon and copied back. The table is the whole list of calls.
 */
#include "core/hypercall.h"

#include "core/agent.h"
#include "core/console.h"
#include "core/event.h"
#include "core/frames.h"
#include "core/lib.h"
#include "core/loading.h"
#include "core/log.h"
#include "core/platform.h"
#include "core/pool.h"
#include "mullion/machine.h"
#include "x86/apic.h"
#include "x86/hvm.h"
#include "x86/pci_host.h"
#include "x86/reset.h"
#include "x86/tsc.h"

#define BUFFER_MAX_BYTES 65536u
#define CHUNK_BYTES      1024u

/** A request in the VMM's own copy. */
union request {
    struct mullion_platform_info platform_info;
    struct mullion_cpu_info cpu_info;
    struct mullion_memory_info memory_info;
    struct mullion_module_info module_info;
    struct mullion_pci_info pci_info;
    struct mullion_partition_create create;
    struct mullion_partition_add_memory add_memory;
    struct mullion_partition_ref ref;
    struct mullion_partition_start start;
    struct mullion_partition_info info;
    struct mullion_partition_counters counters;
    struct mullion_buffer buffer;
    struct mullion_event_wait wait;
    struct mullion_host_power_off power_off;
    struct mullion_host_reset reset;
    struct mullion_agent_exit agent_exit;
};

typedef int call_handler(union request *request);

/** The agent's vCPU; it has just one. */
static struct vcpu *caller;

static int call_platform_info(union request *request) {
    struct mullion_platform_info *info = &request->platform_info;
    *info = (struct mullion_platform_info){
        .abi_version = MULLION_ABI_VERSION,
        .dma_isolation = MULLION_DMA_NONE,
        .tsc_khz = tsc_khz(),
        .boot_tsc = tsc_at_boot(),
        .boot_epoch_s = tsc_boot_epoch(),
        .window_gpa = platform.window_gpa,
        .state_gpa = AGENT_STATE_GPA,
        .state_bytes = AGENT_STATE_BYTES,
        .agent_ram_bytes = AGENT_RAM_BYTES,
        .vmm_bytes = pool_bytes() + FRAME_BYTES,
        .ram_bytes = platform.ram_bytes,
        .sleep_cnt_port = platform.acpi.pm1a_control,
        .cpu_count = cpu_count(),
        .module_count = agent_module_count(),
        .pci_count = pci_host_count(),
        .agent_generation = agent_generation(),
        .phys_bits = platform.phys_bits,
        .host_x2apic = apic_is_x2apic(),
        .tsc_reliable = tsc_reliable(),
    };
    text_copy(info->backend, hvm->name, sizeof info->backend);
    text_copy(info->version, MULLION_VERSION, sizeof info->version);
    console_describe(info->consoles, sizeof info->consoles);
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid_regs r = cpuid(0x80000002 + i, 0);
        memcpy(info->cpu_brand + (size_t)i * 16, &r, sizeof r);
    }
    return 0;
}

static int call_cpu_info(union request *request) {
    struct mullion_cpu_info *info = &request->cpu_info;
    if (info->index >= cpu_count()) { return -MULLION_E_RANGE; }
    const struct cpu *cpu = cpu_at(info->index);
    info->apic_id = cpu->apic_id;
    info->state = !cpu->started ? MULLION_CPU_NOT_STARTED : (cpu->owner != NULL) ? MULLION_CPU_OWNED : MULLION_CPU_FREE;
    info->partition = cpu->owner != NULL ? cpu->owner->partition->id : 0;
    return 0;
}

static int call_memory_info(union request *request) {
    struct mullion_memory_info *info = &request->memory_info;
    struct frame_run run;
    if (!frames_run(info->index, &run)) { return -MULLION_E_RANGE; }
    info->owner = run.owner;
    info->partition = run.partition;
    info->zero = 0;
    info->hpa = run.start.v;
    info->bytes = run.bytes;
    return 0;
}

static int call_module_info(union request *request) { return agent_module_info(&request->module_info); }

static int call_pci_info(union request *request) {
    if (request->pci_info.index >= pci_host_count()) { return -MULLION_E_RANGE; }
    pci_host_info(&request->pci_info);
    return 0;
}

static int call_create(union request *request) { return partition_create(&request->create); }

/** A partition that the agent may act upon: not the agent itself. */
static int find_target(uint32_t id, struct partition **p) {
    *p = partition_find(id);
    return *p == NULL ? -MULLION_E_NO_PARTITION : id == MULLION_AGENT_ID ? -MULLION_E_PERMISSION : 0;
}

static int call_add_memory(union request *request) {
    struct partition *p;
    int error = find_target(request->add_memory.id, &p);
    return error != 0 ? error : partition_add_memory(&request->add_memory);
}

static int call_start(union request *request) {
    struct partition *p;
    int error = find_target(request->start.id, &p);
    return error != 0 ? error : partition_start(p, &request->start);
}

/** The calls that name just a partition share their checks. */
static int on_partition(const union request *request, int (*action)(struct partition *)) {
    struct partition *p;
    int error = find_target(request->ref.id, &p);
    if (error == 0 && request->ref.zero != 0) { error = -MULLION_E_NOT_ZERO; }
    return error != 0 ? error : action(p);
}

static int close_window(struct partition *p) { return loading_close(p); }

#define PARTITION_CALL(name, action)                                                                                   \
    static int name(union request *request) { return on_partition(request, action); }

PARTITION_CALL(call_window_open, loading_open)
PARTITION_CALL(call_window_close, close_window)
PARTITION_CALL(call_stop, partition_stop)
PARTITION_CALL(call_pause, partition_pause)
PARTITION_CALL(call_resume, partition_resume)
PARTITION_CALL(call_reset, partition_reset)
PARTITION_CALL(call_destroy, partition_destroy)
PARTITION_CALL(call_power_button, partition_power_button)

static int call_info(union request *request) {
    const struct partition *p = partition_find(request->info.id);
    struct mullion_partition_info *info = &request->info;
    if (p == NULL) { return -MULLION_E_NO_PARTITION; }
    *info = (struct mullion_partition_info){.id = p->id,
                                            .state = p->state,
                                            .reason = p->reason,
                                            .reason_vcpu = p->reason_vcpu,
                                            .reason_detail = p->reason_detail,
                                            .reason_rip = p->reason_rip,
                                            .start_count = p->start_count,
                                            .start_tsc = p->start_tsc,
                                            .console_first = uart_output_first(&p->uart),
                                            .console_next = p->uart.output_next,
                                            .vcpu_count = p->vcpu_count,
                                            .range_count = p->range_count};
    text_copy(info->name, p->name, sizeof info->name);
    for (uint32_t i = 0; i < p->vcpu_count; i++) { info->cpus[i] = p->vcpus[i]->cpu->index; }
    for (uint32_t i = 0; i < p->range_count; i++) {
        info->ranges[i].gpa = p->ranges[i].gpa.v;
        info->ranges[i].hpa = p->ranges[i].hpa.v;
        info->ranges[i].bytes = p->ranges[i].bytes;
        info->memory_bytes += p->ranges[i].bytes;
    }
    return 0;
}

static int call_counters(union request *request) {
    struct mullion_partition_counters *counters = &request->counters;
    uint32_t id = counters->id;
    uint32_t index = counters->vcpu;
    const struct partition *p = partition_find(id);
    if (p == NULL || index >= p->vcpu_count) { return p == NULL ? -MULLION_E_NO_PARTITION : -MULLION_E_RANGE; }
    *counters = p->vcpus[index]->counters;
    counters->id = id;
    counters->vcpu = index;
    return 0;
}

/* ---- calls with a buffer ---- */

static int check_buffer(const struct mullion_buffer *buffer) {
    if (buffer->bytes == 0 || buffer->bytes > BUFFER_MAX_BYTES) { return -MULLION_E_RANGE; }
    return (buffer->zero | buffer->zero2) != 0 ? -MULLION_E_NOT_ZERO : 0;
}

/** Where bytes come from: reads up to `count` at *offset (which it may move up) and returns how many. */
typedef size_t byte_source(void *context, uint64_t *offset, uint8_t *bytes, size_t count);

/** Moves bytes from a source into the caller's buffer, piece by piece. */
static int fill_buffer(struct mullion_buffer *buffer, byte_source *source, void *context) {
    uint8_t chunk[CHUNK_BYTES];
    uint32_t wanted = buffer->bytes;
    uint64_t offset = buffer->offset;
    buffer->bytes = 0;
    for (bool first = true; buffer->bytes < wanted; first = false) {
        uint32_t room = wanted - buffer->bytes < CHUNK_BYTES ? wanted - buffer->bytes : CHUNK_BYTES;
        uint64_t asked = offset;
        size_t count = source(context, &offset, chunk, room);
        if (first) {
            buffer->offset = offset;
        } else if (offset != asked) {
            break; /* bytes were lost in between: the next call begins after the gap */
        }
        if (count == 0) { break; }
        int error = partition_write(caller->partition, gpa(buffer->gpa + buffer->bytes), chunk, count);
        if (error != 0) { return error; }
        buffer->bytes += (uint32_t)count;
        offset += count;
    }
    return 0;
}

static size_t console_source(void *context, uint64_t *offset, uint8_t *bytes, size_t count) {
    struct partition *p = context;
    spin_lock(&p->device_lock);
    size_t copied = uart_output(&p->uart, offset, bytes, count);
    spin_unlock(&p->device_lock);
    return copied;
}

static size_t log_source(void *context, uint64_t *offset, uint8_t *bytes, size_t count) {
    return log_read(offset, bytes, count);
}

static size_t host_source(void *context, uint64_t *offset, uint8_t *bytes, size_t count) {
    return console_read(bytes, count);
}

static int call_console_read(union request *request) {
    struct partition *p;
    int error = find_target(request->buffer.id, &p);
    error = error != 0 ? error : check_buffer(&request->buffer);
    return error != 0 ? error : fill_buffer(&request->buffer, console_source, p);
}

static int call_log_read(union request *request) {
    int error = check_buffer(&request->buffer);
    return error != 0 ? error : fill_buffer(&request->buffer, log_source, NULL);
}

static int call_host_console_read(union request *request) {
    int error = check_buffer(&request->buffer);
    return error != 0 ? error : fill_buffer(&request->buffer, host_source, NULL);
}

static size_t console_input(struct partition *p, const uint8_t *bytes, size_t count) {
    spin_lock(&p->device_lock);
    size_t taken = uart_input(&p->uart, bytes, count);
    if (uart_edge(&p->uart)) { partition_interrupt_pin(p, MACHINE_GSI_UART); }
    spin_unlock(&p->device_lock);
    return taken;
}

static int call_console_write(union request *request) {
    struct mullion_buffer *buffer = &request->buffer;
    uint8_t chunk[CHUNK_BYTES];
    struct partition *p;
    int error = find_target(buffer->id, &p);
    error = error != 0 ? error : check_buffer(buffer);
    size_t count = buffer->bytes < CHUNK_BYTES ? buffer->bytes : CHUNK_BYTES;
    error = error != 0 ? error : partition_read(caller->partition, gpa(buffer->gpa), chunk, count);
    if (error == 0) { buffer->bytes = (uint32_t)console_input(p, chunk, count); }
    return error;
}

static int call_host_console_write(union request *request) {
    struct mullion_buffer *buffer = &request->buffer;
    uint8_t chunk[CHUNK_BYTES];
    size_t room = console_room();
    int error = check_buffer(buffer);
    size_t count = buffer->bytes < CHUNK_BYTES ? buffer->bytes : CHUNK_BYTES;
    count = count < room ? count : room;
    error = error != 0 ? error : partition_read(caller->partition, gpa(buffer->gpa), chunk, count);
    if (error == 0) {
        console_write((const char *)chunk, count);
        buffer->bytes = (uint32_t)count;
    }
    return error;
}

/* ---- waiting and ending ---- */

static int call_event_wait(union request *request) {
    caller->waiting = true;
    caller->wait_deadline = request->wait.deadline_tsc;
    return 0;
}

bool hypercall_event_wait_done(struct vcpu *vcpu) {
    bool timeout = vcpu->wait_deadline != TSC_NEVER && rdtsc() >= vcpu->wait_deadline;
    if (!event_pending() && !timeout) { return false; }
    struct mullion_event_wait wait = {.deadline_tsc = vcpu->wait_deadline};
    event_collect(&wait);
    wait.events |= (wait.events | wait.state_mask | wait.console_mask) == 0 ? MULLION_EVENT_TIMEOUT : 0;
    int error = partition_write(vcpu->partition, vcpu->wait_request, &wait, sizeof wait);
    vcpu->waiting = false;
    vcpu->gpr[RAX] = (uint64_t)(int64_t)error;
    return true;
}

static int call_host_reset(union request *request) {
    if (request->reset.zero != 0) { return -MULLION_E_NOT_ZERO; }
    log_line("the agent resets the machine");
    reset_machine(&platform.acpi);
}

static int call_host_power_off(union request *request) {
    const struct mullion_host_power_off *off = &request->power_off;
    if (off->slp_typa > 7 || off->slp_typb > 7) { return -MULLION_E_RANGE; }
    log_line("the agent switches the machine off");
    return reset_power_off(&platform.acpi, off->slp_typa, off->slp_typb);
}

static int call_agent_exit(union request *request) {
    request->agent_exit.text[MULLION_TEXT_BYTES - 1] = 0;
    log_line("agent ended itself (code %u): %s", request->agent_exit.code, request->agent_exit.text);
    partition_end(caller, MULLION_REASON_AGENT_EXIT, request->agent_exit.code);
    return 0;
}

static const struct {
    call_handler *handler;
    uint32_t bytes;
} calls[MULLION_CALL_COUNT] = {
    [MULLION_CALL_PLATFORM_INFO] = {call_platform_info, sizeof(struct mullion_platform_info)},
    [MULLION_CALL_CPU_INFO] = {call_cpu_info, sizeof(struct mullion_cpu_info)},
    [MULLION_CALL_MEMORY_INFO] = {call_memory_info, sizeof(struct mullion_memory_info)},
    [MULLION_CALL_MODULE_INFO] = {call_module_info, sizeof(struct mullion_module_info)},
    [MULLION_CALL_PCI_INFO] = {call_pci_info, sizeof(struct mullion_pci_info)},
    [MULLION_CALL_PARTITION_CREATE] = {call_create, sizeof(struct mullion_partition_create)},
    [MULLION_CALL_PARTITION_ADD_MEMORY] = {call_add_memory, sizeof(struct mullion_partition_add_memory)},
    [MULLION_CALL_WINDOW_OPEN] = {call_window_open, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_WINDOW_CLOSE] = {call_window_close, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_START] = {call_start, sizeof(struct mullion_partition_start)},
    [MULLION_CALL_PARTITION_STOP] = {call_stop, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_PAUSE] = {call_pause, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_RESUME] = {call_resume, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_RESET] = {call_reset, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_DESTROY] = {call_destroy, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_POWER_BUTTON] = {call_power_button, sizeof(struct mullion_partition_ref)},
    [MULLION_CALL_PARTITION_INFO] = {call_info, sizeof(struct mullion_partition_info)},
    [MULLION_CALL_PARTITION_COUNTERS] = {call_counters, sizeof(struct mullion_partition_counters)},
    [MULLION_CALL_CONSOLE_READ] = {call_console_read, sizeof(struct mullion_buffer)},
    [MULLION_CALL_CONSOLE_WRITE] = {call_console_write, sizeof(struct mullion_buffer)},
    [MULLION_CALL_HOST_CONSOLE_READ] = {call_host_console_read, sizeof(struct mullion_buffer)},
    [MULLION_CALL_HOST_CONSOLE_WRITE] = {call_host_console_write, sizeof(struct mullion_buffer)},
    [MULLION_CALL_EVENT_WAIT] = {call_event_wait, sizeof(struct mullion_event_wait)},
    [MULLION_CALL_LOG_READ] = {call_log_read, sizeof(struct mullion_buffer)},
    [MULLION_CALL_HOST_RESET] = {call_host_reset, sizeof(struct mullion_host_reset)},
    [MULLION_CALL_HOST_POWER_OFF] = {call_host_power_off, sizeof(struct mullion_host_power_off)},
    [MULLION_CALL_AGENT_EXIT] = {call_agent_exit, sizeof(struct mullion_agent_exit)},
};

static int check_caller(const struct vcpu *vcpu) {
    struct hvm_code code = hvm->code(vcpu);
    if (vcpu->partition->id != MULLION_AGENT_ID || code.cpl != 0) { return -MULLION_E_PERMISSION; }
    return code.long_mode ? 0 : -MULLION_E_CALLER_MODE;
}

static int dispatch(struct vcpu *vcpu, uint64_t number, gpa_t at) {
    union request request;
    if (number >= MULLION_CALL_COUNT) { return -MULLION_E_UNKNOWN_CALL; }
    if (at.v % 4 != 0) { return -MULLION_E_BAD_ADDRESS; }
    int error = partition_read(vcpu->partition, at, &request, calls[number].bytes);
    if (error != 0) { return error; }
    vcpu->wait_request = at;
    caller = vcpu;
    error = calls[number].handler(&request);
    int copied = partition_write(vcpu->partition, at, &request, calls[number].bytes);
    return error != 0 ? error : copied;
}

void hypercall_handle(struct vcpu *vcpu) {
    int error = check_caller(vcpu);
    if (error != 0) {
        vcpu->counters.refused_hypercalls++;
    } else {
        error = dispatch(vcpu, vcpu->gpr[RAX], gpa(vcpu->gpr[RDI]));
    }
    vcpu->gpr[RAX] = (uint64_t)(int64_t)error;
}
