/* SPDX-License-Identifier: MIT */
#include "model/machine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver/build.h"
#include "model/manifest_box.h"
#include "model/ports.h"
#include "model/words.h"
#include "os/os.h"

#define CRASH_RESTARTS  5u /* in a row; then the partition stays down */
#define START_DEATHS    2u /* agents that died starting one partition; then it is left alone */
#define HASTY_MS        1000u /* a guest that reboots sooner is in a loop, which would keep the agent loading it */
#define TOKEN_BYTES     16u
#define BACK_OFF_MS     100u /* before the second restart of a row; doubles */
#define BACK_OFF_MAX_MS 10000u
#define CALM_MS         60000u /* a run this long makes the next crash the first again */

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_REFUSED] = "refused", [PHASE_ABSENT] = "absent",   [PHASE_WAITING] = "waiting",
    [PHASE_DEFINED] = "defined", [PHASE_RUNNING] = "running", [PHASE_PAUSED] = "paused",
    [PHASE_STOPPED] = "stopped",
};

const char *machine_phase_name(enum partition_phase phase)
{
    return (unsigned)phase < PHASE_COUNT ? phase_names[phase] : "?";
}

struct partition *machine_partition(struct machine *machine, const char *name)
{
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (strcmp(machine->partitions[i].spec->name, name) == 0) {
            return &machine->partitions[i];
        }
    }
    return NULL;
}

struct partition *machine_look(struct machine *machine, const char *name)
{
    if (strcmp(name, DRIVER_NAME) != 0 || machine->driver.phase == DRIVER_MISSING) {
        return machine_partition(machine, name);
    }
    machine->driver_spec = (struct partition_spec){.name = DRIVER_NAME,
                                                   .cpus_listed = true,
                                                   .cpu_count = 1,
                                                   .memory_bytes = DRIVER_MEMORY_BYTES,
                                                   .kernel = "-"};
    machine->driver_view = (struct partition){.spec = &machine->driver_spec,
                                              .phase = PHASE_ABSENT,
                                              .desired = DESIRED_RUNNING,
                                              .id = machine->driver.id};
    partition_refresh(&machine->driver_view);
    return &machine->driver_view;
}

struct partition *machine_partition_by_id(struct machine *machine, uint32_t id)
{
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (id != 0 && machine->partitions[i].id == id) {
            return &machine->partitions[i];
        }
    }
    return NULL;
}

const char *machine_owner_name(const struct machine *machine, uint32_t id)
{
    if (id == MULLION_AGENT_ID) {
        return "agent";
    }
    if (id == machine->driver.id) {
        return DRIVER_NAME;
    }
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (machine->partitions[i].id == id) {
            return machine->partitions[i].spec->name;
        }
    }
    return "?";
}

/* ---- reading
 * ----------------------------------------------------------------------------------------------- */

static void site_load(struct machine *machine)
{
    const struct box_module *module = box_module(&machine->box, MULLION_MODULE_SITE, NULL);
    site_default(&machine->site);
    if (module == NULL) {
        problem_add(
            &machine->problems,
            "site: the boot medium has no site.json: the box has no name: copy one to its top folder");
        return;
    }
    machine->seed_kind = identity_from_words(module->name, machine->seed);
    site_read(&machine->site_json, (const char *)module->data, module->bytes, &machine->site,
              &machine->problems);
    if (machine->site.is_closed) {
        problem_add(&machine->problems,
                    "site: by which port or in which VLAN the box may be managed is in doubt: it is "
                    "not reached over the network: correct \"network\" as said above and restart "
                    "the box");
    }
}

