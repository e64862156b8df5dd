/* SPDX-License-Identifier: MIT */
/* Hypercalls on a box without hardware: every refusal with its code, and the life of a partition. */
#include "core/event.h"
#include "core/hypercall.h"
#include "fake_box.h"
#include "fake_hvm.h"
#include "inspect.h"
#include "mullion/machine.h"
#include "unit.h"

#include <string.h>

static int fresh(void **state)
{
    (void)state;
    box_start();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    const char *broken = box_broken_invariant();
    if (broken)
        print_error("%s\n", broken);
    box_stop();
    return broken ? -1 : 0;
}

#define CALL(number, request) box_call(number, &(request), sizeof(request))

static struct mullion_partition_create creation(const char *name, uint32_t cpu)
{
    struct mullion_partition_create request = {.vcpu_count = 1, .cpus = {cpu}};
    memcpy(request.name, name, strlen(name));
    return request;
}

static int64_t create(const char *name, uint32_t cpu)
{
    struct mullion_partition_create request = creation(name, cpu);
    int64_t error = CALL(MULLION_CALL_PARTITION_CREATE, request);
    return error ? error : request.id;
}

static int64_t on(uint64_t number, uint32_t id)
{
    struct mullion_partition_ref request = {.id = id};
    return CALL(number, request);
}

static int64_t add(uint32_t id, uint64_t at, uint64_t host)
{
    struct mullion_partition_add_memory request = {.id = id, .gpa = at, .hpa = host, .bytes = FRAME_BYTES};
    return CALL(MULLION_CALL_PARTITION_ADD_MEMORY, request);
}

static int64_t start(uint32_t id)
{
    struct mullion_partition_start request = {
        .id = id, .rip = 0x1000, .rbx = 0x2000, .rsi = 0x3000, .rsp = 0x4000};
    return CALL(MULLION_CALL_PARTITION_START, request);
}

static struct mullion_partition_info info_of(uint32_t id)
{
    struct mullion_partition_info request = {.id = id};
    assert_int_equal(CALL(MULLION_CALL_PARTITION_INFO, request), 0);
    return request;
}

/* Partition 1 on CPU 1 with one frame, running. */
static void run_one(void)
{
    assert_int_equal(create("one", 1), 1);
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), 0);
    assert_int_equal(start(1), 0);
}

/* ---- who may call, and how ---- */

static void only_the_agent_in_ring_0_and_64_bit_mode_may_call(void **state)
{
    (void)state;
    struct mullion_platform_info info;
    fake_hvm.code.cpl = 3;
    assert_int_equal(CALL(MULLION_CALL_PLATFORM_INFO, info), -MULLION_E_PERMISSION);
    fake_hvm.code = (struct hvm_code){.big = true};
    assert_int_equal(CALL(MULLION_CALL_PLATFORM_INFO, info), -MULLION_E_CALLER_MODE);
    fake_hvm.code = (struct hvm_code){.long_mode = true};
    run_one();
    struct vcpu *guest = cpu_at(1)->owner;
    for (uint64_t number = 0; number < MULLION_CALL_COUNT + 2; number++) {
        guest->gpr[RAX] = number;
        hypercall_handle(guest);
        assert_int_equal((int64_t)guest->gpr[RAX], -MULLION_E_PERMISSION);
    }
    assert_int_equal(guest->counters.refused_hypercalls, MULLION_CALL_COUNT + 2);
}

static void unknown_calls_are_refused(void **state)
{
    (void)state;
    uint64_t nothing = 0;
    assert_int_equal(CALL(MULLION_CALL_COUNT, nothing), -MULLION_E_UNKNOWN_CALL);
    assert_int_equal(CALL(UINT64_MAX, nothing), -MULLION_E_UNKNOWN_CALL);
}

static void requests_outside_the_agents_ram_are_refused(void **state)
{
    (void)state;
    static const uint64_t bad[] = {1,       0x1002,        BOX_AGENT_RAM, BOX_AGENT_RAM - 8, UINT64_MAX - 3,
                                   BIT(63), BOX_WINDOW_GPA};
    struct vcpu *agent = box_agent();
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        agent->gpr[RAX] = MULLION_CALL_PLATFORM_INFO;
        agent->gpr[RDI] = bad[i];
        hypercall_handle(agent);
        assert_int_equal((int64_t)agent->gpr[RAX], -MULLION_E_BAD_ADDRESS);
    }
}

