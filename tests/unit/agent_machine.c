/* SPDX-License-Identifier: MIT */
/* The life of partitions on the model of the VMM, and what the console shows of it. */
#include "agent_test.h"
#include "model/machine.h"
#include "os/linux/model.h"
#include "os/os.h"
#include "ui/attach.h"
#include "ui/commands.h"
#include "ui/console.h"
#include "ui/status.h"

#define HEAD  "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":["
#define ALPHA "{\"name\":\"alpha\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}"
#define BETA  "{\"name\":\"beta\",\"cpus\":2,\"memory\":\"128MiB\",\"boot\":{\"kernel\":\"vmlinux\"}"
#define BOTH  HEAD ALPHA "}," BETA "}]}"

static struct machine machine;
static uint8_t kernel[TEST_PVH_BYTES];
static char announced[4096];

static void announce(const char *line)
{
    size_t used = strlen(announced);
    snprintf(announced + used, sizeof(announced) - used, "%s\n", line);
}

static void agent_begin(void)
{
    memset(&machine, 0, sizeof(machine));
    announced[0] = 0;
    console_start(1000000);
    machine_read(&machine, announce);
    machine_bring_up(&machine);
}

static void boot_as(const char *manifest, const char *site_words)
{
    test_pvh_make(kernel);
    model_boot(4);
    model_add_module("image vmlinux", kernel, sizeof(kernel));
    model_add_module("manifest", manifest, strlen(manifest));
    static const char site[] = "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\"}";
    model_add_module(site_words, site, strlen(site));
    agent_begin();
}

static void boot(const char *manifest)
{
    boot_as(manifest, "site");
}

/* Passes the model's events on, as the main loop does. */
static void events(void)
{
    struct mullion_event_wait wait;
    console_wait(0, &wait);
    machine_event(&machine, &wait);
    machine_tick(&machine);
}

/* As events(), and lets those start again that have to wait for it. */
static void events_and_restarts(void)
{
    events();
    for (unsigned i = 0; i < machine.partition_count; i++) {
        if (machine.partitions[i].restart_at_ms != 0) {
            model_advance(10000);
            machine_tick(&machine);
        }
    }
}

static struct partition *named(const char *name)
{
    struct partition *p = machine_partition(&machine, name);
    assert_non_null(p);
    partition_refresh(p);
    return p;
}

static void command(const char *line, const char *wanted)
{
    model_output();
    command_run(&machine, line);
    assert_string_equal(model_output(), wanted);
}

static void machine_starts_what_the_manifest_says(void **state)
{
    (void)state;
    boot(BOTH);
    assert_int_equal(machine.problems.count, 0);
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(named("beta")->phase, PHASE_RUNNING);
    assert_int_equal(named("beta")->info.cpus[0], 2);
    assert_int_equal(named("beta")->info.memory_bytes, 128 << 20);
    assert_int_equal(model_entry(named("alpha")->id)->rip, TEST_PVH_LOAD);
    assert_int_equal(*model_memory(named("alpha")->id, TEST_PVH_LOAD), 0xab);
    assert_memory_equal(model_memory(named("beta")->id, 0xe0000), "RSD PTR ", 8);
}

static void machine_status_block_has_the_documented_keys(void **state)
{
    (void)state;
    boot(BOTH);
    machine.boot_ms = 1234;
    model_guest_output(named("alpha")->id, "first\r\n\x1b[6nlogin: ");
    model_output();
    memset(machine.token, 'a', 32);
    status_print(&machine);
    assert_string_equal(model_output(), "\n=== Mullion " MULLION_VERSION " ===\n"
                                        "site:           box\n"
                                        "boot time:      1.23 s\n"
                                        "cpus:           4 (1 agent, 3 in partitions, 0 free)\n"
                                        "memory:         1024 MiB (832 MiB free, VMM 8 MiB, agent 34 MiB)\n"
                                        "back end:       model\n"
                                        "isolation.dma:  none\n"
                                        "driver VM:      missing\n"
                                        "token:          aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
                                        "partitions:\n"
                                        "  1 alpha     running   cpus 1     64 MiB   [login: ]\n"
                                        "  2 beta      running   cpus 2-3  128 MiB   []\n"
                                        "problems:       none\n"
                                        "===\n");
}

