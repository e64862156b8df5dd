/* SPDX-License-Identifier: MIT */
/* Turns of a CPU: whom it runs after the ports were looked at, and how long the guest may stay. */
#include "x86/asm.h"
#define interrupts_take_pending() ((void)0) /* privileged */
#define interrupts_wait()         ((void)0)
#include "core/agent.h"
#include "core/console.h"
#include "core/event.h"
#include "core/exits.h"
#include "core/frames.h"
#include "core/hypercall.h"
#include "core/interrupt.h"
#include "core/partition.h"
#include "core/platform.h"
#include "core/share.h"
#include "unit.h"
#include "x86/fpu.h"
#include "x86/smp.h"
#include "x86/tsc.h"

/* What another CPU does between two steps of this one. */
static void stored(const void *at);
#define __atomic_store_n(at, value, order) (__atomic_store_n(at, value, order), stored(at)) // NOLINT
#include "core/run.c" // NOLINT(bugprone-suspicious-include)
#undef __atomic_store_n

#define CPU_0     0
#define EXCLUSIVE 1

struct platform platform;
const struct fpu_state fpu_initial;

static struct partition agent, driver;
static struct vcpu agent_vcpu, driver_vcpu;
static struct cpu cpu;

/* What the ports have to do, and what the CPU did. */
static bool ports_keep_working;
static bool work_wakes_agent;
static uint64_t due_after_work;
static const struct vcpu *entered;
static unsigned entries;
static uint64_t armed;
static uint64_t input; /* that a poll finds */

static bool taken_away;          /* once this CPU has said whom it runs, CPU 0 takes the vCPU away */
static uint64_t asked_meanwhile; /* requests that come while the vCPU is being started */
static uint64_t requests_seen;   /* by others then */
static struct vcpu_event injected;
static const struct fpu_state *saved, *loaded; /* last */

uint64_t ports_due(const struct vcpu *vcpu)
{
    return vcpu->partition->ports_due;
}

void ports_work(struct vcpu *vcpu)
{
    if (vcpu->partition->ports_due > rdtsc())
        return;
    if (!ports_keep_working)
        vcpu->partition->ports_due = due_after_work;
    if (work_wakes_agent)
        agent_vcpu.activity = VCPU_ACTIVE;
}

void tsc_arm_timer(uint64_t deadline)
{
    armed = deadline;
}

static void enter_guest(struct vcpu *vcpu)
{
    entered = vcpu;
    entries++;
}

static void stored(const void *at)
{
    if (taken_away && at == &cpu.current)
        cpu.vcpu = NULL;
}

static void vcpu_reset(struct vcpu *vcpu, const struct hvm_entry *entry)
{
    (void)entry;
    requests_seen = vcpu->requests;
    __atomic_fetch_or(&vcpu->requests, asked_meanwhile, __ATOMIC_SEQ_CST);
}

static void inject(struct vcpu *vcpu)
{
    injected = vcpu->event;
}

static void handle_exit(struct vcpu *vcpu)
{
    vcpu->exit_reason = MULLION_EXIT_INTERRUPT;
}

static uint64_t read_register(const struct vcpu *vcpu, enum hvm_register r)
{
    (void)vcpu;
    (void)r;
    return 0;
}