static void a_partition_in_loading_is_no_place_for_a_request(void **state)
{
    (void)state;
    assert_int_equal(create("one", 1), 1);
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), 0);
    assert_int_equal(on(MULLION_CALL_WINDOW_OPEN, 1), 0);
    box_agent()->gpr[RAX] = MULLION_CALL_CPU_INFO;
    box_agent()->gpr[RDI] = BOX_WINDOW_GPA;
    hypercall_handle(box_agent());
    assert_int_equal((int64_t)box_agent()->gpr[RAX], -MULLION_E_BAD_ADDRESS);
}

/* ---- create ---- */

static void names_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "Upper", "under_score", "sp ace", "dot.", "agent"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(create(bad[i], 1), -MULLION_E_NAME);
    struct mullion_partition_create endless = creation("x", 1);
    memset(endless.name, 'a', sizeof(endless.name));
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, endless), -MULLION_E_NAME);
    assert_int_equal(create("web-1", 1), 1);
    assert_int_equal(create("web-1", 2), -MULLION_E_NAME);
}

static void cpus_are_checked_and_the_culprit_named(void **state)
{
    (void)state;
    static const struct {
        uint32_t cpu;
        int error;
    } rows[] = {{0, MULLION_E_CPU_BUSY},
                {BOX_CPUS, MULLION_E_CPU_UNKNOWN},
                {UINT32_MAX, MULLION_E_CPU_UNKNOWN},
                {BOX_CPUS - 1, MULLION_E_CPU_NOT_STARTED},
                {1, MULLION_E_CPU_TWICE}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct mullion_partition_create request = creation("two", 1);
        request.vcpu_count = 2;
        request.cpus[1] = rows[i].cpu;
        assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -rows[i].error);
        assert_int_equal(request.failed_cpu, rows[i].cpu);
        assert_null(cpu_at(1)->owner);
    }
    run_one();
    struct mullion_partition_create request = creation("two", 1);
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_CPU_BUSY);
    assert_int_equal(request.failed_owner, 1);
}

static void counts_are_checked(void **state)
{
    (void)state;
    struct mullion_partition_create request = creation("one", 1);
    request.vcpu_count = 0;
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_RANGE);
    request.vcpu_count = MULLION_MAX_VCPUS + 1;
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_RANGE);
    request.vcpu_count = 1;
    request.cpus[1] = 2;
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_NOT_ZERO);
}

static struct mullion_partition_create driver_vm(const char *name)
{
    struct mullion_partition_create request = creation(name, 0);
    request.flags = MULLION_CREATE_SHARES_CPU0;
    return request;
}

static void one_partition_at_a_time_shares_cpu_0(void **state)
{
    (void)state;
    struct mullion_partition_create request = driver_vm("driver");
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), 0);
    assert_ptr_equal(cpu_at(0)->owner, box_agent());
    assert_true(cpu_at(0)->sharer == partition_find(request.id)->vcpus[0]);
    uint32_t id = request.id;
    request = driver_vm("second");
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_CPU_BUSY);
    assert_int_equal(request.failed_cpu, 0);
    assert_int_equal(request.failed_owner, id);
    assert_int_equal(create("other", 0), -MULLION_E_CPU_BUSY);
    assert_int_equal(on(MULLION_CALL_PARTITION_DESTROY, id), 0);
    assert_null(cpu_at(0)->sharer);
    assert_ptr_equal(cpu_at(0)->owner, box_agent());
    request = driver_vm("second");
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), 0);
}

static void who_shares_cpu_0_starts_and_stops_beside_the_agent(void **state)
{
    (void)state;
    struct mullion_partition_create request = driver_vm("driver");
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), 0);
    assert_int_equal(add(request.id, 0, 4 * FRAME_BYTES), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(start(request.id), 0);
        assert_true(cpu_at(0)->sharer->fresh); /* the last run's registers are not this one's */
        assert_ptr_equal(cpu_at(0)->vcpu, box_agent());
        assert_int_equal(on(MULLION_CALL_PARTITION_PAUSE, request.id), 0);
        assert_int_equal(on(MULLION_CALL_PARTITION_RESUME, request.id), 0);
        assert_int_equal(on(MULLION_CALL_PARTITION_RESET, request.id), 0);
        assert_ptr_equal(cpu_at(0)->vcpu, box_agent());
    }
}