static void machine_bad_partition_does_not_keep_the_others_down(void **state)
{
    (void)state;
    boot(HEAD ALPHA
         "},{\"name\":\"bad\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}}," BETA
         "}]}");
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(named("bad")->phase, PHASE_REFUSED);
    assert_int_equal(named("beta")->phase, PHASE_RUNNING);
    assert_int_equal(machine.problems.count, 1);
    command("start bad",
            "error: partition \"bad\": cannot be started: its manifest entry has an error (see `status`): "
            "correct the manifest and restart the box\n");
}

static void machine_syntax_error_starts_nothing_and_says_so(void **state)
{
    (void)state;
    boot("{ \"apiVersion\": ");
    assert_int_equal(machine.partition_count, 0);
    assert_int_equal(machine.problems.count, 2);
    assert_string_equal(machine.problems.text[1],
                        "manifest: it cannot be used: no partition is started: correct it as "
                        "said above and restart the box");
}

static void machine_damaged_kernel_is_named(void **state)
{
    (void)state;
    test_pvh_make(kernel);
    model_boot(4);
    model_add_module("image vmlinux", kernel, 3000);
    model_add_module("manifest", BOTH, strlen(BOTH));
    agent_begin();
    assert_int_equal(named("alpha")->phase, PHASE_ABSENT);
    assert_string_equal(
        named("alpha")->trouble.text,
        "partition \"alpha\": image \"vmlinux\": segment 0 of the kernel lies outside its file: it is "
        "damaged or cut short, replace it");
    assert_int_equal(box_cpus(&machine.box, MULLION_CPU_FREE), 3);
}

static void machine_guest_reboot_loads_and_starts_again(void **state)
{
    (void)state;
    boot(BOTH);
    uint32_t id = named("alpha")->id;
    *model_memory(id, TEST_PVH_LOAD) = 0;
    model_end_partition(id, MULLION_REASON_RESET, 0);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(named("alpha")->info.start_count, 2);
    assert_int_equal(*model_memory(id, TEST_PVH_LOAD), 0xab);
    assert_string_equal(announced, "partition \"alpha\": reset by its guest; it is started again\n");
}

static void machine_guest_power_off_stays_off(void **state)
{
    (void)state;
    boot(BOTH);
    model_end_partition(named("alpha")->id, MULLION_REASON_POWER_OFF, 0);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
    assert_string_equal(announced, "partition \"alpha\": powered off by its guest\n");
    assert_string_equal(named("alpha")->trouble.text, "");
    command("start alpha", "ok\n");
    assert_int_equal(named("alpha")->info.start_count, 2);
}

static void machine_end_is_dealt_with_even_if_status_saw_it_first(void **state)
{
    (void)state;
    boot(BOTH);
    model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
    status_print(&machine);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
}

static void machine_on_reboot_stop_is_obeyed(void **state)
{
    (void)state;
    boot(HEAD ALPHA ",\"onReboot\":\"stop\"}]}");
    model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
}

static void machine_crash_is_told_in_words(void **state)
{
    (void)state;
    boot(BOTH);
    model_end_partition(named("alpha")->id, MULLION_REASON_MMIO_UNMAPPED, 0xd0000000);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
    assert_string_equal(
        named("alpha")->trouble.text,
        "partition \"alpha\": crashed: access outside the partition's memory map (address 0xd0000000, "
        "vCPU 0, RIP 0): look at its console; check its kernel, then `start` it");
}

static void machine_guest_that_reboots_often_waits_longer_each_time(void **state)
{
    (void)state;
    boot(BOTH);
    uint64_t waited = 0;
    for (unsigned i = 0; i < 20; i++) {
        model_advance(1500); /* not hasty, so it is never given up */
        model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
        events();
        if (i == 0) {
            assert_int_equal(named("alpha")->phase, PHASE_RUNNING); /* the first time at once */
            continue;
        }
        assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
        uint64_t delay = named("alpha")->restart_at_ms - machine_ms(&machine);
        assert_true(delay >= waited && delay <= 10000);
        waited = delay - 1;
        model_advance(delay);
        events();
        assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    }
    assert_true(waited >= 9000);
    model_advance(1500);
    model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
    events();
    command("stop alpha", "ok\n");
    model_advance(20000);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
}