static void manifest_load(struct machine *machine)
{
    const struct box_module *module = box_module(&machine->box, MULLION_MODULE_MANIFEST, NULL);
    if (module == NULL) {
        problem_add(&machine->problems, "manifest: the boot medium has no manifest.json: no partition is "
                                        "started: copy one to its top folder");
        return;
    }
    struct manifest_self self = {.has_uuid = machine->seed_kind == IDENTITY_UUID};
    memcpy(self.uuid, machine->seed, sizeof(self.uuid));
    manifest_take(&machine->manifest, &machine->manifest_json,
                  json_parse(&machine->manifest_json, "manifest", (const char *)module->data, module->bytes,
                             &machine->problems),
                  &self);
    manifest_box_check(&machine->manifest, &machine->manifest_json, &machine->box);
    if (!machine->manifest.usable) {
        problem_add(&machine->problems, "manifest: it cannot be used: no partition is started: correct it as "
                                        "said above and restart the box");
        machine->manifest.count = 0;
        machine->manifest.link_count = 0;
    }
}

static void partitions_make(struct machine *machine)
{
    machine->partition_count = 0;
    for (unsigned i = 0; i < machine->manifest.count; i++) {
        const struct partition_spec *spec = &machine->manifest.partitions[i];
        if (spec->name[0] == 0) {
            continue; /* its problem tells where it stands */
        }
        bool run = spec->valid && spec->autostart;
        machine->partitions[machine->partition_count++] = (struct partition){
            .spec = spec,
            .phase = spec->valid ? PHASE_ABSENT : PHASE_REFUSED,
            .desired = run ? DESIRED_RUNNING : DESIRED_ABSENT,
        };
    }
}

static void box_problems(struct machine *machine)
{
    const struct box *box = &machine->box;
    for (unsigned i = 0; i < box->cpu_count; i++) {
        if (box->cpus[i].state == MULLION_CPU_NOT_STARTED) {
            problem_add(&machine->problems,
                        "CPU %u (APIC identifier %" PRIu32
                        "): it did not start: no partition can have it: check it in the firmware setup",
                        i, box->cpus[i].apic_id);
        }
    }
    if (box->platform.tsc_reliable == 0) {
        problem_add(&machine->problems, "time-stamp counters: they differ between the CPUs: guests' clocks "
                                        "may step: check for a firmware update");
    }
}

/* ---- an agent that was restarted
 * ---------------------------------------------------------------------------- */

static void adopt(struct machine *machine, const struct mullion_partition_info *info)
{
    struct partition *p = machine_partition(machine, info->name);
    if (info->id == machine->driver.id) {
        return;
    }
    if (p == NULL) {
        problem_add(&machine->problems,
                    "partition \"%s\": it exists but the manifest does not name it: restart the box",
                    info->name);
        return;
    }
    p->id = info->id;
    p->desired = info->state == MULLION_STATE_STOPPED ? DESIRED_STOPPED : DESIRED_RUNNING;
    p->live = p->desired == DESIRED_RUNNING;
    partition_refresh(p);
}

static void adopt_all(struct machine *machine)
{
    for (uint32_t id = 1; id < MULLION_MAX_PARTITIONS; id++) {
        struct mullion_partition_info info = {.id = id};
        if (os_hypercall(MULLION_CALL_PARTITION_INFO, &info) == 0 && info.state != MULLION_STATE_NONE) {
            info.name[sizeof(info.name) - 1] = 0;
            adopt(machine, &info);
        }
    }
}

static void remember_box(struct machine *machine, const struct agent_state *state)
{
    machine->boot_ms = state->boot_ms;
    memcpy(machine->token, state->token, sizeof(machine->token));
    memcpy(machine->identity, state->identity, sizeof(machine->identity));
    machine->identity_bytes = state->identity_bytes;
    machine->seed_kind = (enum identity_source)state->seed_kind;
    machine->driver.attempts = state->driver_attempts;
    machine->driver.deaths = state->driver_deaths;
    memcpy(machine->seed, state->seed, sizeof(machine->seed));
}

static void remember(struct machine *machine, const struct agent_state *state)
{
    for (uint32_t i = 0; i < state->count; i++) {
        struct partition *p = machine_partition(machine, state->partitions[i].name);
        if (p != NULL) {
            p->desired = (enum desired_state)state->partitions[i].desired;
            p->crash_restarts = state->partitions[i].crash_restarts;
            p->attempts = state->partitions[i].attempts;
            p->live = p->id != 0 && p->desired == DESIRED_RUNNING;
        }
    }
}