/* Its registers may still be in the CPU: they must not be saved into memory that is given back. */
static void a_cpu_forgets_the_registers_of_a_destroyed_vcpu(void **state)
{
    (void)state;
    struct mullion_partition_create request = driver_vm("driver");
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), 0);
    cpu_at(0)->loaded = cpu_at(0)->sharer;
    assert_int_equal(on(MULLION_CALL_PARTITION_DESTROY, request.id), 0);
    assert_null(cpu_at(0)->loaded);
    cpu_at(0)->loaded = box_agent();
    request = driver_vm("driver");
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), 0);
    assert_int_equal(on(MULLION_CALL_PARTITION_DESTROY, request.id), 0);
    assert_ptr_equal(cpu_at(0)->loaded, box_agent());
}

static void flags_of_create_are_checked(void **state)
{
    (void)state;
    struct mullion_partition_create request = driver_vm("driver");
    request.zero = 1;
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_NOT_ZERO);
    for (uint32_t bit = 1; bit < 32; bit++) {
        request = driver_vm("driver");
        request.flags |= 1u << bit;
        assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_RANGE);
    }
    request = driver_vm("driver");
    request.cpus[0] = 1;
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_RANGE);
    request = driver_vm("driver");
    request.vcpu_count = 2;
    request.cpus[1] = 1;
    assert_int_equal(CALL(MULLION_CALL_PARTITION_CREATE, request), -MULLION_E_RANGE);
    assert_null(cpu_at(0)->sharer);
    assert_null(cpu_at(1)->owner);
}

static void a_failed_create_gives_everything_back(void **state)
{
    (void)state;
    fake_hvm.refuse_create = true;
    assert_int_equal(create("one", 1), -MULLION_E_POOL);
    assert_null(cpu_at(1)->owner);
    fake_hvm.refuse_create = false;
    assert_int_equal(create("one", 1), 1);
}

/* ---- states ---- */

static void calls_on_no_partition_or_on_the_agent_are_refused(void **state)
{
    (void)state;
    for (uint64_t number = MULLION_CALL_WINDOW_OPEN; number <= MULLION_CALL_PARTITION_POWER_BUTTON;
         number++) {
        if (number == MULLION_CALL_PARTITION_START)
            continue;
        assert_int_equal(on(number, 1), -MULLION_E_NO_PARTITION);
        assert_int_equal(on(number, MULLION_MAX_PARTITIONS), -MULLION_E_NO_PARTITION);
        assert_int_equal(on(number, UINT32_MAX), -MULLION_E_NO_PARTITION);
        assert_int_equal(on(number, MULLION_AGENT_ID), -MULLION_E_PERMISSION);
    }
    assert_int_equal(start(0), -MULLION_E_PERMISSION);
    assert_int_equal(add(0, 0, 4 * FRAME_BYTES), -MULLION_E_PERMISSION);
}

static void an_action_with_a_field_that_must_be_zero_is_refused(void **state)
{
    (void)state;
    assert_int_equal(create("one", 1), 1);
    for (uint64_t number = MULLION_CALL_WINDOW_OPEN; number <= MULLION_CALL_PARTITION_POWER_BUTTON;
         number++) {
        struct mullion_partition_ref request = {.id = 1, .zero = 1};
        if (number != MULLION_CALL_PARTITION_START)
            assert_int_equal(CALL(number, request), -MULLION_E_NOT_ZERO);
    }
    assert_non_null(partition_find(1));
}

static void every_call_knows_its_states(void **state)
{
    (void)state;
    assert_int_equal(create("one", 1), 1);
    assert_int_equal(start(1), -MULLION_E_STATE); /* no memory */
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), 0);
    assert_int_equal(on(MULLION_CALL_PARTITION_STOP, 1), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_PARTITION_PAUSE, 1), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_PARTITION_RESUME, 1), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_PARTITION_POWER_BUTTON, 1), -MULLION_E_STATE);
    assert_int_equal(start(1), 0);
    assert_int_equal(start(1), -MULLION_E_STATE);
    assert_int_equal(add(1, FRAME_BYTES, 5 * FRAME_BYTES), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_WINDOW_OPEN, 1), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_PARTITION_RESUME, 1), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_PARTITION_PAUSE, 1), 0);
    assert_int_equal(on(MULLION_CALL_PARTITION_PAUSE, 1), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_PARTITION_STOP, 1), 0);
    assert_int_equal(on(MULLION_CALL_PARTITION_STOP, 1), -MULLION_E_STATE);
    assert_int_equal(start(1), -MULLION_E_STATE);
}

