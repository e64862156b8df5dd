/* SPDX-License-Identifier: MIT */
/* What the machine does by itself: on events, when time is up, and on the way down. */
#include <stdio.h>

#include "driver/build.h"
#include "model/machine.h"
#include "model/ports.h"
#include "model/s5.h"
#include "model/words.h"
#include "os/os.h"

#define ENDING_MS        (PARTITION_STOP_MS + 1000u) /* for all partitions together; their own time is up before */
#define DRIVER_ENDING_MS 5000u
#define FAREWELL_MS      500u /* for the answer to whoever asked for it over the network */

uint64_t machine_ms(const struct machine *machine)
{
    return box_ms(&machine->box, machine->box.platform.boot_tsc, os_tsc());
}

bool machine_net_ready(const struct machine *machine)
{
    struct mullion_port_info info = {.id = MULLION_AGENT_ID, .slot = DRIVER_SLOT_AGENT};
    return machine->seed_kind != IDENTITY_NONE && !machine->site.is_closed &&
           os_hypercall(MULLION_CALL_PORT_INFO, &info) == 0;
}

void machine_identify(struct machine *machine, enum identity_source source)
{
    machine->seed_kind = source;
    machine_save(machine);
    if (source == IDENTITY_FIXED) {
        problem_add(&machine->problems,
                    "addresses: the box has neither a UUID nor a network port to derive them from: "
                    "they are the same on every such box: set the UUID in the firmware setup");
    }
    machine_bring_up(machine);
}

/* ---- on the way down
 * ---------------------------------------------------------------------------------------------- */

static int power_off(struct machine *machine, struct failure *failure, bool only_check)
{
    const struct box_module *dsdt = box_module(&machine->box, MULLION_MODULE_DSDT, NULL);
    struct s5_values values;
    if (machine->box.platform.sleep_cnt_port == 0) {
        snprintf(failure->text, sizeof(failure->text), "shutdown: %s", words_error(MULLION_E_HARDWARE));
        return -1;
    }
    if (dsdt == NULL || !s5_find(dsdt->data, dsdt->bytes, &values)) {
        snprintf(failure->text, sizeof(failure->text),
                 "shutdown: the firmware's ACPI tables do not say how to switch this box off: use its power "
                 "switch");
        return -1;
    }
    struct mullion_host_power_off request = {.slp_typa = values.typa, .slp_typb = values.typb};
    long error = only_check ? 0 : os_hypercall(MULLION_CALL_HOST_POWER_OFF, &request);
    snprintf(failure->text, sizeof(failure->text), "shutdown: %s", words_error(error));
    return error == 0 ? 0 : -1;
}

static int reboot(struct failure *failure)
{
    struct mullion_host_reset request = {.zero = 0};
    long error = os_hypercall(MULLION_CALL_HOST_RESET, &request);
    snprintf(failure->text, sizeof(failure->text), "reboot: %s", words_error(error));
    return -1;
}

static bool is_alive(const struct partition *p)
{
    return p->phase == PHASE_RUNNING || p->phase == PHASE_PAUSED;
}

static unsigned alive(const struct machine *machine)
{
    unsigned count = 0;
    for (unsigned i = 0; i < machine->partition_count; i++) {
        count += is_alive(&machine->partitions[i]) ? 1 : 0;
    }
    return count;
}

int machine_end(struct machine *machine, enum box_ending how, struct failure *failure)
{
    if (machine->ending != BOX_STAYS) {
        snprintf(failure->text, sizeof(failure->text), "box: it is going down already: wait");
        return -1;
    }
    if (how == BOX_POWERS_OFF && power_off(machine, failure, true) != 0) {
        return -1;
    }
    machine->ending = how;
    machine_save(machine);
    machine->guests_gone = false;
    machine->ending_by_ms = machine_ms(machine) + ENDING_MS;
    machine->ending_from_ms = machine_ms(machine) + (driver_is_alive(&machine->driver) ? FAREWELL_MS : 0);
    for (unsigned i = 0; i < machine->partition_count; i++) {
        struct partition *p = &machine->partitions[i];
        partition_refresh(p);
        p->restart_at_ms = 0;
        if (is_alive(p)) {
            machine_announce(machine, "stopping %s", p->spec->name);
            partition_stop_gracefully(machine, p, failure);
        }
    }
    return 0;
}

static void stop_all(struct machine *machine)
{
    struct failure failure;
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (is_alive(&machine->partitions[i])) {
            partition_stop(machine, &machine->partitions[i], &failure);
        }
    }
}