/* What the dead agent made and nobody can use: an unwanted one, or one whose memory is not complete. */
static bool is_leftover(struct machine *machine, const struct partition *p)
{
    bool complete = p->info.memory_bytes == p->spec->memory_bytes && ports_are_complete(machine, p);
    return p->id != 0 && (p->desired == DESIRED_ABSENT ||
                          (p->phase == PHASE_DEFINED && (p->desired != DESIRED_RUNNING || !complete)));
}

/* Agents died while they started it: one more must not, or the box loses its console over one bad image. */
static void start_give_up(struct partition *p)
{
    bool wants = p->desired == DESIRED_RUNNING && (p->id == 0 || p->phase == PHASE_DEFINED);
    if (wants && p->attempts >= START_DEATHS) {
        p->desired = DESIRED_ABSENT;
        snprintf(p->trouble.text, sizeof(p->trouble.text),
                 "partition \"%s\": not started: the agent died %" PRIu32
                 " times while starting it: replace its image \"%s\", report this as a defect",
                 p->spec->name, p->attempts, p->spec->kernel);
    }
}

/* Brings every partition to where it was before, or to where the dead agent was taking it. */
static void settle(struct machine *machine)
{
    for (unsigned i = 0; i < machine->partition_count; i++) {
        struct partition *p = &machine->partitions[i];
        start_give_up(p);
        if (is_leftover(machine, p)) {
            partition_discard(p);
            p->desired = p->id != 0 ? DESIRED_STOPPED : p->desired;
        }
        if (p->desired == DESIRED_STOPPED && p->phase == PHASE_RUNNING) {
            p->live = true; /* the dead agent was stopping it */
            p->stop_by_ms = machine_ms(machine) + PARTITION_STOP_MS;
        }
    }
}

static void take_over(struct machine *machine)
{
    static struct agent_state state;
    bool known = state_load(machine->state_area, &state);
    problem_add(
        &machine->problems, "agent: restarted %" PRIu32 " time%s: reason in `log`: report it as a defect",
        machine->box.platform.agent_generation, machine->box.platform.agent_generation == 1 ? "" : "s");
    bool lost = !known && state_is_used(machine->state_area);
    for (unsigned i = 0; i < machine->partition_count && (known || lost); i++) {
        machine->partitions[i].desired = DESIRED_ABSENT;
    }
    if (known) {
        remember_box(machine, &state);
    }
    driver_find(machine);
    adopt_all(machine);
    if (known) {
        remember(machine, &state);
    } else if (lost) {
        problem_add(&machine->problems, "agent: its state area is damaged: only partitions that exist are "
                                        "known: `start` the others by hand");
    }
    settle(machine);
    ports_changed(machine, UINT64_MAX); /* nobody tells what was negotiated before this agent */
    if (known && state.ending != BOX_STAYS) {
        struct failure failure;
        machine_end(machine, (enum box_ending)state.ending, &failure); /* the dead agent was at it */
    }
}

/* 128 bits, as 32 hexadecimal digits. */
static void token_make(struct machine *machine)
{
    uint8_t random[TOKEN_BYTES];
    if (machine->token[0] != 0) {
        return;
    }
    if (os_random(random, sizeof(random)) != 0) {
        problem_add(&machine->problems,
                    "token: this CPU has no source of random numbers: nobody can log in over the "
                    "network: use the local console, or a CPU with RDRAND");
        return;
    }
    for (unsigned i = 0; i < TOKEN_BYTES; i++) {
        snprintf(machine->token + 2 * (size_t)i, 3, "%02x", random[i]);
    }
}