static void a_partition_lives_stops_and_starts_again(void **state)
{
    (void)state;
    run_one();
    assert_int_equal(info_of(1).state, MULLION_STATE_RUNNING);
    assert_ptr_equal(cpu_at(1)->current, cpu_at(1)->owner);
    assert_int_equal(on(MULLION_CALL_PARTITION_PAUSE, 1), 0);
    assert_null(cpu_at(1)->current);
    assert_int_equal(on(MULLION_CALL_PARTITION_RESUME, 1), 0);
    assert_ptr_equal(cpu_at(1)->current, cpu_at(1)->owner);
    assert_int_equal(on(MULLION_CALL_PARTITION_STOP, 1), 0);
    assert_int_equal(info_of(1).reason, MULLION_REASON_REQUESTED);
    assert_null(cpu_at(1)->current);
    assert_int_equal(on(MULLION_CALL_PARTITION_RESET, 1), 0);
    assert_int_equal(info_of(1).state, MULLION_STATE_DEFINED);
    assert_int_equal(start(1), 0);
    assert_int_equal(info_of(1).start_count, 2);
}

static void start_hands_over_the_entry_state(void **state)
{
    (void)state;
    run_one();
    const struct vcpu *vcpu = cpu_at(1)->owner;
    assert_int_equal(fake_hvm.entry.mode, HVM_ENTRY_PROTECTED32);
    assert_int_equal(fake_hvm.entry.rip, 0x1000);
    assert_int_equal(fake_hvm.entry.rsp, 0x4000);
    assert_int_equal(vcpu->gpr[RBX], 0x2000);
    assert_int_equal(vcpu->gpr[RSI], 0x3000);
    assert_int_equal(vcpu->gpr[RDI], 0);
    assert_int_equal(vcpu->activity, VCPU_ACTIVE);
}

static void bad_entry_states_are_refused(void **state)
{
    (void)state;
    assert_int_equal(create("one", 1), 1);
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), 0);
    static const struct mullion_partition_start bad[] = {
        {.id = 1, .mode = MULLION_ENTRY_COUNT},
        {.id = 1, .mode = UINT32_MAX},
        {.id = 1, .mode = MULLION_ENTRY_PROTECTED32, .rip = 1ull << 32},
        {.id = 1, .mode = MULLION_ENTRY_PROTECTED32, .rsp = 1ull << 32},
        {.id = 1, .mode = MULLION_ENTRY_PROTECTED32, .cr3 = 0x1000},
        {.id = 1, .mode = MULLION_ENTRY_LONG64, .cr3 = 0x1001},
        {.id = 1, .mode = MULLION_ENTRY_LONG64, .cr3 = 1ull << 52},
        {.id = 1, .mode = MULLION_ENTRY_LONG64, .rip = 1ull << 63},
        {.id = 1, .mode = MULLION_ENTRY_LONG64, .rsp = 1ull << 47},
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct mullion_partition_start request = bad[i];
        assert_int_equal(CALL(MULLION_CALL_PARTITION_START, request), -MULLION_E_ENTRY);
    }
    assert_int_equal(info_of(1).state, MULLION_STATE_DEFINED);
}

static void start_closes_the_window_for_good(void **state)
{
    (void)state;
    assert_int_equal(create("one", 1), 1);
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), 0);
    assert_int_equal(on(MULLION_CALL_WINDOW_OPEN, 1), 0);
    hpa_t to = hpa(0);
    bool writable = false;
    const struct npt *agent = &box_agent()->partition->npt;
    assert_true(npt_translate(agent, gpa(BOX_WINDOW_GPA), &to, &writable));
    assert_true(to.v == 4 * FRAME_BYTES && writable);
    unsigned flushes = fake_hvm.flushes;
    assert_int_equal(start(1), 0);
    assert_false(npt_translate(agent, gpa(BOX_WINDOW_GPA), &to, &writable));
    assert_true(fake_hvm.flushes > flushes);
    assert_int_equal(on(MULLION_CALL_WINDOW_CLOSE, 1), -MULLION_E_STATE);
}