/* The last act. If the box cannot, it stays as it is, without partitions. */
static void finish(struct machine *machine)
{
    struct failure failure = {.text = ""};
    stop_all(machine);
    bool off = machine->ending == BOX_POWERS_OFF;
    machine_announce(machine, off ? "switching the box off" : "restarting the box");
    if ((off ? power_off(machine, &failure, false) : reboot(&failure)) != 0) {
        machine_announce(machine, "error: %s", failure.text);
    }
    machine->ending = BOX_STAYS;
    machine_save(machine);
    driver_revive(machine);
}

static void ending_step(struct machine *machine, uint64_t now_ms)
{
    if (!machine->guests_gone) {
        if (now_ms < machine->ending_from_ms || (alive(machine) > 0 && now_ms < machine->ending_by_ms)) {
            return;
        }
        stop_all(machine);
        machine->guests_gone = true;
        machine->ending_by_ms = now_ms + DRIVER_ENDING_MS;
        driver_power_off(machine);
    }
    if (!driver_is_alive(&machine->driver) || now_ms >= machine->ending_by_ms) {
        finish(machine);
    }
}

static bool has_carrier(const struct client *client)
{
    for (uint32_t i = 0; i < client->nics_read; i++) {
        if (client->nics[i].slot != 0 && client->nics[i].carrier != 0) {
            return true;
        }
    }
    return false;
}

bool machine_is_settling(const struct machine *machine)
{
    const struct driver *driver = &machine->driver;
    bool listed = driver->client.passes > 0 || (driver->client.greeted && driver->client.nic_count == 0);
    bool addressed = machine->site.is_closed || (machine->net.address[0] != 0 && machine->net.link);
    return machine_is_waiting(machine) || driver->phase == DRIVER_QUIET ||
           (driver_is_alive(driver) && !listed) ||
           (driver->phase == DRIVER_UP && has_carrier(&driver->client) && !addressed);
}

/* ---- time and events
 * ---------------------------------------------------------------------------------------------- */

static void partitions_due(struct machine *machine, uint64_t now_ms)
{
    struct failure failure;
    for (unsigned i = 0; i < machine->partition_count; i++) {
        struct partition *p = &machine->partitions[i];
        if (p->restart_at_ms != 0 && now_ms >= p->restart_at_ms) {
            machine_start_again(machine, p);
        }
        if (p->stop_by_ms != 0 && now_ms >= p->stop_by_ms) {
            p->stop_by_ms = 0;
            machine_announce(machine,
                             "partition \"%s\": its guest did not react to the power button; it is stopped",
                             p->spec->name);
            partition_stop(machine, p, &failure);
        }
    }
}

void machine_tick(struct machine *machine)
{
    uint64_t now = machine_ms(machine);
    partitions_due(machine, now);
    driver_tick(machine, now);
    if (machine->ending != BOX_STAYS) {
        ending_step(machine, now);
    }
}

void machine_event(struct machine *machine, const struct mullion_event_wait *event)
{
    struct failure failure = {.text = ""};
    if (event->state_mask != 0) {
        machine_states_changed(machine, event->state_mask);
    }
    if (event->port_mask != 0) {
        ports_changed(machine, event->port_mask);
    }
    if ((event->events & MULLION_EVENT_SCRUBBED) != 0 && machine_is_waiting(machine)) {
        machine_bring_up(machine);
    }
    if ((event->events & MULLION_EVENT_POWER) != 0 && machine_end(machine, BOX_POWERS_OFF, &failure) != 0) {
        machine_announce(machine, "%s", failure.text);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t machine_deadline(const struct machine *machine)
{
    uint64_t ms = driver_deadline(machine);
    for (unsigned i = 0; i < machine->partition_count; i++) {
        const struct partition *p = &machine->partitions[i];
        ms = earlier(ms, p->stop_by_ms != 0 ? p->stop_by_ms : UINT64_MAX);
        ms = earlier(ms, p->restart_at_ms != 0 ? p->restart_at_ms : UINT64_MAX);
    }
    if (machine->ending != BOX_STAYS) {
        uint64_t from = machine_ms(machine) < machine->ending_from_ms ? machine->ending_from_ms : UINT64_MAX;
        ms = earlier(ms, earlier(machine->ending_by_ms, from));
    }
    const struct mullion_platform_info *platform = &machine->box.platform;
    return ms == UINT64_MAX ? UINT64_MAX : platform->boot_tsc + (ms + 1) * platform->tsc_khz;
}