static bool in_shadow(const struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

static bool nmi_blocked(const struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

static void want_window(struct vcpu *vcpu, bool interrupt, bool nmi)
{
    (void)vcpu;
    (void)interrupt;
    (void)nmi;
}

static void release(struct vcpu *vcpu)
{
    (void)vcpu;
}

static const struct hvm_ops ops = {.run = enter_guest,
                                   .handle_exit = handle_exit,
                                   .vcpu_reset = vcpu_reset,
                                   .inject = inject,
                                   .read = read_register,
                                   .vcpu_release = release,
                                   .in_shadow = in_shadow,
                                   .nmi_blocked = nmi_blocked,
                                   .want_window = want_window};
const struct hvm_ops *hvm = &ops;

/* What else run.c calls, and no test here is about. */
uint64_t console_poll(void)
{
    return input;
}
bool console_busy(void)
{
    return false;
}
void event_post(uint64_t bits)
{
    (void)bits;
}
bool reset_button_pressed(const struct acpi_info *acpi)
{
    (void)acpi;
    return false;
}
uint64_t trap_nmi_count(void)
{
    return 0;
}
static uint64_t last_interval_us;
uint64_t tsc_from_us(uint64_t microseconds)
{
    last_interval_us = microseconds;
    return microseconds * 1000;
}
uint64_t tsc_khz(void)
{
    return 1000000;
}
bool frames_scrub_step(void)
{
    return false;
}
void agent_look_after(void)
{
}
void exit_end_if_all_asleep(struct vcpu *vcpu)
{
    (void)vcpu;
}
bool hypercall_event_wait_over(const struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}
bool hypercall_event_wait_done(struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}
void fpu_save(struct fpu_state *state)
{
    saved = state;
}
void fpu_load(const struct fpu_state *state)
{
    loaded = state;
}

static void make(struct partition *p, struct vcpu *vcpu, enum vcpu_activity activity)
{
    *p = (struct partition){.state = MULLION_STATE_RUNNING, .ports_due = TSC_NEVER};
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->partition = p;
    vcpu->cpu = &cpu;
    vcpu->activity = activity;
    x2apic_reset(&vcpu->apic, 0, true, 1000000);
}

/* CPU 0: the agent sleeps, the driver VM computes. Another CPU: one guest computes. */
static void start(uint32_t index)
{
    make(&agent, &agent_vcpu, VCPU_HALTED);
    make(&driver, &driver_vcpu, VCPU_ACTIVE);
    cpu = (struct cpu){.index = index};
    cpu.share.period = tsc_from_us(SHARE_PERIOD_US);
    cpu.vcpu = index == CPU_0 ? &agent_vcpu : &driver_vcpu;
    cpu.sharer = index == CPU_0 ? &driver_vcpu : NULL;
    next_poll = TSC_NEVER;
    ports_keep_working = work_wakes_agent = false;
    due_after_work = TSC_NEVER;
    entered = NULL;
    entries = 0;
    armed = 0;
    input = 0;
    taken_away = false;
    asked_meanwhile = requests_seen = 0;
    injected.kind = EVENT_NONE;
    saved = loaded = NULL;
}

static void work_on_ports_that_wakes_the_agent_lets_it_go_first(void **state)
{
    (void)state;
    start(CPU_0);
    driver.ports_due = 0;
    work_wakes_agent = true;
    run_turn(&cpu);
    assert_null(entered);
    run_turn(&cpu);
    assert_ptr_equal(entered, &agent_vcpu);
}

static void ports_that_always_have_work_do_not_keep_a_guest_out(void **state)
{
    (void)state;
    start(CPU_0);
    driver.ports_due = 0;
    ports_keep_working = true;
    for (unsigned i = 0; i < 10; i++)
        run_turn(&cpu);
    assert_int_equal(entries, 5);
}

static void ports_without_work_cost_no_turn(void **state)
{
    (void)state;
    start(CPU_0);
    run_turn(&cpu);
    run_turn(&cpu);
    assert_int_equal(entries, 2);
}

static void a_guest_with_a_cpu_of_its_own_is_entered_after_its_ports_were_looked_at(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    driver.ports_due = 0;
    run_turn(&cpu);
    assert_ptr_equal(entered, &driver_vcpu);
    assert_true(armed == TSC_NEVER);
}

static void what_the_ports_put_off_ends_the_stay_in_the_guest_in_time(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    driver.ports_due = 0;
    due_after_work = rdtsc() + 1000000000000ull;
    run_turn(&cpu);
    assert_ptr_equal(entered, &driver_vcpu);
    assert_true(armed == due_after_work);
}

static void only_the_first_vcpu_of_a_partition_wakes_for_what_its_ports_put_off(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    driver_vcpu.index = 1;
    driver.ports_due = 0;
    due_after_work = rdtsc() + 1000000000000ull;
    run_turn(&cpu);
    assert_ptr_equal(entered, &driver_vcpu);
    assert_true(armed == TSC_NEVER);
}

static uint64_t poll_interval_us(void)
{
    next_poll = 0;
    poll_console();
    return last_interval_us;
}

static void input_of_the_byte_link_is_followed_by_quick_polls(void **state)
{
    (void)state;
    start(CPU_0);
    assert_int_equal(poll_interval_us(), POLL_IDLE_US);
    input = MULLION_EVENT_HOST_INPUT;
    assert_int_equal(poll_interval_us(), POLL_BUSY_US);
    input = MULLION_EVENT_BYTE_LINK;
    for (unsigned i = 0; i < LINK_POLLS; i++, input = 0)
        assert_int_equal(poll_interval_us(), POLL_LINK_US);
    assert_int_equal(poll_interval_us(), POLL_IDLE_US);
}

static void a_vcpu_that_is_taken_away_at_the_last_moment_is_not_entered(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    taken_away = true;
    run_turn(&cpu);
    assert_null(entered);
    assert_null(cpu.current);
}

static void vcpus_that_alternate_keep_their_registers(void **state)
{
    (void)state;
    start(CPU_0);
    agent_vcpu.activity = VCPU_ACTIVE;
    run_turn(&cpu);
    assert_ptr_equal(entered, &agent_vcpu);
    assert_ptr_equal(loaded, &agent_vcpu.fpu);
    assert_null(saved); /* nobody ran before */
    agent_vcpu.activity = VCPU_HALTED;
    run_turn(&cpu);
    assert_ptr_equal(entered, &driver_vcpu);
    assert_ptr_equal(saved, &agent_vcpu.fpu);
    assert_ptr_equal(loaded, &driver_vcpu.fpu);
}

static void a_vcpu_that_runs_on_has_its_registers(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    run_turn(&cpu);
    saved = loaded = NULL;
    run_turn(&cpu);
    assert_int_equal(entries, 2);
    assert_true(saved == NULL && loaded == NULL);
}

static void a_guest_that_starts_finds_initial_registers(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    run_turn(&cpu);
    driver_vcpu.fresh = true;
    run_turn(&cpu);
    assert_ptr_equal(loaded, &fpu_initial);
    assert_false(driver_vcpu.fresh);
}

static void what_is_asked_for_while_a_vcpu_is_started_is_not_lost(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    driver_vcpu.activity = VCPU_WAIT_SIPI;
    driver_vcpu.requests = VCPU_REQUEST_SIPI;
    asked_meanwhile = VCPU_REQUEST_NMI;
    run_turn(&cpu);
    assert_ptr_equal(entered, &driver_vcpu);
    assert_int_equal(injected.kind, EVENT_NMI);
}

static void a_vcpu_that_is_being_started_does_not_look_asleep(void **state)
{
    (void)state;
    start(EXCLUSIVE);
    driver_vcpu.activity = VCPU_WAIT_SIPI;
    driver_vcpu.requests = VCPU_REQUEST_SIPI;
    run_turn(&cpu);
    assert_true((requests_seen & VCPU_REQUEST_SIPI) != 0);
    assert_int_equal(driver_vcpu.requests, 0);
}

static void the_agents_time_is_charged_while_the_driver_vm_waits(void **state)
{
    (void)state;
    start(CPU_0);
    agent_vcpu.activity = VCPU_ACTIVE;
    run_turn(&cpu);
    assert_ptr_equal(entered, &agent_vcpu);
    assert_true(cpu.share.left < (int64_t)(cpu.share.period / 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_on_ports_that_wakes_the_agent_lets_it_go_first),
        cmocka_unit_test(ports_that_always_have_work_do_not_keep_a_guest_out),
        cmocka_unit_test(ports_without_work_cost_no_turn),
        cmocka_unit_test(a_guest_with_a_cpu_of_its_own_is_entered_after_its_ports_were_looked_at),
        cmocka_unit_test(what_the_ports_put_off_ends_the_stay_in_the_guest_in_time),
        cmocka_unit_test(input_of_the_byte_link_is_followed_by_quick_polls),
        cmocka_unit_test(only_the_first_vcpu_of_a_partition_wakes_for_what_its_ports_put_off),
        cmocka_unit_test(a_vcpu_that_is_taken_away_at_the_last_moment_is_not_entered),
        cmocka_unit_test(vcpus_that_alternate_keep_their_registers),
        cmocka_unit_test(a_vcpu_that_runs_on_has_its_registers),
        cmocka_unit_test(a_guest_that_starts_finds_initial_registers),
        cmocka_unit_test(what_is_asked_for_while_a_vcpu_is_started_is_not_lost),
        cmocka_unit_test(a_vcpu_that_is_being_started_does_not_look_asleep),
        cmocka_unit_test(the_agents_time_is_charged_while_the_driver_vm_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
