/* SPDX-License-Identifier: MIT */
#include "driver/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driver/build.h"
#include "model/identity.h"
#include "model/ports.h"
#include "model/words.h"
#include "os/os.h"

#define QUIET_MS     100u    /* devices finish what they were doing */
#define BOOT_MS      120000u /* until the first answer, on a slow box */
#define CALM_MS      60000u  /* a run this long makes the next death the first again */
#define DEATHS       8u      /* in a row; then it is left alone */
#define BACK_OFF_MS  250u    /* doubles with each death */
#define START_DEATHS 2u      /* agents that died starting it; then it is left alone */
#define READ_BYTES   2048u
#define READ_TURNS   8u /* a flood must not hold the agent */

const char *driver_phase_name(enum driver_phase phase)
{
    static const char *const names[DRIVER_PHASE_COUNT] = {
        [DRIVER_MISSING] = "missing", [DRIVER_WAITING] = "waiting", [DRIVER_DOWN] = "down",
        [DRIVER_QUIET] = "resetting", [DRIVER_BOOTING] = "booting", [DRIVER_UP] = "running",
        [DRIVER_FAILED] = "failed",   [DRIVER_OFF] = "off",
    };
    return (unsigned)phase < DRIVER_PHASE_COUNT ? names[phase] : "?";
}

const struct rpc_function *driver_function_told(const struct driver *driver, uint32_t slot)
{
    for (uint32_t i = 0; i < driver->client.functions_read && slot != 0; i++) {
        if (driver->client.functions[i].slot == slot) {
            return &driver->client.functions[i];
        }
    }
    return NULL;
}

bool driver_is_alive(const struct driver *driver)
{
    return driver->phase == DRIVER_BOOTING || driver->phase == DRIVER_UP;
}

/* ---- coming up
 * --------------------------------------------------------------------------------------------------- */

static void begin(struct driver *driver, uint64_t now_ms)
{
    driver->phase = DRIVER_BOOTING;
    driver->started_ms = now_ms;
    driver->greetings_seen = 0;
    os_port_open_stream(DRIVER_SLOT_RPC);
    client_begin(&driver->client, now_ms, BOOT_MS);
}

/* From here it is left alone; one that runs but does not answer would keep its devices busy. */
static void give_up(struct machine *machine)
{
    struct mullion_partition_ref ref = {.id = machine->driver.id};
    machine->driver.phase = DRIVER_FAILED;
    if (ref.id != 0) {
        os_hypercall(MULLION_CALL_PARTITION_STOP, &ref);
    }
}

/* An agent that dies in what follows has left its trace: see driver_find(). */
static void attempt(struct machine *machine, uint32_t attempts)
{
    machine->driver.attempts = attempts;
    machine_save(machine);
}

static void start(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    attempt(machine, driver->attempts + 1);
    if (driver_load_and_start(machine) != 0) {
        give_up(machine);
    } else {
        driver->starts++;
        begin(driver, machine_ms(machine));
    }
    attempt(machine, 0);
}

static void rest(struct driver *driver, uint64_t now_ms)
{
    driver->phase = DRIVER_QUIET;
    driver->until_ms = now_ms + QUIET_MS;
}

static void died(struct machine *machine, const char *why);

static void adopt(struct machine *machine, const struct mullion_partition_info *info)
{
    struct driver *driver = &machine->driver;
    driver_survey(machine, info);
    driver_agent_ports(machine);
    begin(driver, machine_ms(machine));
    if (info->state != MULLION_STATE_RUNNING) {
        died(machine, "it was found dead");
    }
}

static bool partition_find(struct mullion_partition_info *info)
{
    for (uint32_t id = 1; id < MULLION_MAX_PARTITIONS; id++) {
        *info = (struct mullion_partition_info){.id = id};
        if (os_hypercall(MULLION_CALL_PARTITION_INFO, info) == 0 && info->state != MULLION_STATE_NONE &&
            strncmp(info->name, DRIVER_NAME, sizeof(info->name)) == 0) {
            return true;
        }
    }
    return false;
}

/* An agent that died while it made the driver VM has left half of one: it was never started. */
static bool is_whole(const struct mullion_partition_info *info)
{
    return info->range_count == 2 && info->start_count > 0;
}

