/* SPDX-License-Identifier: MIT */
/* The agent dies at each of its hypercalls in turn, before and after it: the next agent leaves every
 * partition as it was or as it was to become, and nothing in between. */
#include "agent_test.h"
#include "model/machine.h"
#include "os/linux/model.h"
#include "os/os.h"
#include "ui/commands.h"
#include "ui/console.h"

#define HEAD "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":["
#define ALPHA                                                                                                \
    "{\"name\":\"alpha\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"},"               \
    "\"autostart\":"
#define BETA "{\"name\":\"beta\",\"cpus\":[2],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}}]}"

static struct machine machine;
static uint8_t kernel[TEST_PVH_BYTES];
static jmp_buf death;

static void announce(const char *line)
{
    (void)line;
}

static void agent_begin(void)
{
    memset(&machine, 0, sizeof(machine));
    console_start(1000000);
    machine_read(&machine, announce);
    machine_bring_up(&machine);
}

static void box_make(bool autostart)
{
    static char manifest[1024];
    snprintf(manifest, sizeof(manifest), "%s%s%s},%s", HEAD, ALPHA, autostart ? "true" : "false", BETA);
    test_pvh_make(kernel);
    model_boot(4);
    model_add_module("image vmlinux", kernel, sizeof(kernel));
    model_add_module("manifest", manifest, strlen(manifest));
}

static struct partition *named(const char *name)
{
    struct partition *p = machine_partition(&machine, name);
    assert_non_null(p);
    partition_refresh(p);
    return p;
}

/* One way from a state to another, by commands. */
struct way {
    bool autostart;
    const char *before, *command;
    enum partition_phase old, new;
};

/* @return whether the agent died on the way */
static bool walk(const struct way *way, unsigned call, bool after)
{
    box_make(way->autostart);
    agent_begin();
    if (way->before != NULL) {
        command_run(&machine, way->before);
    }
    bool died = setjmp(death) != 0;
    if (!died) {
        model_die_at(call, after, &death);
        command_run(&machine, way->command);
        model_die_at(0, false, NULL);
    }
    return died;
}

static void check_no_cpu_is_lost(void)
{
    box_refresh(&machine.box);
    unsigned held = 0;
    for (unsigned i = 0; i < machine.partition_count; i++) {
        held += machine.partitions[i].id != 0 ? 1 : 0;
    }
    assert_int_equal(box_cpus(&machine.box, MULLION_CPU_OWNED), held);
}

static void check_end_is_dealt_with(struct partition *p)
{
    uint64_t starts = p->info.start_count;
    model_end_partition(p->id, MULLION_REASON_RESET, 0);
    machine_states_changed(&machine, UINT64_MAX);
    partition_refresh(p);
    assert_int_equal(p->phase, PHASE_RUNNING);
    assert_int_equal(p->info.start_count, starts + 1);
}

static void check_way(const struct way *way, bool after)
{
    for (unsigned call = 1; walk(way, call, after); call++) {
        model_restart_agent();
        agent_begin();
        model_scrub();
        machine_bring_up(&machine);
        struct partition *p = named("alpha");
        assert_true(p->phase == way->old || p->phase == way->new);
        assert_int_equal(named("beta")->info.start_count, 1);
        check_no_cpu_is_lost();
        if (p->phase == PHASE_RUNNING) {
            check_end_is_dealt_with(p);
        }
    }
}

static void restart_leaves_old_or_new_at_any_call(void **state)
{
    static const struct way ways[] = {
        {false, NULL, "start alpha", PHASE_ABSENT, PHASE_RUNNING},
        {true, "stop alpha", "start alpha", PHASE_STOPPED, PHASE_RUNNING},
        {true, "stop alpha", "reset alpha", PHASE_STOPPED, PHASE_RUNNING},
        {true, NULL, "reset alpha", PHASE_RUNNING, PHASE_RUNNING},
        {true, NULL, "stop alpha", PHASE_RUNNING, PHASE_STOPPED},
        {true, "stop alpha", "destroy alpha", PHASE_STOPPED, PHASE_ABSENT},
        {true, "pause alpha", "destroy alpha", PHASE_PAUSED, PHASE_ABSENT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(ways); i++) {
        check_way(&ways[i], false);
        check_way(&ways[i], true);
    }
}

/* A running partition that was to be destroyed is not started again instead. */
static void restart_does_not_undo_a_destroy(void **state)
{
    static const struct way way = {true, NULL, "destroy alpha", PHASE_RUNNING, PHASE_ABSENT};
    (void)state;
    for (unsigned call = 1; walk(&way, call, true); call++) {
        model_restart_agent();
        agent_begin();
        model_scrub();
        machine_bring_up(&machine);
        assert_int_equal(named("alpha")->phase, PHASE_ABSENT);
        check_no_cpu_is_lost();
    }
}

static void restart_after_a_death_before_the_first_record_starts_everything(void **state)
{
    (void)state;
    box_make(true);
    if (setjmp(death) == 0) {
        model_die_at(1, true, &death);
        agent_begin();
    }
    model_restart_agent();
    agent_begin();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(machine.problems.count, 2); /* restarted; no site.json */
}

/* @return whether a second agent died too, about where the first one did */
static bool second_death(unsigned call)
{
    bool died = setjmp(death) != 0;
    if (!died) {
        memset(&machine, 0, sizeof(machine));
        machine_read(&machine, announce);
        model_die_at(call, true, &death);
        machine_bring_up(&machine);
        model_die_at(0, false, NULL);
    }
    return died;
}

/* Whatever kills the agent in a start must not do so for ever: the console would be gone. */
static void restart_gives_up_a_start_that_kills_agents(void **state)
{
    static const struct way way = {false, NULL, "start alpha", PHASE_ABSENT, PHASE_RUNNING};
    unsigned given_up = 0;
    (void)state;
    for (unsigned call = 1; walk(&way, call, true); call++) {
        model_restart_agent();
        if (!second_death(call)) {
            continue;
        }
        model_restart_agent();
        agent_begin();
        struct partition *p = named("alpha");
        if (p->phase == PHASE_ABSENT) {
            given_up++;
            assert_non_null(strstr(p->trouble.text, "not started: the agent died 2 times while starting it"));
        }
        check_no_cpu_is_lost();
    }
    assert_true(given_up > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restart_leaves_old_or_new_at_any_call),
        cmocka_unit_test(restart_does_not_undo_a_destroy),
        cmocka_unit_test(restart_after_a_death_before_the_first_record_starts_everything),
        cmocka_unit_test(restart_gives_up_a_start_that_kills_agents),
    };
    return cmocka_run_group_tests_name("agent_restart", tests, NULL, NULL);
}
