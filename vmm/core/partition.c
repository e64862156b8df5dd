/* SPDX-License-Identifier: MIT */

#include "core/core.h"

#define LEAVE_LIMIT_US  5000000u
#define PARTITION_PAGES (align_up(sizeof(struct partition), PAGE_BYTES) / PAGE_BYTES)
#define VCPU_PAGES      (align_up(sizeof(struct vcpu), PAGE_BYTES) / PAGE_BYTES)

static struct partition *partitions[MULLION_MAX_PARTITIONS];

struct partition *partition_find(uint32_t id) {
    return id < MULLION_MAX_PARTITIONS ? partitions[id] : NULL;
}

static bool name_is_valid(const char *name) {
    size_t i = 0;
    for (; i < MULLION_NAME_BYTES && name[i] != 0; i++) {
        bool letter = name[i] >= 'a' && name[i] <= 'z', digit = name[i] >= '0' && name[i] <= '9';
        if (!letter && !digit && name[i] != '-') { return false; }
    }
    return i > 0 && i < MULLION_NAME_BYTES;
}

static bool name_is_used(const char *name) {
    for (uint32_t id = 0; id < MULLION_MAX_PARTITIONS; id++) {
        if (partitions[id] != NULL && text_equal(partitions[id]->name, name)) { return true; }
    }
    return false;
}

/** Where it is noted whom the CPU was given to: CPU 0 has room for the agent and for the driver VM. */
static struct vcpu **claim(struct cpu *cpu, bool shares) { return shares ? &cpu->sharer : &cpu->owner; }

static int check_cpu(const struct mullion_partition_create *request, uint32_t position, uint32_t *owner) {
    uint32_t index = request->cpus[position];
    if (index >= cpu_count()) { return -MULLION_E_CPU_UNKNOWN; }
    for (uint32_t i = 0; i < position; i++) {
        if (request->cpus[i] == index) { return -MULLION_E_CPU_TWICE; }
    }
    if (!cpu_at(index)->started) { return -MULLION_E_CPU_NOT_STARTED; }
    const struct vcpu *holder = *claim(cpu_at(index), request->flags != 0);
    *owner = holder != NULL ? holder->partition->id : 0;
    return holder != NULL ? -MULLION_E_CPU_BUSY : 0;
}

static int check_create(struct mullion_partition_create *request) {
    if (!name_is_valid(request->name) || name_is_used(request->name)) { return -MULLION_E_NAME; }
    if (request->vcpu_count == 0 || request->vcpu_count > MULLION_MAX_VCPUS) { return -MULLION_E_RANGE; }
    if (request->zero != 0) { return -MULLION_E_NOT_ZERO; }
    bool on_cpu0 = request->vcpu_count == 1 && request->cpus[0] == 0;
    if (request->flags > (on_cpu0 ? MULLION_CREATE_SHARES_CPU0 : 0)) { return -MULLION_E_RANGE; }
    int error = 0;
    for (uint32_t i = 0; i < request->vcpu_count && error == 0; i++) {
        error = check_cpu(request, i, &request->failed_owner);
        request->failed_cpu = error != 0 ? request->cpus[i] : 0;
    }
    for (uint32_t i = request->vcpu_count; i < MULLION_MAX_VCPUS && error == 0; i++) {
        error = request->cpus[i] != 0 ? -MULLION_E_NOT_ZERO : 0;
    }
    return error;
}

static void vcpu_free(struct vcpu *vcpu) {
    *claim(vcpu->cpu, vcpu->partition->shares_cpu0) = NULL;
    if (vcpu->cpu->loaded == vcpu) { vcpu->cpu->loaded = NULL; }
    if (vcpu->cpu == this_cpu() && vcpu->cpu->current == vcpu) { vcpu->cpu->current = NULL; }
    hvm->vcpu_destroy(vcpu);
    pool_free(vcpu, VCPU_PAGES);
}