static void one_window_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(create("one", 1), 1);
    assert_int_equal(create("two", 2), 2);
    assert_int_equal(on(MULLION_CALL_WINDOW_OPEN, 1), 0);
    assert_int_equal(on(MULLION_CALL_WINDOW_OPEN, 2), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_WINDOW_CLOSE, 2), -MULLION_E_STATE);
    assert_int_equal(on(MULLION_CALL_WINDOW_CLOSE, 1), 0);
    assert_int_equal(on(MULLION_CALL_WINDOW_OPEN, 2), 0);
}

static void destroyed_memory_is_dirty_until_scrubbed(void **state)
{
    (void)state;
    run_one();
    assert_int_equal(on(MULLION_CALL_PARTITION_DESTROY, 1), 0);
    assert_null(cpu_at(1)->owner);
    assert_int_equal(create("two", 1), 1);
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), -MULLION_E_MEMORY_DIRTY);
    box_scrub();
    assert_int_equal(add(1, 0, 4 * FRAME_BYTES), 0);
}

static void memory_of_others_is_refused_with_its_owner(void **state)
{
    (void)state;
    run_one();
    assert_int_equal(create("two", 2), 2);
    struct mullion_partition_add_memory request = {.id = 2, .hpa = 3 * FRAME_BYTES, .bytes = 2 * FRAME_BYTES};
    assert_int_equal(CALL(MULLION_CALL_PARTITION_ADD_MEMORY, request), -MULLION_E_MEMORY_BUSY);
    assert_true(request.failed_hpa == 4 * FRAME_BYTES);
    assert_int_equal(request.failed_owner, MULLION_OWNER_PARTITION << 16 | 1);
    uint64_t agents = box_agent()->partition->ranges[0].hpa.v;
    request = (struct mullion_partition_add_memory){.id = 2, .hpa = agents, .bytes = FRAME_BYTES};
    assert_int_equal(CALL(MULLION_CALL_PARTITION_ADD_MEMORY, request), -MULLION_E_MEMORY_BUSY);
    assert_int_equal(request.failed_owner, MULLION_OWNER_PARTITION << 16 | MULLION_AGENT_ID);
}

static void a_guest_that_ends_keeps_its_reason(void **state)
{
    (void)state;
    run_one();
    struct vcpu *vcpu = cpu_at(1)->owner;
    fake_hvm.registers[HVM_RIP] = 0xabc;
    partition_end(vcpu, MULLION_REASON_TRIPLE_FAULT, 7);
    partition_end(vcpu, MULLION_REASON_RESET, 8); /* the first reason counts */
    struct mullion_partition_info info = info_of(1);
    assert_int_equal(info.state, MULLION_STATE_STOPPED);
    assert_int_equal(info.reason, MULLION_REASON_TRIPLE_FAULT);
    assert_int_equal(info.reason_detail, 7);
    assert_int_equal(info.reason_rip, 0xabc);
    assert_null(cpu_at(1)->current);
    assert_int_equal(on(MULLION_CALL_PARTITION_RESET, 1), 0);
    assert_int_equal(start(1), 0);
    assert_int_equal(info_of(1).reason, MULLION_REASON_NONE);
}

static void a_cpu_that_does_not_obey_is_reported_stuck(void **state)
{
    (void)state;
    run_one();
    box_deafen(1);
    assert_int_equal(on(MULLION_CALL_PARTITION_STOP, 1), -MULLION_E_BUSY);
    assert_int_equal(info_of(1).state, MULLION_STATE_STOPPED);
    assert_int_equal(info_of(1).reason, MULLION_REASON_STUCK);
    assert_int_equal(on(MULLION_CALL_PARTITION_DESTROY, 1), -MULLION_E_BUSY);
    assert_non_null(cpu_at(1)->owner); /* neither CPU nor memory can be given away */
}

