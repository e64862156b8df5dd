/* SPDX-License-Identifier: MIT */
/*
 * Every request is copied in once, checked, acted upon and copied back. The table is the whole list of calls.
 */
#include "core/core.h"

enum { BUFFER_MAX_BYTES = 65536, CHUNK_BYTES = 16384 };

/** The agent's vCPU; it has just one. */
static struct vcpu *caller;

static int platform_info(struct mullion_platform_info *info) {
    // clang-format off
    *info = (struct mullion_platform_info){
        .abi_version = MULLION_ABI_VERSION, .dma_isolation = MULLION_DMA_NONE,
        .tsc_khz = tsc_khz(), .boot_tsc = tsc_at_boot(), .boot_epoch_s = tsc_boot_epoch(),
        .window_gpa = platform.window_gpa, .state_gpa = AGENT_STATE_GPA, .state_bytes = AGENT_STATE_BYTES,
        .agent_ram_bytes = AGENT_RAM_BYTES, .vmm_bytes = pool_bytes() + FRAME_BYTES, .ram_bytes = platform.ram_bytes,
        .sleep_cnt_port = platform.acpi.pm1a_control,
        .cpu_count = cpu_count(), .module_count = agent_module_count(), .pci_count = pci_host_count(),
        .agent_generation = agent_generation(),
        .phys_bits = platform.phys_bits, .tsc_reliable = tsc_reliable(),
    };
    // clang-format on
    text_copy(info->backend, hvm->name, sizeof info->backend);
    text_copy(info->version, MULLION_VERSION, sizeof info->version);
    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid_regs r = cpuid(0x80000002 + i, 0);
        memcpy(info->cpu_brand + (size_t)i * 16, &r, sizeof r);
    }
    return 0;
}

static int cpu_info(struct mullion_cpu_info *info) {
    if (info->index >= cpu_count()) { return -MULLION_E_RANGE; }
    const struct cpu *cpu = cpu_at(info->index);
    info->apic_id = cpu->apic_id;
    info->state = !cpu->started ? MULLION_CPU_NOT_STARTED : (cpu->owner != NULL) ? MULLION_CPU_OWNED : MULLION_CPU_FREE;
    info->partition = cpu->owner != NULL ? cpu->owner->partition->id : 0;
    return 0;
}

static int pci_info(struct mullion_pci_info *info) {
    if (info->index >= pci_host_count()) { return -MULLION_E_RANGE; }
    pci_host_info(info);
    return 0;
}