static int vcpu_make(struct partition *p, uint32_t index, struct cpu *cpu) {
    struct vcpu *vcpu = pool_alloc(VCPU_PAGES);
    if (vcpu == NULL) { return -MULLION_E_POOL; }
    vcpu->partition = p;
    vcpu->index = index;
    vcpu->cpu = cpu;
    int error = hvm->vcpu_create(vcpu);
    if (error != 0) {
        pool_free(vcpu, VCPU_PAGES);
        return error;
    }
    *claim(cpu, p->shares_cpu0) = vcpu;
    p->vcpus[index] = vcpu;
    p->vcpu_count++;
    return 0;
}

/** Gives back everything that a partition holds. Its vCPUs run nowhere. */
static void partition_free(struct partition *p) {
    ports_free(p);
    for (uint32_t i = 0; i < p->vcpu_count; i++) { vcpu_free(p->vcpus[i]); }
    passthrough_release(p);
    npt_destroy(&p->npt);
    for (uint32_t i = 0; i < p->range_count; i++) { frames_release(p->ranges[i].hpa, p->ranges[i].bytes); }
    partitions[p->id] = NULL;
    pool_free(p, PARTITION_PAGES);
}

static void reset_devices(struct partition *p) {
    ioapic_reset(&p->ioapic);
    pci_bus_reset(&p->pci);
    ports_reset(p);
    power_reset(&p->power);
    uart_reset(&p->uart);
}

static int partition_make(uint32_t id, const char *name, const uint32_t *cpus, uint32_t vcpu_count, bool shares_cpu0) {
    struct partition *p = pool_alloc(PARTITION_PAGES);
    if (p == NULL) { return -MULLION_E_POOL; }
    p->id = id;
    text_copy(p->name, name, sizeof p->name);
    p->state = MULLION_STATE_DEFINED;
    p->shares_cpu0 = shares_cpu0;
    partitions[id] = p;
    p->ports_due = TSC_NEVER;
    reset_devices(p);
    int error = npt_create(&p->npt, PARTITION_POOL_PAGES, platform.gigabyte_pages);
    p->npt.ram = hvm->npt_ram;
    p->npt.device = hvm->npt_device;
    for (uint32_t i = 0; i < vcpu_count && error == 0; i++) { error = vcpu_make(p, i, cpu_at(cpus[i])); }
    if (error != 0) { partition_free(p); }
    return error;
}

int partition_create(struct mullion_partition_create *request) {
    int error = check_create(request);
    if (error != 0) { return error; }
    uint32_t id = 0;
    while (id < MULLION_MAX_PARTITIONS && partitions[id] != NULL) { id++; }
    if (id == MULLION_MAX_PARTITIONS) { return -MULLION_E_PARTITION_LIMIT; }
    request->id = id;
    return partition_make(id, request->name, request->cpus, request->vcpu_count, request->flags != 0);
}

struct partition *partition_create_agent(void) {
    static const uint32_t boot_cpu[] = {0};
    if (partition_make(MULLION_AGENT_ID, "agent", boot_cpu, 1, false) != 0) {
        log_fatal("no memory for the agent's partition; the pool is exhausted; report this line");
    }
    return partitions[MULLION_AGENT_ID];
}

/* ---- vCPUs on and off their CPUs: run.c runs what cpu->vcpu names while the partition is RUNNING ---- */

static void kick_all(const struct partition *p) {
    for (uint32_t i = 0; i < p->vcpu_count; i++) {
        if (p->vcpus[i]->cpu != this_cpu()) { smp_kick(p->vcpus[i]->cpu); }
    }
}

/** A CPU cannot be had back. The partition stays what it is, but takes part in nothing any more. */
static int give_up(struct partition *p, const struct cpu *cpu) {
    log_line("partition %s: CPU %u did not leave its guest", p->name, cpu->index);
    spin_lock(&p->state_lock);
    __atomic_store_n(&p->state, MULLION_STATE_STOPPED, __ATOMIC_SEQ_CST);
    p->reason = MULLION_REASON_STUCK;
    spin_unlock(&p->state_lock);
    ports_halt(p);
    event_post_state(p->id);
    return -MULLION_E_BUSY;
}