void machine_read(struct machine *machine, void (*announce)(const char *line))
{
    machine->announce = announce;
    box_read(&machine->box, &machine->problems);
    machine->state_area = os_map(machine->box.platform.state_gpa, STATE_AREA_BYTES, OS_READ_WRITE);
    if (machine->state_area == NULL) {
        os_die("the agent-state area cannot be mapped");
    }
    site_load(machine);
    manifest_load(machine);
    partitions_make(machine);
    box_problems(machine);
    if (machine->box.platform.agent_generation > 0) {
        take_over(machine);
    } else {
        driver_find(machine);
    }
    token_make(machine);
    machine_save(machine);
}

void machine_save(struct machine *machine)
{
    static struct agent_state state;
    memset(&state, 0, sizeof(state));
    state.boot_ms = machine->boot_ms;
    state.count = machine->partition_count;
    state.identity_bytes = machine->identity_bytes;
    state.seed_kind = machine->seed_kind;
    state.ending = machine->ending;
    state.driver_attempts = machine->driver.attempts;
    state.driver_deaths = machine->driver.deaths;
    memcpy(state.token, machine->token, sizeof(state.token));
    memcpy(state.seed, machine->seed, sizeof(state.seed));
    memcpy(state.identity, machine->identity, sizeof(state.identity));
    for (unsigned i = 0; i < machine->partition_count; i++) {
        const struct partition *p = &machine->partitions[i];
        state.partitions[i] = (struct state_partition){
            .id = p->id, .desired = p->desired, .crash_restarts = p->crash_restarts, .attempts = p->attempts};
        memcpy(state.partitions[i].name, p->spec->name, sizeof(state.partitions[i].name));
    }
    state_save(machine->state_area, &state);
}

/* ---- running
 * ----------------------------------------------------------------------------------------------- */

void machine_announce(const struct machine *machine, const char *format, ...)
{
    char line[PROBLEM_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    machine->announce(line);
}

bool machine_is_waiting(const struct machine *machine)
{
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (machine->partitions[i].phase == PHASE_WAITING) {
            return true;
        }
    }
    return machine->driver.phase == DRIVER_WAITING;
}

/* Counts a crash, or a reboot so hasty that it is no better; false if there were too many in a row. */
static bool row_goes_on(const struct machine *machine, struct partition *p, bool crashed)
{
    uint64_t ran_ms = box_ms(&machine->box, p->info.start_tsc, os_tsc());
    if (crashed || ran_ms < HASTY_MS) {
        p->crash_restarts = ran_ms >= CALM_MS ? 1 : p->crash_restarts + 1;
        return p->crash_restarts <= CRASH_RESTARTS;
    }
    return true;
}

/* Ended by itself: does the manifest want it started again? */
static bool restart_wanted(const struct machine *machine, const struct partition *p, bool crashed)
{
    enum manifest_policy policy = crashed ? p->spec->on_crash : p->spec->on_reboot;
    bool by_itself = crashed || p->info.reason == MULLION_REASON_RESET;
    return machine->ending == BOX_STAYS && by_itself && p->desired == DESIRED_RUNNING &&
           policy == POLICY_RESTART;
}

/* What became of a partition that ended: words for the console and for `problems:`. */
enum outcome {
    STAYS_DOWN,
    STARTED_AGAIN,
    TOO_OFTEN,
};

static void trouble_note(struct partition *p, const struct mullion_partition_info *end, enum outcome outcome)
{
    static const char *const then[] = {[STAYS_DOWN] = "",
                                       [STARTED_AGAIN] = " and was started again",
                                       [TOO_OFTEN] = " too often in a row and stays stopped"};
    char words[160];
    bool crashed = words_is_crash(end->reason);
    bool start_failed = outcome == STARTED_AGAIN && p->trouble.text[0] != 0;
    if (start_failed || (!crashed && outcome != TOO_OFTEN)) {
        return;
    }
    snprintf(p->trouble.text, sizeof(p->trouble.text), "partition \"%s\": %s%s: %s: %s", p->spec->name,
             crashed ? "crashed" : "restarted itself", then[outcome], words_reason(end, words, sizeof(words)),
             words_remedy(end->reason));
}