static int partition_info(const struct partition *p, struct mullion_partition_info *info) {
    // clang-format off
    *info = (struct mullion_partition_info){
        .id = p->id, .state = p->state, .reason = p->reason, .reason_vcpu = p->reason_vcpu,
        .reason_detail = p->reason_detail, .reason_rip = p->reason_rip,
        .start_count = p->start_count, .start_tsc = p->start_tsc,
        .console_first = uart_output_first(&p->uart), .console_next = p->uart.output_next,
        .vcpu_count = p->vcpu_count, .range_count = p->range_count,
    };
    // clang-format on
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

static int partition_counters(const struct partition *p, struct mullion_partition_counters *counters) {
    uint32_t index = counters->vcpu;
    if (index >= p->vcpu_count) { return -MULLION_E_RANGE; }
    *counters = p->vcpus[index]->counters;
    counters->id = p->id;
    counters->vcpu = index;
    return 0;
}

/* ---- calls with a buffer ---- */

/** Where bytes come from: reads up to `count` at *offset (which it may move up) and returns how many. */
typedef size_t byte_source(struct partition *target, uint64_t *offset, uint8_t *bytes, size_t count);

/** Where bytes go: takes up to `count` and returns how many. */
typedef size_t byte_sink(struct partition *target, const uint8_t *bytes, size_t count);

static size_t console_source(struct partition *target, uint64_t *offset, uint8_t *bytes, size_t count) {
    spin_lock(&target->device_lock);
    size_t copied = uart_output(&target->uart, offset, bytes, count);
    spin_unlock(&target->device_lock);
    return copied;
}

static size_t log_source(struct partition *target, uint64_t *offset, uint8_t *bytes, size_t count) {
    return log_read(offset, bytes, count);
}

static size_t host_source(struct partition *target, uint64_t *offset, uint8_t *bytes, size_t count) {
    return console_read(MULLION_HOST_CONSOLE, offset, bytes, count);
}

static size_t link_source(struct partition *target, uint64_t *offset, uint8_t *bytes, size_t count) {
    return console_read(MULLION_HOST_BYTE_LINK, offset, bytes, count);
}

static size_t console_sink(struct partition *target, const uint8_t *bytes, size_t count) {
    spin_lock(&target->device_lock);
    size_t taken = uart_input(&target->uart, bytes, count);
    if (uart_edge(&target->uart)) { partition_interrupt_pin(target, MACHINE_GSI_UART); }
    spin_unlock(&target->device_lock);
    return taken;
}

static size_t host_sink(struct partition *target, const uint8_t *bytes, size_t count) {
    size_t room = console_room();
    size_t taken = count < room ? count : room;
    console_write((const char *)bytes, taken);
    return taken;
}

static size_t link_sink(struct partition *target, const uint8_t *bytes, size_t count) {
    return byte_link_write(bytes, count);
}

/* ---- waiting and ending ---- */

static int event_wait(const struct mullion_event_wait *wait) {
    caller->waiting = true;
    caller->wait_deadline = wait->deadline_tsc;
    return 0;
}

bool hypercall_event_wait_over(const struct vcpu *vcpu) {
    return event_pending() || (vcpu->wait_deadline != TSC_NEVER && rdtsc() >= vcpu->wait_deadline);
}

bool hypercall_event_wait_done(struct vcpu *vcpu) {
    if (!hypercall_event_wait_over(vcpu)) { return false; }
    struct mullion_event_wait wait = {.deadline_tsc = vcpu->wait_deadline};
    event_collect(&wait);
    wait.events |=
        (wait.events | wait.state_mask | wait.console_mask | wait.port_mask) == 0 ? MULLION_EVENT_TIMEOUT : 0;
    int error = partition_write(vcpu->partition, vcpu->wait_request, &wait, sizeof wait);
    vcpu->waiting = false;
    vcpu->gpr[RAX] = (uint64_t)(int64_t)error;
    return true;
}

static int host_reset(const struct mullion_host_reset *reset) {
    if (reset->zero != 0) { return -MULLION_E_NOT_ZERO; }
    log_line("the agent resets the machine");
    reset_machine(&platform.acpi);
}

static int host_power_off(const struct mullion_host_power_off *off) {
    if (off->slp_typa > 7 || off->slp_typb > 7) { return -MULLION_E_RANGE; }
    log_line("the agent switches the machine off");
    return reset_power_off(&platform.acpi, off->slp_typa, off->slp_typb);
}

static int agent_exit(struct mullion_agent_exit *end) {
    end->text[MULLION_TEXT_BYTES - 1] = 0;
    log_line("agent ended itself (code %u): %s", end->code, end->text);
    partition_end(caller, MULLION_REASON_AGENT_EXIT, end->code);
    return 0;
}

/** Moves at most a chunk between the caller's buffer and a source or a sink. */
static int move_bytes(struct mullion_buffer *buffer, struct partition *target, byte_source *source, byte_sink *sink) {
    static uint8_t chunk[CHUNK_BYTES]; /* there is one caller */
    size_t count = buffer->bytes < CHUNK_BYTES ? buffer->bytes : CHUNK_BYTES;
    if (buffer->bytes == 0 || buffer->bytes > BUFFER_MAX_BYTES) { return -MULLION_E_RANGE; }
    if ((buffer->zero | buffer->zero2) != 0) { return -MULLION_E_NOT_ZERO; }
    if (source != NULL) {
        buffer->bytes = (uint32_t)source(target, &buffer->offset, chunk, count);
        return partition_write(caller->partition, gpa(buffer->gpa), chunk, buffer->bytes);
    }
    int error = partition_read(caller->partition, gpa(buffer->gpa), chunk, count);
    if (error == 0) { buffer->bytes = (uint32_t)sink(target, chunk, count); }
    return error;
}

static int host_channel(struct mullion_buffer *buffer, byte_source *source, byte_source *link) {
    uint32_t last = byte_link_present() ? MULLION_HOST_BYTE_LINK : MULLION_HOST_CONSOLE;
    if (buffer->id > last) { return -MULLION_E_HARDWARE; }
    bool is_link = buffer->id == MULLION_HOST_BYTE_LINK;
    return move_bytes(buffer, NULL, is_link ? link : source, is_link ? link_sink : host_sink);
}

/* What the dispatcher checks: the request names a partition that exists, and that is not the agent, which the agent may
 * look at but not act upon. */
enum check { PARTITION = 1, NOT_AGENT = 3 };

#define ACTION(function) (request->zero != 0 ? -MULLION_E_NOT_ZERO : function(target))

/* The call, its structure, what is checked, and what is done with `request`, the VMM's own copy of the structure, and
 * with `target`, the partition that it names, if it does. */
#define CALLS(ROW)                                                                                                     \
    ROW(PLATFORM_INFO, platform_info, 0, platform_info(request))                                                       \
    ROW(CPU_INFO, cpu_info, 0, cpu_info(request))                                                                      \
    ROW(MEMORY_INFO, memory_info, 0, frames_info(request))                                                             \
    ROW(MODULE_INFO, module_info, 0, agent_module_info(request))                                                       \
    ROW(PCI_INFO, pci_info, 0, pci_info(request))                                                                      \
    ROW(PARTITION_CREATE, partition_create, 0, partition_create(request))                                              \
    ROW(PARTITION_ADD_MEMORY, partition_add_memory, NOT_AGENT, partition_add_memory(request))                          \
    ROW(WINDOW_OPEN, partition_ref, NOT_AGENT, ACTION(loading_open))                                                   \
    ROW(WINDOW_CLOSE, partition_ref, NOT_AGENT, ACTION(loading_close))                                                 \
    ROW(PARTITION_START, partition_start, NOT_AGENT, partition_start(target, request))                                 \
    ROW(PARTITION_STOP, partition_ref, NOT_AGENT, ACTION(partition_stop))                                              \
    ROW(PARTITION_PAUSE, partition_ref, NOT_AGENT, ACTION(partition_pause))                                            \
    ROW(PARTITION_RESUME, partition_ref, NOT_AGENT, ACTION(partition_resume))                                          \
    ROW(PARTITION_RESET, partition_ref, NOT_AGENT, ACTION(partition_reset))                                            \
    ROW(PARTITION_DESTROY, partition_ref, NOT_AGENT, ACTION(partition_destroy))                                        \
    ROW(PARTITION_POWER_BUTTON, partition_ref, NOT_AGENT, ACTION(partition_power_button))                              \
    ROW(PARTITION_INFO, partition_info, PARTITION, partition_info(target, request))                                    \
    ROW(PARTITION_COUNTERS, partition_counters, PARTITION, partition_counters(target, request))                        \
    ROW(CONSOLE_READ, buffer, NOT_AGENT, move_bytes(request, target, console_source, NULL))                            \
    ROW(CONSOLE_WRITE, buffer, NOT_AGENT, move_bytes(request, target, NULL, console_sink))                             \
    ROW(HOST_CONSOLE_READ, buffer, 0, host_channel(request, host_source, link_source))                                 \
    ROW(HOST_CONSOLE_WRITE, buffer, 0, host_channel(request, NULL, NULL))                                              \
    ROW(EVENT_WAIT, event_wait, 0, event_wait(request))                                                                \
    ROW(LOG_READ, buffer, 0, move_bytes(request, target, log_source, NULL))                                            \
    ROW(HOST_RESET, host_reset, 0, host_reset(request))                                                                \
    ROW(HOST_POWER_OFF, host_power_off, 0, host_power_off(request))                                                    \
    ROW(AGENT_EXIT, agent_exit, 0, agent_exit(request))                                                                \
    ROW(PORT_CREATE, port_create, PARTITION, port_create(target, request))                                             \
    ROW(PORT_CONNECT, port_connect, PARTITION, port_connect(request))                                                  \
    ROW(PORT_DISCONNECT, port_connect, PARTITION, port_disconnect(request))                                            \
    ROW(PORT_ACKNOWLEDGE, port_acknowledge, PARTITION, port_acknowledge(request))                                      \
    ROW(PORT_INFO, port_info, PARTITION, port_info(request))                                                           \
    ROW(PCI_ASSIGN, pci_assign, NOT_AGENT, passthrough_assign(target, request))

#define HANDLER(number, type, check, result)                                                                           \
    static int handle_##number(void *copy, struct partition *target) {                                                 \
        struct mullion_##type *request = copy;                                                                         \
        return result;                                                                                                 \
    }
