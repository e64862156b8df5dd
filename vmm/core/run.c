/* SPDX-License-Identifier: MIT */
#include "core/core.h"

/* LINK_POLLS: after the last input from the byte link, at intervals of POLL_LINK_US. */
enum { POLL_LINK_US = 250, POLL_BUSY_US = 1000, POLL_IDLE_US = 10000, LINK_POLLS = 400 };

static uint64_t next_poll; /* CPU 0: when the host console is looked at again */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/** An NMI that the VMM did not send is the hardware's way to report trouble (memory, PCI, a button). */
static void report_nmis(void) {
    static uint64_t reported;
    uint64_t new = trap_nmi_count() - reported;
    if (new != 0) { log_line("%lu NMI received: the hardware reports an error, or somebody pressed NMI", new); }
    reported += new;
}

/** CPU 0 looks after the host console, often while there is traffic, and the power button. The UART of the byte link
 * holds 16 bytes only, and each answer to them waits for a poll. */
static void poll_console(void) {
    static unsigned quiet_polls = LINK_POLLS;
    uint64_t now = rdtsc();
    if (now < next_poll) { return; }
    report_nmis();
    uint64_t input = console_poll();
    if (input != 0) { event_post(input); }
    if (reset_button_pressed(&platform.acpi)) { event_post(MULLION_EVENT_POWER); }
    quiet_polls = (input & MULLION_EVENT_BYTE_LINK) != 0 ? 0 : quiet_polls + (quiet_polls < LINK_POLLS);
    bool busy = input != 0 || console_busy();
    next_poll = now + tsc_from_us(quiet_polls < LINK_POLLS ? POLL_LINK_US : busy ? POLL_BUSY_US : POLL_IDLE_US);
}

/** Nobody wants this CPU: scrubs one frame if there is one to scrub and no guest waits for the CPU, else sleeps. */
static void idle(uint64_t until, bool may_scrub) {
    if (may_scrub && frames_scrub_step()) {
        interrupts_take_pending();
    } else {
        tsc_arm_timer(until);
        interrupts_wait();
    }
}

static void restart_from_sipi(struct vcpu *vcpu) {
    struct hvm_entry entry = {.mode = HVM_ENTRY_REAL, .sipi_page = vcpu->sipi_page};
    memset(vcpu->gpr, 0, sizeof vcpu->gpr);
    hvm->vcpu_reset(vcpu, &entry);
    vcpu->activity = VCPU_ACTIVE;
    vcpu->halted_for_good = false;
}

/** Requests among these that have not taken effect yet. */
static uint64_t requested(const struct vcpu *vcpu, uint64_t bits) {
    return __atomic_load_n(&vcpu->requests, __ATOMIC_SEQ_CST) & bits;
}

/** INIT and SIPI. The bits stay set until they have taken effect: another vCPU must not find this one asleep meanwhile.
 */
static void service_requests(struct vcpu *vcpu) {
    uint64_t requests = requested(vcpu, VCPU_REQUEST_INIT | VCPU_REQUEST_SIPI);
    if (requests == 0) { return; }
    if ((requests & VCPU_REQUEST_INIT) != 0) {
        uint64_t base = vcpu->apic.apic_base;
        x2apic_reset(&vcpu->apic, vcpu->index, false, (uint32_t)tsc_khz());
        vcpu->apic.apic_base = base;
        vcpu->activity = VCPU_WAIT_SIPI;
        vcpu->event.kind = EVENT_NONE;
        requests |= VCPU_REQUEST_NMI; /* INIT forgets a pending NMI */
    }
    if ((requests & VCPU_REQUEST_SIPI) != 0 && vcpu->activity == VCPU_WAIT_SIPI) { restart_from_sipi(vcpu); }
    __atomic_fetch_and(&vcpu->requests, ~requests, __ATOMIC_SEQ_CST);
    if (vcpu->activity == VCPU_WAIT_SIPI) { exit_end_if_all_asleep(vcpu); }
}

static bool nmi_wanted(const struct vcpu *vcpu) { return requested(vcpu, VCPU_REQUEST_NMI) != 0; }

/** Chooses what the next entry delivers: what an exit left over first, then an NMI, then the highest
 * interrupt. */