/* A guest that reboots again and again must not keep the agent copying its images. */
static uint64_t back_off_ms(const struct machine *machine, struct partition *p)
{
    bool calm = box_ms(&machine->box, p->info.start_tsc, os_tsc()) >= CALM_MS;
    p->quick_restarts = calm ? 0 : p->quick_restarts + 1;
    unsigned doublings = p->quick_restarts > 2 ? p->quick_restarts - 2 : 0;
    uint64_t ms = (uint64_t)BACK_OFF_MS << (doublings < 8 ? doublings : 8);
    return p->quick_restarts < 2 ? 0 : ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS;
}

void machine_start_again(struct machine *machine, struct partition *p)
{
    struct failure failure = {.text = ""};
    p->restart_at_ms = 0;
    if (partition_reset(machine, p, &failure) != 0) {
        machine_announce(machine, "%s", failure.text);
    }
}

static void ended(struct machine *machine, struct partition *p)
{
    static const char *const then[] = {[STAYS_DOWN] = "",
                                       [STARTED_AGAIN] = "; it is started again",
                                       [TOO_OFTEN] = "; too often in a row, it stays stopped"};
    char words[160];
    const struct mullion_partition_info end = p->info;
    bool crashed = words_is_crash(end.reason);
    enum outcome outcome = !restart_wanted(machine, p, crashed) ? STAYS_DOWN
                           : row_goes_on(machine, p, crashed)   ? STARTED_AGAIN
                                                                : TOO_OFTEN;
    machine_announce(machine, "partition \"%s\": %s%s", p->spec->name,
                     words_reason(&end, words, sizeof(words)), then[outcome]);
    uint64_t delay_ms = outcome == STARTED_AGAIN ? back_off_ms(machine, p) : 0;
    if (outcome == STARTED_AGAIN && delay_ms == 0) {
        machine_start_again(machine, p);
    } else if (outcome == STARTED_AGAIN) {
        p->restart_at_ms = machine_ms(machine) + delay_ms;
    } else {
        p->desired = DESIRED_STOPPED;
        machine_save(machine);
    }
    trouble_note(p, &end, outcome);
}

void machine_states_changed(struct machine *machine, uint64_t state_mask)
{
    if (machine->driver.id != 0 && (state_mask >> machine->driver.id & 1) != 0) {
        driver_changed(machine);
    }
    for (uint32_t id = 1; id < MULLION_MAX_PARTITIONS; id++) {
        struct partition *p = (state_mask >> id & 1) != 0 ? machine_partition_by_id(machine, id) : NULL;
        if (p == NULL) {
            continue;
        }
        partition_refresh(p);
        if (p->phase == PHASE_STOPPED && p->live) {
            p->live = false;
            p->stop_by_ms = 0;
            ended(machine, p);
        }
    }
}

/* Without UUID and without anybody who could tell a port's MAC address, links need addresses all the same. */
static void seed_settle(struct machine *machine)
{
    bool hopeless = machine->driver.phase == DRIVER_MISSING || machine->driver.phase == DRIVER_FAILED;
    if (machine->seed_kind == IDENTITY_NONE && hopeless) {
        machine->seed_kind = IDENTITY_FIXED;
        machine_save(machine);
    }
}

void machine_bring_up(struct machine *machine)
{
    machine_states_changed(machine, UINT64_MAX); /* what ended while the agent was dead */
    seed_settle(machine);
    driver_agent_ports(machine);
    if (driver_bring_up(machine)) {
        return; /* it is the first to choose its memory */
    }
    seed_settle(machine); /* it may have failed */
    for (unsigned i = 0; i < machine->partition_count; i++) {
        struct partition *p = &machine->partitions[i];
        bool startable = p->phase == PHASE_ABSENT || p->phase == PHASE_WAITING || p->phase == PHASE_DEFINED;
        struct failure failure = {.text = ""};
        if (p->desired == DESIRED_RUNNING && startable && partition_start(machine, p, &failure) != 0) {
            machine_announce(machine, "%s", failure.text);
        }
    }
}