/** Waits until no CPU uses the partition's vCPUs any more; the state says already that none shall. */
static int wait_until_left(struct partition *p) {
    uint64_t end = rdtsc() + tsc_from_us(LEAVE_LIMIT_US);
    kick_all(p);
    for (uint32_t i = 0; i < p->vcpu_count; i++) {
        const struct vcpu *vcpu = p->vcpus[i];
        while (__atomic_load_n(&vcpu->cpu->current, __ATOMIC_SEQ_CST) == vcpu) {
            if (rdtsc() > end) { return give_up(p, vcpu->cpu); }
            cpu_pause();
        }
    }
    return 0;
}

/** What vCPUs are attached to their CPUs: all or none. The driver VM's is found by cpu->sharer. */
static void attach(struct partition *p, bool attached) {
    for (uint32_t i = 0; i < p->vcpu_count && !p->shares_cpu0; i++) {
        struct vcpu *vcpu = p->vcpus[i];
        __atomic_store_n(&vcpu->cpu->vcpu, attached ? vcpu : NULL, __ATOMIC_SEQ_CST);
    }
    kick_all(p);
}

/* ---- states ---- */

/** Changes the state if it is now `from`; the guest may be ending at the same moment on another CPU. */
static bool state_change(struct partition *p, enum mullion_partition_state from, enum mullion_partition_state to) {
    spin_lock(&p->state_lock);
    bool matched = p->state == from;
    if (matched) { __atomic_store_n(&p->state, to, __ATOMIC_SEQ_CST); }
    spin_unlock(&p->state_lock);
    if (matched) { event_post_state(p->id); }
    return matched;
}

static void vcpu_prepare(struct vcpu *vcpu) {
    memset(vcpu->gpr, 0, sizeof vcpu->gpr);
    vcpu->activity = VCPU_WAIT_SIPI;
    vcpu->halted_for_good = vcpu->waiting = false;
    vcpu->fresh = true;
    vcpu->event.kind = EVENT_NONE;
    vcpu->requests = 0;
    vcpu->mtrr_def_type = vcpu->clock_msr = vcpu->wall_clock_msr = 0;
    vcpu->last_exit_tsc = vcpu->idle_since = 0;
    x2apic_reset(&vcpu->apic, vcpu->index, vcpu->index == 0, (uint32_t)tsc_khz());
}

static bool entry_is_valid(const struct mullion_partition_start *entry) {
    bool long_mode = entry->mode == MULLION_ENTRY_LONG64;
    bool cr3_fits = long_mode ? entry->cr3 % PAGE_BYTES == 0 && entry->cr3 < platform.window_gpa : entry->cr3 == 0;
    bool in_range = entry->mode < MULLION_ENTRY_COUNT && (long_mode || (entry->rip | entry->rsp) <= UINT32_MAX);
    bool canonical = (entry->rip | entry->rsp) < BIT(47);
    return cr3_fits && in_range && canonical;
}

int partition_start(struct partition *p, const struct mullion_partition_start *entry) {
    if (!entry_is_valid(entry)) { return -MULLION_E_ENTRY; }
    if (p->state != MULLION_STATE_DEFINED || p->range_count == 0) { return -MULLION_E_STATE; }
    loading_close(p);
    for (uint32_t i = 0; i < p->vcpu_count; i++) { vcpu_prepare(p->vcpus[i]); }
    struct vcpu *first = p->vcpus[0];
    bool long_mode = entry->mode == MULLION_ENTRY_LONG64;
    struct hvm_entry state = {long_mode ? HVM_ENTRY_LONG64 : HVM_ENTRY_PROTECTED32, entry->rip, entry->rsp, entry->cr3,
                              0};
    hvm->vcpu_reset(first, &state);
    first->gpr[RBX] = entry->rbx;
    first->gpr[RSI] = entry->rsi;
    first->activity = VCPU_ACTIVE;
    p->reason = MULLION_REASON_NONE;
    p->start_count++;
    p->start_tsc = rdtsc();
    state_change(p, MULLION_STATE_DEFINED, MULLION_STATE_RUNNING);
    attach(p, true);
    return 0;
}