static void machine_crash_loop_ends(void **state)
{
    (void)state;
    boot(HEAD ALPHA ",\"onCrash\":\"restart\"}]}");
    for (unsigned i = 1; i <= 5; i++) {
        model_end_partition(named("alpha")->id, MULLION_REASON_TRIPLE_FAULT, 0);
        events_and_restarts();
        assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
        assert_int_equal(named("alpha")->info.start_count, i + 1);
    }
    model_end_partition(named("alpha")->id, MULLION_REASON_TRIPLE_FAULT, 0);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
}

static void machine_crash_loop_that_ended_says_so(void **state)
{
    (void)state;
    boot(HEAD ALPHA ",\"onCrash\":\"restart\"}]}");
    for (unsigned i = 0; i < 6; i++) {
        model_end_partition(named("alpha")->id, MULLION_REASON_TRIPLE_FAULT, 0);
        events_and_restarts();
    }
    assert_non_null(strstr(named("alpha")->trouble.text, "crashed too often in a row and stays stopped"));
}

static void machine_guest_that_reboots_at_once_is_not_loaded_for_ever(void **state)
{
    (void)state;
    boot(BOTH);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
        model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
        events_and_restarts();
    }
    assert_int_equal(named("alpha")->phase, PHASE_STOPPED);
    assert_non_null(strstr(announced, "reset by its guest; too often in a row, it stays stopped\n"));
    assert_string_equal(
        named("alpha")->trouble.text,
        "partition \"alpha\": restarted itself too often in a row and stays stopped: reset by "
        "its guest: `start` it when it is wanted");
}

static void machine_start_by_wish_ends_a_row_of_crashes(void **state)
{
    (void)state;
    boot(HEAD ALPHA ",\"onCrash\":\"restart\"}]}");
    for (unsigned i = 0; i < 6; i++) {
        model_end_partition(named("alpha")->id, MULLION_REASON_TRIPLE_FAULT, 0);
        events_and_restarts();
    }
    command("start alpha", "ok\n");
    model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
    events();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    model_end_partition(named("alpha")->id, MULLION_REASON_TRIPLE_FAULT, 0);
    events_and_restarts();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
}

static void machine_waits_for_scrubbing(void **state)
{
    (void)state;
    test_pvh_make(kernel);
    model_boot(4);
    model_set_dirty(0, 100);
    model_add_module("image vmlinux", kernel, sizeof(kernel));
    model_add_module("manifest", BOTH, strlen(BOTH));
    agent_begin();
    assert_int_equal(named("alpha")->phase, PHASE_WAITING);
    assert_int_equal(named("alpha")->id, 0);
    assert_true(machine_is_waiting(&machine));
    model_output();
    status_print(&machine);
    assert_non_null(
        strstr(model_output(), "  1 alpha     waiting   cpus 1     64 MiB   [waiting for scrub]\n"));
    model_scrub();
    events();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_false(machine_is_waiting(&machine));
}

static void machine_commands_walk_through_a_life(void **state)
{
    (void)state;
    boot(BOTH);
    command("pause alpha", "ok\n");
    assert_int_equal(named("alpha")->phase, PHASE_PAUSED);
    command("start alpha",
            "error: partition \"alpha\": cannot be started: it is paused already: use `resume`\n");
    command("resume alpha", "ok\n");
    command("  resume   alpha ",
            "error: partition \"alpha\": cannot be resumed: the partition is not in a state that "
            "allows this: see `info`\n");
    command("reset alpha", "ok\n");
    assert_int_equal(named("alpha")->info.start_count, 2);
    command("poweroff alpha", "ok\n");
    command("stop alpha", "ok\n");
    events();
    assert_string_equal(announced, "");
    command("destroy alpha", "ok\n");
    assert_int_equal(named("alpha")->phase, PHASE_ABSENT);
    command("stop alpha",
            "error: partition \"alpha\": cannot be stopped: it does not exist now: `start` it first\n");
    command("counters alpha", "error: partition \"alpha\": it does not exist now: `start` it first\n");
    command("start alpha", "ok\n");
    assert_int_equal(named("alpha")->phase, PHASE_WAITING); /* its frames are dirty now */
    model_scrub();
    events();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
}