void driver_find(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    bool complete = box_module(&machine->box, MULLION_MODULE_DRIVER, "kernel") != NULL &&
                    box_module(&machine->box, MULLION_MODULE_DRIVER, "initramfs") != NULL;
    struct mullion_partition_info info;
    driver->phase = complete ? DRIVER_WAITING : DRIVER_MISSING;
    bool found = complete && partition_find(&info);
    struct mullion_partition_ref ref = {.id = found ? info.id : 0};
    if (found && is_whole(&info)) {
        adopt(machine, &info);
    } else if (found) {
        os_hypercall(MULLION_CALL_PARTITION_DESTROY, &ref);
    }
    if (driver->attempts >= START_DEATHS && !driver_is_alive(driver)) {
        driver_fail(
            driver,
            "the agent died %u times while starting it: no network: replace driver-kernel on the boot "
            "medium, report this as a defect",
            (unsigned)driver->attempts);
        give_up(machine);
    }
}

bool driver_bring_up(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    if (driver->phase != DRIVER_WAITING) {
        return false;
    }
    attempt(machine, driver->attempts + 1);
    int result = driver_create(machine);
    if (result < 0) {
        give_up(machine);
    } else if (result == 0) {
        rest(driver, machine_ms(machine)); /* its functions were reset when they were assigned */
    }
    attempt(machine, 0);
    return result > 0;
}

/* ---- going down
 * -------------------------------------------------------------------------------------------------- */

static void died(struct machine *machine, const char *why)
{
    struct driver *driver = &machine->driver;
    uint64_t now = machine_ms(machine);
    driver->uplink_trouble[0] = 0;
    driver->jack_trouble[0] = 0;
    bool calm = driver->client.greeted && now - driver->started_ms >= CALM_MS;
    driver->deaths = calm ? 1 : driver->deaths + 1;
    ports_withdraw(machine);
    if (driver->deaths > DEATHS) {
        give_up(machine);
        driver_fail(
            driver,
            "it died %u times in a row: %s: no network: look at its console by `log`, restart the box",
            driver->deaths, why);
    } else {
        driver->phase = DRIVER_DOWN;
        driver->until_ms = now + ((uint64_t)BACK_OFF_MS << (driver->deaths - 1));
        driver_fail(driver, "%s: it is started again: if this repeats, report it as a defect", why);
    }
    machine_announce(machine, "%s", driver->trouble);
    machine_save(machine);
    if (driver->phase == DRIVER_FAILED) {
        machine_bring_up(machine); /* whoever waited for it waits no more */
    }
}

static void reset(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    struct mullion_partition_ref ref = {.id = driver->id};
    long error = os_hypercall(MULLION_CALL_PARTITION_RESET, &ref);
    if (error != 0) {
        give_up(machine);
        driver_fail(driver, "it cannot be reset: %s", words_error(error));
        return;
    }
    rest(driver, machine_ms(machine));
}

void driver_changed(struct machine *machine)
{
    struct driver *driver = &machine->driver;
    struct mullion_partition_info info = {.id = driver->id};
    if (!driver_is_alive(driver) || os_hypercall(MULLION_CALL_PARTITION_INFO, &info) != 0 ||
        info.state != MULLION_STATE_STOPPED) {
        return;
    }
    if (driver->client.power_off || machine->ending != BOX_STAYS) {
        driver->phase = DRIVER_OFF;
        return;
    }
    char words[160];
    died(machine, words_reason(&info, words, sizeof(words)));
}

void driver_power_off(struct machine *machine)
{
    machine->driver.client.power_off = driver_is_alive(&machine->driver);
}

void driver_revive(struct machine *machine)
{
    if (machine->driver.phase == DRIVER_OFF) {
        machine->driver.phase = DRIVER_DOWN;
        machine->driver.until_ms = machine_ms(machine);
    }
}

/* ---- requests and answers
 * ---------------------------------------------------------------------------------------- */

static void exchange(struct driver *driver, uint64_t now_ms)
{
    static uint8_t data[READ_BYTES];
    for (unsigned turn = 0; turn < READ_TURNS; turn++) {
        struct client *client = &driver->client;
        if (client_step(client, now_ms)) {
            client->out_sent += os_port_write(DRIVER_SLOT_RPC, client->out + client->out_sent,
                                              client->out_bytes - client->out_sent);
        }
        size_t bytes = os_port_read(DRIVER_SLOT_RPC, data, sizeof(data));
        client_take(client, data, bytes, now_ms);
        if (bytes == 0) {
            return;
        }
    }
}

