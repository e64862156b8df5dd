/* SPDX-License-Identifier: MIT */
#include "ui/commands.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "ui/attach.h"
#include "ui/console.h"
#include "ui/lists.h"
#include "ui/status.h"

/** A command: with `on_partition` it takes the name of a partition. */
struct command {
    const char *name, *help;
    int (*run)(struct machine *machine, struct failure *failure);
    int (*on_partition)(struct machine *machine, struct partition *p, struct failure *failure);
    bool driver_too; /* may name the driver VM */
};

static int run_help(struct machine *machine, struct failure *failure);

static int run_status(struct machine *machine, struct failure *failure)
{
    (void)failure;
    status_print(machine);
    return 0;
}

static int run_attach(struct machine *machine, struct partition *p, struct failure *failure)
{
    (void)machine;
    return attach_begin(p, failure);
}

static int run_reboot(struct machine *machine, struct failure *failure)
{
    return machine_end(machine, BOX_REBOOTS, failure);
}

static int run_shutdown(struct machine *machine, struct failure *failure)
{
    return machine_end(machine, BOX_POWERS_OFF, failure);
}

#ifdef MULLION_PLANTED_CRASH
/* Only in the test image: a busy agent. `argument` are milliseconds. */
static void run_spin(const struct machine *machine, const char *argument)
{
    uint64_t ms = strtoull(argument, NULL, 10);
    uint64_t turns = 0;
    uint64_t end = os_tsc() + ms * machine->box.platform.tsc_khz;
    while (os_tsc() < end) {
        turns++;
    }
    console_print("spun %" PRIu64 " turns\n", turns);
}

/* Only in the test image: an exception in the agent itself. */
static int run_crash_agent(struct machine *machine, struct failure *failure)
{
    (void)machine, (void)failure;
    __asm__ volatile("ud2");
    return 0;
}
#endif

static const struct command commands[] = {
    {"help", "this list", run_help, NULL, false},
    {"status", "the status block", run_status, NULL, false},
    {"attach", "its serial console (Ctrl-] detaches); a digit on an empty line does the same", NULL,
     run_attach, true},
    {"start", "create, load and start it", NULL, partition_start, false},
    {"stop", "stop it at once (`poweroff` asks its guest); the driver VM is started again", NULL,
     partition_stop, true},
    {"pause", "freeze it", NULL, partition_pause, false},
    {"resume", "go on after pause", NULL, partition_resume, false},
    {"reset", "load it again and start it anew", NULL, partition_reset, false},
    {"poweroff", "press its ACPI power button", NULL, partition_power_button, false},
    {"destroy", "stop it and give back its CPUs and memory", NULL, partition_destroy, false},
    {"info", "its state, reason, CPUs, memory ranges, starts", NULL, list_info, true},
    {"counters", "its counters: NAME vcpuN REASON COUNT LONGEST_TICKS", NULL, list_counters, true},
    {"log", "the VMM's log", list_log, NULL, false},
    {"memory", "who owns which memory", list_memory, NULL, false},
    {"cpus", "who owns which CPU", list_cpus, NULL, false},
    {"pci", "the PCI functions of the box", list_pci, NULL, false},
    {"modules", "what the boot loader loaded", list_modules, NULL, false},
    {"ports", "its ports: links, status and counters", NULL, list_ports, true},
    {"reboot", "stop all partitions and restart the box", run_reboot, NULL, false},
    {"shutdown", "stop all partitions and switch the box off", run_shutdown, NULL, false},
#ifdef MULLION_PLANTED_CRASH
    {"crash-agent", "test image: the agent dies", run_crash_agent, NULL, false},
#endif
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int run_help(struct machine *machine, struct failure *failure)
{
    (void)machine, (void)failure;
    for (size_t i = 0; i < COMMANDS; i++) {
        console_print("  %-9s %-5s %s\n", commands[i].name, commands[i].on_partition != NULL ? "NAME" : "",
                      commands[i].help);
    }
    return 0;
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int run_on(struct machine *machine, const struct command *command, const char *name,
                  struct failure *failure)
{
    struct partition *p =
        command->driver_too ? machine_look(machine, name) : machine_partition(machine, name);
    if (name[0] == 0 || p == NULL) {
        snprintf(failure->text, sizeof(failure->text), "%s: %s%.32s%s: see the names in `status`",
                 command->name,
                 name[0] == 0 ? "it needs the name of a partition" : "there is no partition \"", name,
                 name[0] == 0 ? "" : "\"");
        return -1;
    }
    return command->on_partition(machine, p, failure);
}

/* Splits "word rest" at spaces; both are cut to fit. */
static void words_split(const char *line, char first[CONSOLE_LINE_BYTES], char second[CONSOLE_LINE_BYTES])
{
    line += strspn(line, " ");
    size_t length = strcspn(line, " ");
    snprintf(first, CONSOLE_LINE_BYTES, "%.*s", (int)length, line);
    line += length + strspn(line + length, " ");
    length = strlen(line);
    while (length > 0 && line[length - 1] == ' ') {
        length--;
    }
    snprintf(second, CONSOLE_LINE_BYTES, "%.*s", (int)length, line);
}

static int run_line(struct machine *machine, const char *name, const char *argument, struct failure *failure)
{
    const struct command *command = command_find(name);
#ifdef MULLION_PLANTED_CRASH
    if (strcmp(name, "spin") == 0) {
        run_spin(machine, argument);
        return 0;
    }
#endif
    if (command == NULL) {
        snprintf(failure->text, sizeof(failure->text), "%.40s: there is no such command: see `help`", name);
        return -1;
    }
    if (command->on_partition != NULL) {
        return run_on(machine, command, argument, failure);
    }
    if (argument[0] != 0) {
        snprintf(failure->text, sizeof(failure->text), "%s: it takes no argument: leave out \"%.40s\"", name,
                 argument);
        return -1;
    }
    return command->run(machine, failure);
}

void command_run(struct machine *machine, const char *line)
{
    char name[CONSOLE_LINE_BYTES];
    char argument[CONSOLE_LINE_BYTES];
    struct failure failure = {.text = ""};
    words_split(line, name, argument);
    if (name[0] == 0) {
        return;
    }
    if (run_line(machine, name, argument, &failure) != 0) {
        console_print("error: %s\n", failure.text);
    } else if (attach_partition() == NULL) {
        console_print("ok\n");
    }
}

void command_attach_number(struct machine *machine, unsigned number)
{
    struct failure failure = {.text = ""};
    console_print("\n");
    if (number < 1 || number > machine->partition_count) {
        console_print("error: attach: there is no partition number %u: see `status`\n", number);
    } else if (attach_begin(&machine->partitions[number - 1], &failure) != 0) {
        console_print("error: %s\n", failure.text);
    }
}