int partition_stop(struct partition *p) {
    bool was_active = state_change(p, MULLION_STATE_RUNNING, MULLION_STATE_STOPPED) ||
                      state_change(p, MULLION_STATE_PAUSED, MULLION_STATE_STOPPED);
    if (!was_active) { return -MULLION_E_STATE; }
    p->reason = MULLION_REASON_REQUESTED;
    p->reason_detail = 0;
    ports_halt(p);
    attach(p, false);
    int error = wait_until_left(p);
    passthrough_quiesce(p);
    return error;
}

int partition_pause(struct partition *p) {
    return state_change(p, MULLION_STATE_RUNNING, MULLION_STATE_PAUSED) ? wait_until_left(p) : -MULLION_E_STATE;
}

int partition_resume(struct partition *p) {
    if (!state_change(p, MULLION_STATE_PAUSED, MULLION_STATE_RUNNING)) { return -MULLION_E_STATE; }
    kick_all(p);
    return 0;
}

/** Any state to stopped and detached, without touching the recorded reason of a partition that had ended. */
static int quiesce(struct partition *p) {
    if (p->state == MULLION_STATE_DEFINED) { return 0; }
    int error = partition_stop(p);
    if (error == -MULLION_E_STATE) { /* it had ended by itself */
        attach(p, false);
        error = wait_until_left(p);
    }
    return error;
}

int partition_reset(struct partition *p) {
    int error = quiesce(p);
    if (error == 0) { error = passthrough_check_reset(p); }
    if (error != 0) { return error; }
    reset_devices(p);
    p->state = MULLION_STATE_DEFINED;
    event_post_state(p->id);
    return 0;
}

int partition_destroy(struct partition *p) {
    int error = quiesce(p);
    if (error != 0) { return error; }
    loading_close(p);
    partition_free(p);
    return 0;
}

int partition_power_button(struct partition *p) {
    if (p->state != MULLION_STATE_RUNNING) { return -MULLION_E_STATE; }
    spin_lock(&p->device_lock);
    if (power_raise(&p->power, MACHINE_EVENT_POWER_BUTTON)) { partition_interrupt_pin(p, MACHINE_GSI_EVENT); }
    spin_unlock(&p->device_lock);
    return 0;
}

void partition_end(struct vcpu *vcpu, enum mullion_stop_reason reason, uint64_t detail) {
    struct partition *p = vcpu->partition;
    spin_lock(&p->state_lock);
    bool first = p->state == MULLION_STATE_RUNNING || p->state == MULLION_STATE_PAUSED;
    if (first) {
        __atomic_store_n(&p->state, MULLION_STATE_STOPPED, __ATOMIC_SEQ_CST);
        p->reason = reason;
        p->reason_vcpu = vcpu->index;
        p->reason_detail = detail;
        p->reason_rip = hvm->read(vcpu, HVM_RIP);
    }
    spin_unlock(&p->state_lock);
    kick_all(p);
    if (first) {
        ports_halt(p);
        passthrough_quiesce(p);
        event_post_state(p->id);
    }
}

/* ---- interrupts and requests ---- */

void vcpu_request(struct vcpu *vcpu, uint64_t bits) {
    __atomic_fetch_or(&vcpu->requests, bits, __ATOMIC_SEQ_CST);
    if (vcpu->cpu != this_cpu()) { smp_kick(vcpu->cpu); }
}

void vcpu_interrupt(struct vcpu *vcpu, uint8_t vector) {
    x2apic_raise(&vcpu->apic, vector);
    if (vcpu->cpu != this_cpu()) { smp_kick(vcpu->cpu); }
}

void vcpu_fault(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error) {
    vcpu->event = (struct vcpu_event){EVENT_EXCEPTION, vector, has_error, error};
    vcpu->counters.exceptions++;
}