/* The port in the lowest slot, which stays the same from boot to boot; one whose MAC address is none does not
 * count. */
static const struct rpc_nic *first_port(const struct client *client)
{
    static const uint8_t none[ADDRESS_MAC_BYTES];
    const struct rpc_nic *first = NULL;
    for (uint32_t i = 0; i < client->nics_read; i++) {
        const struct rpc_nic *nic = &client->nics[i];
        bool good = nic->slot != 0 && memcmp(nic->mac, none, sizeof(none)) != 0;
        first = good && (first == NULL || nic->slot < first->slot) ? nic : first;
    }
    return first;
}

/* A box without UUID takes its first port's MAC address for one. */
static void seed_from_ports(struct machine *machine)
{
    const struct rpc_nic *first = first_port(&machine->driver.client);
    memset(machine->seed, 0, sizeof(machine->seed));
    machine_identify(machine, first != NULL ? identity_from_mac(first->mac, machine->seed) : IDENTITY_FIXED);
}

static uint32_t slot_of(const struct driver *driver, uint16_t segment, uint16_t bdf)
{
    for (unsigned i = 0; i < driver->function_count; i++) {
        if (driver->functions[i].segment == segment && driver->functions[i].bdf == bdf) {
            return driver->functions[i].slot;
        }
    }
    return 0;
}

static struct uplink_view view_of(const struct machine *machine, uint64_t now_ms)
{
    return (struct uplink_view){
        .site = &machine->site,
        .slot = slot_of(&machine->driver, machine->site.uplink_segment, machine->site.uplink_bdf),
        .has_lease = machine->has_lease,
        .now_ms = now_ms,
    };
}

static void uplink_update(struct machine *machine, uint64_t now_ms)
{
    struct driver *driver = &machine->driver;
    struct uplink_view view = view_of(machine, now_ms);
    const struct client *client = &driver->client;
    if (!client_has_listed(client) || (client->greetings == driver->greetings_seen &&
                                       now_ms < uplink_deadline(&driver->uplink, &view, &driver->client))) {
        return;
    }
    driver->greetings_seen = client->greetings;
    const struct rpc_nic *nic = uplink_choose(&driver->uplink, &view, client);
    uplink_problem(&view, client, nic, driver->uplink_trouble);
    if (nic == NULL ? client->uplink.slot != 0
                    : nic->slot != client->uplink.slot ||
                          memcmp(nic->mac, client->uplink.mac, sizeof(nic->mac)) != 0) {
        client_set_uplink(&driver->client, nic);
    }
}

static void serve(struct machine *machine, uint64_t now_ms)
{
    struct driver *driver = &machine->driver;
    exchange(driver, now_ms);
    if (client_is_lost(&driver->client, now_ms)) {
        died(machine, driver->client.greeted ? "it does not answer any more" : "it did not come up in time");
        return;
    }
    if (driver->client.greeted && driver->phase == DRIVER_BOOTING) {
        driver->phase = DRIVER_UP;
        driver->trouble[0] = 0;
    }
    if (machine->seed_kind == IDENTITY_NONE &&
        (driver->client.passes > 0 || (driver->client.greeted && driver->client.nic_count == 0))) {
        seed_from_ports(machine);
    }
    ports_acknowledge(machine);
    ports_problem(machine, driver->jack_trouble);
    uplink_update(machine, now_ms);
    exchange(driver, now_ms);
}

void driver_tick(struct machine *machine, uint64_t now_ms)
{
    struct driver *driver = &machine->driver;
    if (driver_is_alive(driver)) {
        serve(machine, now_ms);
    } else if (driver->phase == DRIVER_DOWN && now_ms >= driver->until_ms) {
        reset(machine);
    } else if (driver->phase == DRIVER_QUIET && now_ms >= driver->until_ms) {
        start(machine);
    }
}

uint64_t driver_deadline(const struct machine *machine)
{
    const struct driver *driver = &machine->driver;
    if (driver_is_alive(driver)) {
        struct uplink_view view = view_of(machine, 0);
        uint64_t uplink = uplink_deadline(&driver->uplink, &view, &driver->client);
        uint64_t client = client_deadline(&driver->client);
        return uplink < client ? uplink : client;
    }
    return driver->phase == DRIVER_DOWN || driver->phase == DRIVER_QUIET ? driver->until_ms : UINT64_MAX;
}