CALLS(HANDLER)

struct call {
    int (*handler)(void *request, struct partition *target);
    uint32_t bytes;
    unsigned checks;
};

#define ENTRY(number, type, check, result)                                                                             \
    [MULLION_CALL_##number] = {handle_##number, sizeof(struct mullion_##type), check},
static const struct call calls[MULLION_CALL_COUNT] = {CALLS(ENTRY)};

static int check_and_act(const struct call *call, void *request) {
    const struct mullion_partition_ref *ref = request; /* every call that names a partition begins with its `id` */
    struct partition *target = (call->checks & PARTITION) != 0 ? partition_find(ref->id) : NULL;
    if ((call->checks & PARTITION) != 0 && target == NULL) { return -MULLION_E_NO_PARTITION; }
    if ((call->checks & NOT_AGENT) == NOT_AGENT && ref->id == MULLION_AGENT_ID) { return -MULLION_E_PERMISSION; }
    return call->handler(request, target);
}

static int check_caller(const struct vcpu *vcpu) {
    struct hvm_code code = hvm->code(vcpu);
    if (vcpu->partition->id != MULLION_AGENT_ID || code.cpl != 0) { return -MULLION_E_PERMISSION; }
    return code.long_mode ? 0 : -MULLION_E_CALLER_MODE;
}

static int dispatch(struct vcpu *vcpu, uint64_t number, gpa_t at) {
    uint64_t request[sizeof(struct mullion_partition_info) / sizeof(uint64_t)]; /* the longest */
    if (number >= MULLION_CALL_COUNT) { return -MULLION_E_UNKNOWN_CALL; }
    if (at.v % 4 != 0) { return -MULLION_E_BAD_ADDRESS; }
    const struct call *call = &calls[number];
    ASSERT(call->bytes <= sizeof request);
    int error = partition_read(vcpu->partition, at, request, call->bytes);
    if (error != 0) { return error; }
    vcpu->wait_request = at;
    caller = vcpu;
    error = check_and_act(call, request);
    int copied = partition_write(vcpu->partition, at, request, call->bytes);
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
