/* SPDX-License-Identifier: MIT */
/* The agent: reads box and manifest, brings up the partitions, then serves the console and what partitions
 * do. */
#include <stddef.h>

#include "model/machine.h"
#include "os/os.h"
#include "ui/attach.h"
#include "ui/commands.h"
#include "ui/console.h"
#include "ui/status.h"

#define RETRY_MS    10u    /* for a guest that does not take what was typed */
#define PATIENCE_MS 10000u /* then the status block is shown although partitions still wait for scrubbing */

static struct machine machine;

/* The first status block ends the boot; in an agent that was restarted the boot time is remembered. */
static void boot_done(void)
{
    if (machine.boot_ms == 0) {
        machine.boot_ms = box_ms(&machine.box, machine.box.platform.boot_tsc, os_tsc());
        machine.boot_ms = machine.boot_ms > 0 ? machine.boot_ms : 1;
        machine_save(&machine);
    }
    status_print(&machine);
    console_prompt();
}

static void announce(const char *line)
{
    if (attach_partition() != NULL) {
        console_print("\n%s\n", line);
    } else {
        console_announce(line);
    }
}

static void typed_at_prompt(char c)
{
    switch (console_type(c)) {
    case CONSOLE_LINE:
        command_run(&machine, console_line());
        break;
    case CONSOLE_DIGIT:
        command_attach_number(&machine, (unsigned)(console_line()[0] - '0'));
        break;
    case CONSOLE_NOTHING:
        return;
    }
    console_clear();
    if (attach_partition() == NULL) {
        console_prompt();
    }
}

static void detach(const char *why)
{
    attach_end(why);
    console_clear();
    console_prompt();
}

static void input(void)
{
    char data[128];
    size_t bytes = console_read(data, sizeof(data));
    for (size_t i = 0; i < bytes; i++) {
        if (attach_partition() == NULL) {
            typed_at_prompt(data[i]);
        } else if (!attach_type(&data[i], 1)) {
            detach("detached");
        }
    }
}

static void attached_partition_check(void)
{
    const struct partition *p = attach_partition();
    if (p != NULL && p->phase != PHASE_RUNNING && p->phase != PHASE_PAUSED) {
        detach("it does not run any more; detached");
    }
}

static void handle(const struct mullion_event_wait *event)
{
    attach_pump();
    machine_event(&machine, event);
    machine_tick(&machine);
    attached_partition_check();
    if ((event->events & MULLION_EVENT_HOST_INPUT) != 0) {
        input();
    }
}

int main(void)
{
    struct mullion_platform_info platform = {.zero = 0};
    os_hypercall(MULLION_CALL_PLATFORM_INFO, &platform);
    console_start(platform.tsc_khz);
    machine_read(&machine, announce);
    machine_bring_up(&machine);
    uint64_t patience = os_tsc() + PATIENCE_MS * platform.tsc_khz;
    for (bool booted = false;;) {
        if (!booted && (!machine_is_waiting(&machine) || os_tsc() >= patience)) {
            booted = true;
            boot_done();
        }
        uint64_t deadline = booted ? UINT64_MAX : patience;
        if (attach_pump()) {
            deadline = os_tsc() + RETRY_MS * platform.tsc_khz;
        }
        uint64_t due = machine_deadline(&machine);
        deadline = due < deadline ? due : deadline;
        struct mullion_event_wait event;
        console_wait(deadline, &event);
        handle(&event);
    }
}