static void machine_commands_say_what_is_wrong(void **state)
{
    (void)state;
    boot(BOTH);
    command("frobnicate", "error: frobnicate: there is no such command: see `help`\n");
    command("start", "error: start: it needs the name of a partition: see the names in `status`\n");
    command("start gamma", "error: start: there is no partition \"gamma\": see the names in `status`\n");
    command("status now", "error: status: it takes no argument: leave out \"now\"\n");
    command("shutdown",
            "error: shutdown: the firmware's ACPI tables do not say how to switch this box off: use its "
            "power switch\n");
    command("crash-agent", "error: crash-agent: there is no such command: see `help`\n");
    command("", "");
    assert_int_equal(model_power(), MODEL_POWER_ON);
}

static void machine_shutdown_stops_partitions_first(void **state)
{
    static const uint8_t dsdt[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0, 0};
    (void)state;
    test_pvh_make(kernel);
    model_boot(4);
    model_add_module("image vmlinux", kernel, sizeof(kernel));
    model_add_module("manifest", BOTH, strlen(BOTH));
    model_add_module("host-dsdt", dsdt, sizeof(dsdt));
    agent_begin();
    model_output();
    command_run(&machine, "shutdown");
    assert_string_equal(announced, "stopping alpha\nstopping beta\n");
    model_end_partition(named("alpha")->id, MULLION_REASON_POWER_OFF, 0);
    events();
    assert_int_equal(model_power(), MODEL_POWER_ON); /* beta has not obeyed */
    model_advance(31000);
    events();
    assert_non_null(strstr(announced, "switching the box off"));
    assert_int_equal(model_power(), MODEL_POWER_OFF);
    assert_int_equal(named("beta")->phase, PHASE_STOPPED);
}

static void machine_restarted_agent_takes_over(void **state)
{
    (void)state;
    boot(BOTH);
    machine.boot_ms = 77;
    command("stop beta", "ok\n");
    uint64_t starts = named("alpha")->info.start_count;
    model_restart_agent();
    agent_begin();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(named("alpha")->info.start_count, starts);
    assert_int_equal(named("beta")->phase, PHASE_STOPPED);
    assert_int_equal(machine.boot_ms, 77);
    assert_int_equal(machine.problems.count, 1);
    assert_string_equal(machine.problems.text[0],
                        "agent: restarted 1 time: reason in `log`: report it as a defect");
}

static void machine_restarted_agent_catches_up_with_what_ended_meanwhile(void **state)
{
    (void)state;
    boot(BOTH);
    model_end_partition(named("alpha")->id, MULLION_REASON_RESET, 0);
    model_restart_agent();
    agent_begin();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(named("alpha")->info.start_count, 2);
}

static void machine_restarted_agent_finishes_what_was_half_done(void **state)
{
    (void)state;
    boot(BOTH);
    command("destroy alpha", "ok\n");
    model_scrub();
    events();
    named("alpha")->desired = DESIRED_RUNNING;
    machine_save(&machine);
    struct mullion_partition_create create = {.name = "alpha", .vcpu_count = 1, .cpus = {1}};
    assert_int_equal(os_hypercall(MULLION_CALL_PARTITION_CREATE, &create), 0);
    model_restart_agent();
    agent_begin();
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
    assert_int_equal(named("alpha")->info.memory_bytes, 64 << 20);
}