static void
a_cpu_that_does_not_obey_a_pause_leaves_its_partition_stuck_whatever_it_reports_later(void **state)
{
    (void)state;
    run_one();
    struct vcpu *vcpu = cpu_at(1)->current;
    assert_non_null(vcpu);
    box_deafen(1);
    assert_int_equal(on(MULLION_CALL_PARTITION_PAUSE, 1), -MULLION_E_BUSY);
    partition_end(vcpu, MULLION_REASON_TRIPLE_FAULT, 7);
    assert_int_equal(info_of(1).state, MULLION_STATE_STOPPED);
    assert_int_equal(info_of(1).reason, MULLION_REASON_STUCK);
    assert_int_equal(on(MULLION_CALL_PARTITION_RESUME, 1), -MULLION_E_STATE);
    struct mullion_event_wait wait = {.deadline_tsc = UINT64_MAX};
    assert_int_equal(CALL(MULLION_CALL_EVENT_WAIT, wait), 0);
    assert_true(hypercall_event_wait_done(box_agent()));
    memcpy(&wait, box_agent_ram(BOX_REQUEST), sizeof(wait));
    assert_int_equal(wait.state_mask, BIT(1));
}

/* ---- consoles, counters, waiting ---- */

static void a_console_goes_both_ways(void **state)
{
    (void)state;
    run_one();
    struct partition *p = partition_find(1);
    for (const char *c = "hello"; *c; c++)
        uart_write(&p->uart, 0, (uint8_t)*c);
    struct mullion_buffer read = {.id = 1, .offset = 1, .gpa = BOX_BUFFER, .bytes = 100};
    assert_int_equal(CALL(MULLION_CALL_CONSOLE_READ, read), 0);
    assert_int_equal(read.bytes, 4);
    assert_int_equal(read.offset, 1);
    assert_memory_equal(box_agent_ram(BOX_BUFFER), "ello", 4);
    memcpy(box_agent_ram(BOX_BUFFER), "ok", 2);
    struct mullion_buffer write = {.id = 1, .gpa = BOX_BUFFER, .bytes = 2};
    assert_int_equal(CALL(MULLION_CALL_CONSOLE_WRITE, write), 0);
    assert_int_equal(write.bytes, 2);
    assert_int_equal(uart_read(&p->uart, 0), 'o');
    assert_int_equal(uart_read(&p->uart, 0), 'k');
}

static void a_console_that_overflowed_says_how_much_was_lost(void **state)
{
    (void)state;
    run_one();
    struct partition *p = partition_find(1);
    for (unsigned i = 0; i < UART_OUTPUT_BYTES + 77; i++)
        uart_write(&p->uart, 0, (uint8_t)i);
    struct mullion_buffer read = {.id = 1, .gpa = BOX_BUFFER, .bytes = 65536};
    assert_int_equal(CALL(MULLION_CALL_CONSOLE_READ, read), 0);
    assert_int_equal(read.offset, 77);
    assert_int_equal(read.bytes, UART_OUTPUT_BYTES);
    assert_int_equal(box_agent_ram(BOX_BUFFER)[0], 77);
}

static int64_t host_channel_call(uint64_t number, uint32_t channel, struct mullion_buffer *buffer)
{
    *buffer = (struct mullion_buffer){.id = channel, .gpa = BOX_BUFFER, .bytes = 50};
    return box_call(number, buffer, sizeof(*buffer));
}

static void the_byte_link_is_there_only_if_the_box_has_one(void **state)
{
    (void)state;
    struct mullion_buffer buffer;
    for (uint32_t id = MULLION_HOST_BYTE_LINK; id <= MULLION_HOST_CHANNEL_COUNT; id++) {
        assert_int_equal(host_channel_call(MULLION_CALL_HOST_CONSOLE_READ, id, &buffer), -MULLION_E_HARDWARE);
        assert_int_equal(host_channel_call(MULLION_CALL_HOST_CONSOLE_WRITE, id, &buffer),
                         -MULLION_E_HARDWARE);
    }
    box_add_byte_link(20);
    assert_int_equal(host_channel_call(MULLION_CALL_HOST_CONSOLE_WRITE, MULLION_HOST_BYTE_LINK, &buffer), 0);
    assert_int_equal(buffer.bytes, 20);
    assert_int_equal(host_channel_call(MULLION_CALL_HOST_CONSOLE_READ, MULLION_HOST_BYTE_LINK, &buffer), 0);
    assert_int_equal(buffer.bytes, 3);
    assert_int_equal(buffer.offset, 1000);
    assert_memory_equal(box_agent_ram(BOX_BUFFER), "lll", 3);
    assert_int_equal(host_channel_call(MULLION_CALL_HOST_CONSOLE_READ, MULLION_HOST_CONSOLE, &buffer), 0);
    assert_memory_equal(box_agent_ram(BOX_BUFFER), "kkk", 3);
    assert_int_equal(host_channel_call(MULLION_CALL_HOST_CONSOLE_READ, MULLION_HOST_CHANNEL_COUNT, &buffer),
                     -MULLION_E_HARDWARE);
}