static void choose_event(struct vcpu *vcpu) {
    int vector = x2apic_pending(&vcpu->apic);
    bool shadow = hvm->in_shadow(vcpu), interrupts_on = (hvm->read(vcpu, HVM_RFLAGS) & RFLAGS_IF) != 0;
    if (vcpu->event.kind == EVENT_NONE && nmi_wanted(vcpu) && !hvm->nmi_blocked(vcpu) && !shadow) {
        __atomic_fetch_and(&vcpu->requests, ~VCPU_REQUEST_NMI, __ATOMIC_SEQ_CST);
        vcpu->event = (struct vcpu_event){EVENT_NMI, 2, false, 0};
    }
    if (vcpu->event.kind == EVENT_NONE && vector >= 0 && interrupts_on && !shadow) {
        x2apic_accept(&vcpu->apic, (uint8_t)vector);
        vcpu->event = (struct vcpu_event){EVENT_INTERRUPT, (uint8_t)vector, false, 0};
        vcpu->counters.interrupts++;
        vector = x2apic_pending(&vcpu->apic);
    }
    hvm->want_window(vcpu, vector >= 0, nmi_wanted(vcpu));
    if (vcpu->event.kind != EVENT_NONE) { hvm->inject(vcpu); }
}

/** A halted vCPU wakes for an NMI, or for an interrupt if it halted with interrupts on. */
static bool wakes(const struct vcpu *vcpu) {
    bool interrupt = !vcpu->halted_for_good && x2apic_pending(&vcpu->apic) >= 0;
    return vcpu->activity == VCPU_HALTED && (interrupt || nmi_wanted(vcpu) || vcpu->event.kind != EVENT_NONE);
}

static void note_stay(struct vcpu *vcpu, uint64_t entry_tsc) {
    uint64_t stay = vcpu->last_exit_tsc != 0 ? entry_tsc - vcpu->last_exit_tsc - vcpu->idle_since_exit : 0;
    uint64_t *longest = &vcpu->counters.longest[vcpu->exit_reason];
    *longest = stay > *longest ? stay : *longest;
    vcpu->idle_since_exit = 0;
}

/** Only what control blocks do not hold is moved, and only when another vCPU ran here last. */
static void load_registers(struct cpu *cpu, struct vcpu *vcpu) {
    struct vcpu *last = cpu->loaded;
    if (last == vcpu && !vcpu->fresh) { return; }
    if (last != NULL && last != vcpu) {
        fpu_save(&last->fpu);
        last->last_exit_tsc = 0; /* the time that another has the CPU is no stay in the VMM */
    }
    fpu_load(vcpu->fresh ? &fpu_initial : &vcpu->fpu);
    vcpu->fresh = false;
    cpu->loaded = vcpu;
}

static void enter(struct vcpu *vcpu, uint64_t until) {
    tsc_arm_timer(earlier(until, x2apic_timer_deadline(&vcpu->apic)));
    load_registers(vcpu->cpu, vcpu);
    uint64_t start = rdtsc();
    note_stay(vcpu, start);
    hvm->run(vcpu);
    vcpu->last_exit_tsc = rdtsc();
    vcpu->counters.guest_ticks += vcpu->last_exit_tsc - start;
    vcpu->event.kind = EVENT_NONE;
    hvm->handle_exit(vcpu);
    vcpu->counters.exits[vcpu->exit_reason]++;
    interrupts_take_pending();
}

/** Ports come before an entry. On CPU 0 that may have woken the other vCPU: who runs is chosen anew, but not twice in a
 * row, so that nobody who keeps making work keeps the vCPUs out. */
static bool ports_first(struct vcpu *vcpu) {
    static bool before;
    bool due = ports_due(vcpu) <= rdtsc();
    ports_work(vcpu);
    if (vcpu->cpu->index != 0) { return false; }
    before = due && !before;
    return before;
}

static void run_vcpu(struct vcpu *vcpu, uint64_t until) {
    service_requests(vcpu);
    if (ports_first(vcpu)) { return; }
    if (vcpu->waiting && !hypercall_event_wait_done(vcpu)) { return; }
    if (wakes(vcpu)) {
        __atomic_store_n(&vcpu->halted_for_good, false, __ATOMIC_SEQ_CST);
        vcpu->activity = VCPU_ACTIVE;
    }
    if (vcpu->activity != VCPU_ACTIVE) { return; }
    choose_event(vcpu);
    /* not ports_due(), which is 0 while another vCPU's notification is under way */
    uint64_t ports = vcpu->index == 0 ? __atomic_load_n(&vcpu->partition->ports_due, __ATOMIC_RELAXED) : TSC_NEVER;
    enter(vcpu, earlier(until, ports));
}