static void machine_attach_passes_bytes_both_ways(void **state)
{
    (void)state;
    struct failure failure = {.text = ""};
    boot(BOTH);
    uint32_t id = named("alpha")->id;
    model_guest_output(id, "old\r\nlogin: ");
    model_output();
    assert_int_equal(attach_begin(named("alpha"), &failure), 0);
    assert_string_equal(model_output(), "attached to alpha; Ctrl-] detaches\nlogin: ");
    assert_true(attach_type("root\r", 5));
    model_guest_output(id, "root\r\n# ");
    attach_pump();
    assert_string_equal(model_guest_input(id), "root\r");
    assert_string_equal(model_output(), "root\n# ");
    assert_false(attach_type("x\x1dy", 3));
    attach_pump();
    assert_string_equal(model_guest_input(id), "x");
    attach_end("detached");
    assert_null(attach_partition());
}

static void attach_keeps_a_lone_carriage_return(void **state)
{
    (void)state;
    struct failure failure = {.text = ""};
    boot(BOTH);
    uint32_t id = named("alpha")->id;
    assert_int_equal(attach_begin(named("alpha"), &failure), 0);
    model_output();
    model_guest_output(id, "10%\r");
    attach_pump();
    model_guest_output(id, "20%\r");
    attach_pump();
    model_guest_output(id, "\ndone\r\n");
    attach_pump();
    assert_string_equal(model_output(), "10%\r20%\ndone\n");
    attach_end("detached");
}

static void attach_shows_what_a_crashed_guest_left(void **state)
{
    (void)state;
    boot(BOTH);
    uint32_t id = named("alpha")->id;
    model_guest_output(id, "panic\r\nend\r\n");
    model_end_partition(id, MULLION_REASON_TRIPLE_FAULT, 0);
    events();
    command("attach alpha", "alpha is stopped; the last of its console:\npanic\nend\n\nok\n");
    assert_null(attach_partition());
}

static void attach_end_shows_all_last_words(void **state)
{
    static char words[3 * 4096 + 1];
    (void)state;
    struct failure failure = {.text = ""};
    boot(BOTH);
    uint32_t id = named("alpha")->id;
    assert_int_equal(attach_begin(named("alpha"), &failure), 0);
    memset(words, 'w', sizeof(words) - 1);
    model_output();
    model_guest_output(id, words);
    model_guest_output(id, "last");
    model_end_partition(id, MULLION_REASON_TRIPLE_FAULT, 0);
    events();
    attach_end("ended");
    assert_non_null(strstr(model_output(), "wlast\nended from alpha\n"));
}

static void console_that_takes_nothing_is_not_waited_for(void **state)
{
    (void)state;
    boot(BOTH);
    model_output();
    model_stick_console(true);
    uint64_t begin = os_tsc();
    for (unsigned i = 0; i < 4; i++) {
        console_print("line\n");
    }
    assert_true(os_tsc() - begin < 100000000u);
    assert_string_equal(model_output(), "");
    assert_true(console_is_behind());
    model_stick_console(false);
    console_print("back\n");
    assert_string_equal(model_output(), "line\nline\nline\nline\nback\n");
    assert_false(console_is_behind());
}

static void output_beyond_the_queue_is_dropped_and_counted(void **state)
{
    static char much[0x20000 + 12345];
    struct mullion_event_wait wait;
    (void)state;
    boot(BOTH);
    model_output();
    memset(much, 'm', sizeof(much));
    model_stick_console(true);
    console_write(much, sizeof(much));
    model_stick_console(false);
    size_t shown = 0;
    const char *text = "";
    for (unsigned i = 0; i < 10 && strstr(text, "dropped") == NULL; i++) {
        console_wait(0, &wait);
        text = model_output();
        shown += strspn(text, "m");
    }
    assert_int_equal(shown, 0x20000);
    assert_non_null(strstr(text, "\n[12345 bytes of output dropped: the console is too slow]\n"));
}

static void shutdown_without_a_register_stops_nothing(void **state)
{
    static const uint8_t dsdt[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0, 0};
    (void)state;
    boot(BOTH);
    model_add_module("host-dsdt", dsdt, sizeof(dsdt));
    model_restart_agent();
    agent_begin();
    machine.box.platform.sleep_cnt_port = 0;
    command("shutdown", "error: shutdown: the machine has no register for this: use its power switch\n");
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
}

