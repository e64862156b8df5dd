/* SPDX-License-Identifier: MIT */
/*
 * Every request is copied in once, checked, acted upon and copied back. The table is the whole list of calls.
 */
#include "core/core.h"

enum { BUFFER_MAX_BYTES = 65536, CHUNK_BYTES = 16384 };

/** `request` is the VMM's own copy of what the call's row names; `target` the partition that the request names, if the
 * row says that it does. */
typedef int call_handler(void *request, struct partition *target);

/** The agent's vCPU; it has just one. */
static struct vcpu *caller;

static int call_platform_info(void *request, struct partition *target) {
    struct mullion_platform_info *info = request;
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

static int call_cpu_info(void *request, struct partition *target) {
    struct mullion_cpu_info *info = request;
    if (info->index >= cpu_count()) { return -MULLION_E_RANGE; }
    const struct cpu *cpu = cpu_at(info->index);
    info->apic_id = cpu->apic_id;
    info->state = !cpu->started ? MULLION_CPU_NOT_STARTED : (cpu->owner != NULL) ? MULLION_CPU_OWNED : MULLION_CPU_FREE;
    info->partition = cpu->owner != NULL ? cpu->owner->partition->id : 0;
    return 0;
}

static int call_memory_info(void *request, struct partition *target) { return frames_info(request); }

static int call_module_info(void *request, struct partition *target) { return agent_module_info(request); }

static int call_pci_info(void *request, struct partition *target) {
    struct mullion_pci_info *info = request;
    if (info->index >= pci_host_count()) { return -MULLION_E_RANGE; }
    pci_host_info(info);
    return 0;
}

static int call_create(void *request, struct partition *target) { return partition_create(request); }

static int call_add_memory(void *request, struct partition *target) { return partition_add_memory(request); }

static int call_start(void *request, struct partition *target) { return partition_start(target, request); }

static int call_info(void *request, struct partition *target) {
    const struct partition *p = target;
    struct mullion_partition_info *info = request;
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

static int call_counters(void *request, struct partition *target) {
    struct mullion_partition_counters *counters = request;
    uint32_t index = counters->vcpu;
    if (index >= target->vcpu_count) { return -MULLION_E_RANGE; }
    *counters = target->vcpus[index]->counters;
    counters->id = target->id;
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
    return console_read(bytes, count);
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

/* ---- waiting and ending ---- */

static int call_event_wait(void *request, struct partition *target) {
    const struct mullion_event_wait *wait = request;
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

static int call_host_reset(void *request, struct partition *target) {
    const struct mullion_host_reset *reset = request;
    if (reset->zero != 0) { return -MULLION_E_NOT_ZERO; }
    log_line("the agent resets the machine");
    reset_machine(&platform.acpi);
}

static int call_host_power_off(void *request, struct partition *target) {
    const struct mullion_host_power_off *off = request;
    if (off->slp_typa > 7 || off->slp_typb > 7) { return -MULLION_E_RANGE; }
    log_line("the agent switches the machine off");
    return reset_power_off(&platform.acpi, off->slp_typa, off->slp_typb);
}

static int call_agent_exit(void *request, struct partition *target) {
    struct mullion_agent_exit *end = request;
    end->text[MULLION_TEXT_BYTES - 1] = 0;
    log_line("agent ended itself (code %u): %s", end->code, end->text);
    partition_end(caller, MULLION_REASON_AGENT_EXIT, end->code);
    return 0;
}

/* ---- ports and PCI functions ---- */

static int call_port_create(void *request, struct partition *target) { return port_create(target, request); }

static int call_port_connect(void *request, struct partition *target) { return port_connect(request); }

static int call_port_disconnect(void *request, struct partition *target) { return port_disconnect(request); }

static int call_port_acknowledge(void *request, struct partition *target) { return port_acknowledge(request); }

static int call_port_info(void *request, struct partition *target) { return port_info(request); }

static int call_pci_assign(void *request, struct partition *target) { return passthrough_assign(target, request); }

/* What the dispatcher checks: the request names a partition that exists, and that is not the agent, which the agent may
 * look at but not act upon. */
enum check { PARTITION = 1, NOT_AGENT = 3 };

/* A call that names just a partition has an action, one that moves bytes a source or a sink, the others a handler. */
struct call {
    call_handler *handler;
    int (*action)(struct partition *target);
    byte_source *source;
    byte_sink *sink;
    uint32_t bytes;
    unsigned checks;
};

#define CALL(function, type, check) .handler = (function), .bytes = sizeof(struct type), .checks = (check)
#define ON_PARTITION(function)      .action = (function), .bytes = sizeof(struct mullion_partition_ref), .checks = NOT_AGENT
#define READ(function, check)       .source = (function), .bytes = sizeof(struct mullion_buffer), .checks = (check)
#define WRITE(function, check)      .sink = (function), .bytes = sizeof(struct mullion_buffer), .checks = (check)

static const struct call calls[MULLION_CALL_COUNT] = {
    [MULLION_CALL_PLATFORM_INFO] = {CALL(call_platform_info, mullion_platform_info, 0)},
    [MULLION_CALL_CPU_INFO] = {CALL(call_cpu_info, mullion_cpu_info, 0)},
    [MULLION_CALL_MEMORY_INFO] = {CALL(call_memory_info, mullion_memory_info, 0)},
    [MULLION_CALL_MODULE_INFO] = {CALL(call_module_info, mullion_module_info, 0)},
    [MULLION_CALL_PCI_INFO] = {CALL(call_pci_info, mullion_pci_info, 0)},
    [MULLION_CALL_PARTITION_CREATE] = {CALL(call_create, mullion_partition_create, 0)},
    [MULLION_CALL_PARTITION_ADD_MEMORY] = {CALL(call_add_memory, mullion_partition_add_memory, NOT_AGENT)},
    [MULLION_CALL_WINDOW_OPEN] = {ON_PARTITION(loading_open)},
    [MULLION_CALL_WINDOW_CLOSE] = {ON_PARTITION(loading_close)},
    [MULLION_CALL_PARTITION_START] = {CALL(call_start, mullion_partition_start, NOT_AGENT)},
    [MULLION_CALL_PARTITION_STOP] = {ON_PARTITION(partition_stop)},
    [MULLION_CALL_PARTITION_PAUSE] = {ON_PARTITION(partition_pause)},
    [MULLION_CALL_PARTITION_RESUME] = {ON_PARTITION(partition_resume)},
    [MULLION_CALL_PARTITION_RESET] = {ON_PARTITION(partition_reset)},
    [MULLION_CALL_PARTITION_DESTROY] = {ON_PARTITION(partition_destroy)},
    [MULLION_CALL_PARTITION_POWER_BUTTON] = {ON_PARTITION(partition_power_button)},
    [MULLION_CALL_PARTITION_INFO] = {CALL(call_info, mullion_partition_info, PARTITION)},
    [MULLION_CALL_PARTITION_COUNTERS] = {CALL(call_counters, mullion_partition_counters, PARTITION)},
    [MULLION_CALL_CONSOLE_READ] = {READ(console_source, NOT_AGENT)},
    [MULLION_CALL_CONSOLE_WRITE] = {WRITE(console_sink, NOT_AGENT)},
    [MULLION_CALL_HOST_CONSOLE_READ] = {READ(host_source, 0)},
    [MULLION_CALL_HOST_CONSOLE_WRITE] = {WRITE(host_sink, 0)},
    [MULLION_CALL_EVENT_WAIT] = {CALL(call_event_wait, mullion_event_wait, 0)},
    [MULLION_CALL_LOG_READ] = {READ(log_source, 0)},
    [MULLION_CALL_HOST_RESET] = {CALL(call_host_reset, mullion_host_reset, 0)},
    [MULLION_CALL_HOST_POWER_OFF] = {CALL(call_host_power_off, mullion_host_power_off, 0)},
    [MULLION_CALL_AGENT_EXIT] = {CALL(call_agent_exit, mullion_agent_exit, 0)},
    [MULLION_CALL_PORT_CREATE] = {CALL(call_port_create, mullion_port_create, PARTITION)},
    [MULLION_CALL_PORT_CONNECT] = {CALL(call_port_connect, mullion_port_connect, PARTITION)},
    [MULLION_CALL_PORT_DISCONNECT] = {CALL(call_port_disconnect, mullion_port_connect, PARTITION)},
    [MULLION_CALL_PORT_ACKNOWLEDGE] = {CALL(call_port_acknowledge, mullion_port_acknowledge, PARTITION)},
    [MULLION_CALL_PORT_INFO] = {CALL(call_port_info, mullion_port_info, PARTITION)},
    [MULLION_CALL_PCI_ASSIGN] = {CALL(call_pci_assign, mullion_pci_assign, NOT_AGENT)},
};

/** Moves at most a chunk between the caller's buffer and a source or a sink. */
static int move_bytes(const struct call *call, struct mullion_buffer *buffer, struct partition *target) {
    static uint8_t chunk[CHUNK_BYTES]; /* there is one caller */
    size_t count = buffer->bytes < CHUNK_BYTES ? buffer->bytes : CHUNK_BYTES;
    if (buffer->bytes == 0 || buffer->bytes > BUFFER_MAX_BYTES) { return -MULLION_E_RANGE; }
    if ((buffer->zero | buffer->zero2) != 0) { return -MULLION_E_NOT_ZERO; }
    if (call->source != NULL) {
        buffer->bytes = (uint32_t)call->source(target, &buffer->offset, chunk, count);
        return partition_write(caller->partition, gpa(buffer->gpa), chunk, buffer->bytes);
    }
    int error = partition_read(caller->partition, gpa(buffer->gpa), chunk, count);
    if (error == 0) { buffer->bytes = (uint32_t)call->sink(target, chunk, count); }
    return error;
}

static int check_and_act(const struct call *call, void *request) {
    const struct mullion_partition_ref *ref = request; /* every call that names a partition begins with its `id` */
    struct partition *target = (call->checks & PARTITION) != 0 ? partition_find(ref->id) : NULL;
    if ((call->checks & PARTITION) != 0 && target == NULL) { return -MULLION_E_NO_PARTITION; }
    if ((call->checks & NOT_AGENT) == NOT_AGENT && ref->id == MULLION_AGENT_ID) { return -MULLION_E_PERMISSION; }
    if (call->handler != NULL) { return call->handler(request, target); }
    if (call->action == NULL) { return move_bytes(call, request, target); }
    return ref->zero != 0 ? -MULLION_E_NOT_ZERO : call->action(target);
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