static void buffers_are_checked(void **state)
{
    (void)state;
    run_one();
    uart_write(&partition_find(1)->uart, 0, 'x');
    static const struct {
        struct mullion_buffer buffer;
        int error;
    } rows[] = {
        {{.id = 1, .gpa = BOX_BUFFER, .bytes = 0}, MULLION_E_RANGE},
        {{.id = 1, .gpa = BOX_BUFFER, .bytes = 65537}, MULLION_E_RANGE},
        {{.id = 1, .gpa = BOX_BUFFER, .bytes = 1, .zero = 1}, MULLION_E_NOT_ZERO},
        {{.id = 1, .gpa = BOX_BUFFER, .bytes = 1, .zero2 = 1}, MULLION_E_NOT_ZERO},
        {{.id = 1, .gpa = BOX_AGENT_RAM, .bytes = 1}, MULLION_E_BAD_ADDRESS},
        {{.id = 1, .gpa = UINT64_MAX, .bytes = 1}, MULLION_E_BAD_ADDRESS},
        {{.id = 0, .gpa = BOX_BUFFER, .bytes = 1}, MULLION_E_PERMISSION},
        {{.id = 9, .gpa = BOX_BUFFER, .bytes = 1}, MULLION_E_NO_PARTITION},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct mullion_buffer buffer = rows[i].buffer;
        assert_int_equal(CALL(MULLION_CALL_CONSOLE_READ, buffer), -rows[i].error);
        buffer = rows[i].buffer;
        assert_int_equal(CALL(MULLION_CALL_CONSOLE_WRITE, buffer), -rows[i].error);
    }
}

static void a_call_moves_no_more_than_the_vmms_own_buffer_holds(void **state)
{
    (void)state;
    run_one();
    for (unsigned i = 0; i < 40000; i++)
        uart_write(&partition_find(1)->uart, 0, 'x');
    struct mullion_buffer buffer = {.id = 1, .gpa = BOX_BUFFER, .bytes = 65536};
    assert_int_equal(CALL(MULLION_CALL_CONSOLE_READ, buffer), 0);
    assert_int_equal(buffer.bytes, 16384);
    buffer = (struct mullion_buffer){.id = 1, .gpa = BOX_BUFFER, .bytes = 65536};
    assert_int_equal(CALL(MULLION_CALL_CONSOLE_WRITE, buffer), 0);
    assert_int_equal(buffer.bytes, UART_INPUT_BYTES);
}

static void enumerations_end(void **state)
{
    (void)state;
    struct mullion_cpu_info cpu = {.index = BOX_CPUS};
    struct mullion_memory_info memory = {.index = 1000};
    struct mullion_module_info module = {.index = 0};
    struct mullion_pci_info pci = {.index = 1};
    assert_int_equal(CALL(MULLION_CALL_CPU_INFO, cpu), -MULLION_E_RANGE);
    assert_int_equal(CALL(MULLION_CALL_MEMORY_INFO, memory), -MULLION_E_RANGE);
    assert_int_equal(CALL(MULLION_CALL_MODULE_INFO, module), -MULLION_E_RANGE);
    assert_int_equal(CALL(MULLION_CALL_PCI_INFO, pci), -MULLION_E_RANGE);
    cpu.index = BOX_CPUS - 1;
    assert_int_equal(CALL(MULLION_CALL_CPU_INFO, cpu), 0);
    assert_int_equal(cpu.state, MULLION_CPU_NOT_STARTED);
    struct mullion_partition_counters counters = {.id = 0, .vcpu = 1};
    assert_int_equal(CALL(MULLION_CALL_PARTITION_COUNTERS, counters), -MULLION_E_RANGE);
}