/* One file for a rack: each box finds itself by its UUID. */
static void machine_takes_what_is_for_this_box(void **state)
{
    static const char rack[] = HEAD ALPHA "}],\"machines\":["
                                          "{\"match\":{\"uuid\":\"12345678-1234-5678-9abc-def012345678\"},"
                                          "\"partitions\":[" BETA "}]}]}";
    static const struct {
        const char *words, *partition;
    } boxes[] = {{"site uuid=12345678-1234-5678-9ABC-DEF012345678", "beta"},
                 {"site uuid=12345678-1234-5678-9abc-def012345679", "alpha"},
                 {"site uuid=12345678-0000-0000-0000-000000000000", "alpha"}};
    (void)state;
    for (size_t i = 0; i < COUNT(boxes); i++) {
        boot_as(rack, boxes[i].words);
        assert_int_equal(machine.partition_count, 1);
        assert_int_equal(named(boxes[i].partition)->phase, PHASE_RUNNING);
    }
}

static void machine_that_cannot_find_itself_starts_nothing(void **state)
{
    (void)state;
    boot(HEAD ALPHA "}],\"machines\":[{\"match\":{\"serial\":\"X1\"},\"partitions\":[]}]}");
    assert_int_equal(machine.partition_count, 0);
    assert_int_equal(machine.problems.count > 0, 1);
}

static void machine_without_uuid_takes_nothing_from_a_racks_manifest(void **state)
{
    static const char rack[] =
        HEAD ALPHA "}],\"machines\":[{\"match\":{\"uuid\":\"12345678-1234-5678-9abc-def012345678\"}}]}";
    static const char *const words[] = {"site", "site uuid=00000000-0000-0000-0000-000000000000"};
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        boot_as(rack, words[i]);
        assert_int_equal(machine.partition_count, 0);
        assert_non_null(strstr(machine.problems.text[0], "/machines: this box's UUID is not known"));
    }
}

/* A name with a typing error may be the one that was to keep partitions from starting. */
static void machine_starts_nothing_if_a_name_is_not_known(void **state)
{
#define SELECT "],\"machines\":[{\"match\":{\"uuid\":\"12345678-1234-5678-9abc-def012345678\"}"
    static const char *const manifests[] = {
        HEAD ALPHA "}],\"image\":[]}",
        HEAD ALPHA "}],\"machine\":[]}",
        HEAD ALPHA "}],\"partitions\":[]}",
        HEAD ALPHA "}" SELECT ",\"image\":[]}]}",
        HEAD ALPHA "}" SELECT ",\"links\":[],\"links\":[]}]}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(manifests); i++) {
        boot_as(manifests[i], "site uuid=12345678-1234-5678-9abc-def012345678");
        assert_int_equal(machine.partition_count, 0);
        assert_non_null(strstr(machine.problems.text[1], "manifest: it cannot be used"));
    }
    boot_as(HEAD ALPHA "}" SELECT "}]}", "site uuid=12345678-1234-5678-9abc-def012345678");
    assert_int_equal(named("alpha")->phase, PHASE_RUNNING);
}

/* Names of the agent's own parts. */
static void machine_refuses_a_partition_with_a_taken_name(void **state)
{
    (void)state;
    boot(HEAD "{\"name\":\"driver\",\"cpus\":[1],\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"vmlinux\"}}]}");
    assert_non_null(
        strstr(machine.problems.text[0], "/partitions/0/name: the name \"driver\" belongs to a part"));
    assert_int_equal(machine.partition_count, 0);
}

static void problems_of_the_box_find_room_behind_those_of_a_file(void **state)
{
    static char text[8192];
    size_t used = (size_t)snprintf(text, sizeof(text), HEAD ALPHA "}]");
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, ",\"x%u\":1", i);
    }
    snprintf(text + used, sizeof(text) - used, "}");
    boot(text);
    assert_int_equal(machine.problems.dropped, 60 - (PROBLEM_LIMIT - PROBLEM_KEPT));
    assert_non_null(
        strstr(machine.problems.text[PROBLEM_LIMIT - PROBLEM_KEPT], "manifest: it cannot be used"));
}