static bool is_running(const struct vcpu *vcpu) {
    return __atomic_load_n(&vcpu->partition->state, __ATOMIC_SEQ_CST) == MULLION_STATE_RUNNING;
}

static bool has_work(const struct vcpu *vcpu) {
    if (requested(vcpu, VCPU_REQUEST_INIT | VCPU_REQUEST_SIPI) != 0) { return true; }
    return vcpu->waiting ? hypercall_event_wait_over(vcpu) : vcpu->activity == VCPU_ACTIVE || wakes(vcpu);
}

/** Does the vCPU want its CPU? If not, that is idle time, whoever has the CPU meanwhile, and *until falls to the moment
 * at which the vCPU will want it by itself. */
static bool wants_cpu(struct vcpu *vcpu, uint64_t now, uint64_t *until) {
    if (vcpu == NULL) { return false; }
    if (!is_running(vcpu)) {
        vcpu->last_exit_tsc = vcpu->idle_since = 0; /* a pause is neither a stay in the VMM nor idle */
        return false;
    }
    x2apic_timer_poll(&vcpu->apic, now);
    uint64_t ports = ports_due(vcpu);
    bool wants = has_work(vcpu) || ports <= now;
    if (ports > now) { *until = earlier(*until, ports); } /* else: an entry of the other must not end at once */
    uint64_t ticks = vcpu->idle_since != 0 ? now - vcpu->idle_since : 0;
    vcpu->counters.idle_ticks += ticks;
    vcpu->idle_since_exit += ticks;
    vcpu->idle_since = wants ? 0 : now;
    if (!wants) { *until = earlier(*until, vcpu->waiting ? vcpu->wait_deadline : x2apic_timer_deadline(&vcpu->apic)); }
    return wants;
}

/** Announces which vCPU this CPU is about to use, and lets go of the one before: CPU 0 frees none that is announced. */
static void set_current(struct cpu *cpu, struct vcpu *vcpu) {
    struct vcpu *before = cpu->current;
    if (before != NULL && before != vcpu) { hvm->vcpu_release(before); }
    __atomic_store_n(&cpu->current, vcpu, __ATOMIC_SEQ_CST);
}

/** The vCPU to run, announced before it is used. Only CPU 0 makes and unmakes vCPUs: its own need no announcement. */
static struct vcpu *take_vcpu(struct cpu *cpu) {
    struct vcpu *vcpu = __atomic_load_n(&cpu->vcpu, __ATOMIC_SEQ_CST);
    for (struct vcpu *announced = NULL; cpu->index != 0 && vcpu != announced;) {
        set_current(cpu, vcpu);
        announced = vcpu;
        vcpu = __atomic_load_n(&cpu->vcpu, __ATOMIC_SEQ_CST);
    }
    return vcpu;
}

/** One turn of whoever is to have the CPU. While the CPU idles a vCPU that runs stays announced. */
static void run_turn(struct cpu *cpu) {
    struct vcpu *first = take_vcpu(cpu);
    uint64_t now = rdtsc();
    uint64_t until = cpu->index == 0 ? next_poll : TSC_NEVER;
    bool first_wants = wants_cpu(first, now, &until);
    bool second_wants = wants_cpu(cpu->sharer, now, &until);
    bool guest_waits = cpu->index != 0 && first != NULL && is_running(first);
    enum share_choice choice = share_choose(&cpu->share, first_wants, second_wants, now, &until);
    struct vcpu *chosen = choice == SHARE_NONE ? NULL : choice == SHARE_FIRST ? first : cpu->sharer;
    if (chosen == NULL) {
        if (!guest_waits) { set_current(cpu, NULL); }
        idle(until, !guest_waits);
        return;
    }
    set_current(cpu, chosen);
    run_vcpu(chosen, until);
    if (choice == SHARE_FIRST && second_wants) { share_charge(&cpu->share, rdtsc() - now); }
}

void run_cpu(void) {
    struct cpu *cpu = this_cpu();
    cpu->share.period = tsc_from_us(SHARE_PERIOD_US);
    for (;;) {
        if (cpu->index == 0) {
            poll_console();
            agent_look_after();
        }
        run_turn(cpu);
    }
}