static void events_since_the_last_wait_come_at_once(void **state)
{
    (void)state;
    run_one();
    event_post_console(1);
    struct mullion_event_wait wait = {.deadline_tsc = UINT64_MAX};
    assert_int_equal(CALL(MULLION_CALL_EVENT_WAIT, wait), 0);
    assert_true(box_agent()->waiting);
    assert_true(hypercall_event_wait_done(box_agent()));
    memcpy(&wait, box_agent_ram(BOX_REQUEST), sizeof(wait));
    assert_int_equal(wait.state_mask, BIT(1));
    assert_int_equal(wait.console_mask, BIT(1));
    assert_int_equal(wait.events & MULLION_EVENT_TIMEOUT, 0);
    assert_int_equal(CALL(MULLION_CALL_EVENT_WAIT, wait), 0);
    assert_false(hypercall_event_wait_done(box_agent()));
    wait.deadline_tsc = 0;
    assert_int_equal(CALL(MULLION_CALL_EVENT_WAIT, wait), 0);
    assert_true(hypercall_event_wait_done(box_agent()));
    memcpy(&wait, box_agent_ram(BOX_REQUEST), sizeof(wait));
    assert_int_equal(wait.events, MULLION_EVENT_TIMEOUT);
}

static void power_off_checks_and_reports_what_is_missing(void **state)
{
    (void)state;
    struct mullion_host_power_off off = {8, 0};
    assert_int_equal(CALL(MULLION_CALL_HOST_POWER_OFF, off), -MULLION_E_RANGE);
    off = (struct mullion_host_power_off){5, 5};
    assert_int_equal(CALL(MULLION_CALL_HOST_POWER_OFF, off), -MULLION_E_HARDWARE);
    struct mullion_host_reset reset = {1};
    assert_int_equal(CALL(MULLION_CALL_HOST_RESET, reset), -MULLION_E_NOT_ZERO);
}

static void the_power_button_is_one_edge_until_it_is_read(void **state)
{
    (void)state;
    run_one();
    assert_int_equal(on(MULLION_CALL_PARTITION_POWER_BUTTON, 1), 0);
    assert_int_equal(on(MULLION_CALL_PARTITION_POWER_BUTTON, 1), 0);
    struct partition *p = partition_find(1);
    assert_int_equal(p->ioapic.raised, BIT(MACHINE_GSI_EVENT));
    assert_int_equal(power_read(&p->power, MACHINE_PORT_EVENT), MACHINE_EVENT_POWER_BUTTON);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_agent_in_ring_0_and_64_bit_mode_may_call),
        TEST(unknown_calls_are_refused),
        TEST(requests_outside_the_agents_ram_are_refused),
        TEST(a_partition_in_loading_is_no_place_for_a_request),
        TEST(names_are_checked),
        TEST(cpus_are_checked_and_the_culprit_named),
        TEST(counts_are_checked),
        TEST(one_partition_at_a_time_shares_cpu_0),
        TEST(who_shares_cpu_0_starts_and_stops_beside_the_agent),
        TEST(a_cpu_forgets_the_registers_of_a_destroyed_vcpu),
        TEST(flags_of_create_are_checked),
        TEST(a_failed_create_gives_everything_back),
        TEST(calls_on_no_partition_or_on_the_agent_are_refused),
        TEST(an_action_with_a_field_that_must_be_zero_is_refused),
        TEST(every_call_knows_its_states),
        TEST(a_partition_lives_stops_and_starts_again),
        TEST(start_hands_over_the_entry_state),
        TEST(bad_entry_states_are_refused),
        TEST(start_closes_the_window_for_good),
        TEST(one_window_at_a_time),
        TEST(destroyed_memory_is_dirty_until_scrubbed),
        TEST(memory_of_others_is_refused_with_its_owner),
        TEST(a_guest_that_ends_keeps_its_reason),
        TEST(a_cpu_that_does_not_obey_is_reported_stuck),
        TEST(a_cpu_that_does_not_obey_a_pause_leaves_its_partition_stuck_whatever_it_reports_later),
        TEST(a_console_goes_both_ways),
        TEST(a_console_that_overflowed_says_how_much_was_lost),
        TEST(the_byte_link_is_there_only_if_the_box_has_one),
        TEST(buffers_are_checked),
        TEST(a_call_moves_no_more_than_the_vmms_own_buffer_holds),
        TEST(enumerations_end),
        TEST(events_since_the_last_wait_come_at_once),
        TEST(power_off_checks_and_reports_what_is_missing),
        TEST(the_power_button_is_one_edge_until_it_is_read),
    };
    return cmocka_run_group_tests_name("hypercall", tests, NULL, NULL);
}