static void console_edits_a_line(void **state)
{
    static const char typed[] = "he\x1b[Axx\b\x1bOB\x1b[1;5C\x7flp\r\n";
    (void)state;
    boot(BOTH);
    console_clear();
    enum console_action action = CONSOLE_NOTHING;
    for (size_t i = 0; i < sizeof(typed) - 2; i++) {
        action = console_type(typed[i]);
    }
    assert_int_equal(action, CONSOLE_LINE);
    assert_string_equal(console_line(), "help");
    assert_int_equal(console_type('\n'), CONSOLE_NOTHING);
    console_clear();
    assert_int_equal(console_type('2'), CONSOLE_DIGIT);
    console_clear();
    assert_int_equal(console_type('a'), CONSOLE_NOTHING);
    assert_int_equal(console_type('2'), CONSOLE_NOTHING);
    for (unsigned i = 0; i < 1000; i++) {
        console_type('x');
    }
    assert_int_equal(strlen(console_line()), CONSOLE_LINE_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machine_starts_what_the_manifest_says),
        cmocka_unit_test(machine_status_block_has_the_documented_keys),
        cmocka_unit_test(machine_bad_partition_does_not_keep_the_others_down),
        cmocka_unit_test(machine_syntax_error_starts_nothing_and_says_so),
        cmocka_unit_test(machine_damaged_kernel_is_named),
        cmocka_unit_test(machine_guest_reboot_loads_and_starts_again),
        cmocka_unit_test(machine_guest_power_off_stays_off),
        cmocka_unit_test(machine_end_is_dealt_with_even_if_status_saw_it_first),
        cmocka_unit_test(machine_on_reboot_stop_is_obeyed),
        cmocka_unit_test(machine_crash_is_told_in_words),
        cmocka_unit_test(machine_guest_that_reboots_often_waits_longer_each_time),
        cmocka_unit_test(machine_crash_loop_ends),
        cmocka_unit_test(machine_crash_loop_that_ended_says_so),
        cmocka_unit_test(machine_guest_that_reboots_at_once_is_not_loaded_for_ever),
        cmocka_unit_test(machine_start_by_wish_ends_a_row_of_crashes),
        cmocka_unit_test(attach_keeps_a_lone_carriage_return),
        cmocka_unit_test(attach_shows_what_a_crashed_guest_left),
        cmocka_unit_test(attach_end_shows_all_last_words),
        cmocka_unit_test(console_that_takes_nothing_is_not_waited_for),
        cmocka_unit_test(output_beyond_the_queue_is_dropped_and_counted),
        cmocka_unit_test(shutdown_without_a_register_stops_nothing),
        cmocka_unit_test(machine_waits_for_scrubbing),
        cmocka_unit_test(machine_commands_walk_through_a_life),
        cmocka_unit_test(machine_commands_say_what_is_wrong),
        cmocka_unit_test(machine_shutdown_stops_partitions_first),
        cmocka_unit_test(machine_restarted_agent_takes_over),
        cmocka_unit_test(machine_restarted_agent_catches_up_with_what_ended_meanwhile),
        cmocka_unit_test(machine_restarted_agent_finishes_what_was_half_done),
        cmocka_unit_test(machine_attach_passes_bytes_both_ways),
        cmocka_unit_test(machine_takes_what_is_for_this_box),
        cmocka_unit_test(machine_that_cannot_find_itself_starts_nothing),
        cmocka_unit_test(machine_without_uuid_takes_nothing_from_a_racks_manifest),
        cmocka_unit_test(machine_starts_nothing_if_a_name_is_not_known),
        cmocka_unit_test(machine_refuses_a_partition_with_a_taken_name),
        cmocka_unit_test(problems_of_the_box_find_room_behind_those_of_a_file),
        cmocka_unit_test(console_edits_a_line),
    };
    return cmocka_run_group_tests_name("agent_machine", tests, NULL, NULL);
}
