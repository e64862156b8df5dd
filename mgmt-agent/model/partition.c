/* SPDX-License-Identifier: MIT */
/* The steps of a partition's life, each through the VMM. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loader/loader.h"
#include "model/machine.h"
#include "model/memory.h"
#include "model/ports.h"
#include "model/words.h"
#include "os/os.h"

#define MIB(bytes) ((bytes) >> 20)

static const enum partition_phase phase_of_state[MULLION_STATE_COUNT] = {
    [MULLION_STATE_NONE] = PHASE_ABSENT,     [MULLION_STATE_DEFINED] = PHASE_DEFINED,
    [MULLION_STATE_RUNNING] = PHASE_RUNNING, [MULLION_STATE_PAUSED] = PHASE_PAUSED,
    [MULLION_STATE_STOPPED] = PHASE_STOPPED,
};

__attribute__((format(printf, 3, 4))) static int fail(struct failure *failure, const struct partition *p,
                                                      const char *format, ...)
{
    int used = snprintf(failure->text, sizeof(failure->text), "partition \"%s\": ", p->spec->name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->text + used, sizeof(failure->text) - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

void partition_refresh(struct partition *p)
{
    if (p->id == 0) {
        return;
    }
    p->info = (struct mullion_partition_info){.id = p->id};
    if (os_hypercall(MULLION_CALL_PARTITION_INFO, &p->info) != 0) {
        p->id = 0;
        p->phase = PHASE_ABSENT;
    } else if (p->info.state < MULLION_STATE_COUNT) {
        p->phase = phase_of_state[p->info.state];
    }
}

/* A call that names just the partition. */
static int simple_call(struct partition *p, enum mullion_call call, const char *what, struct failure *failure)
{
    if (p->id == 0) {
        return fail(failure, p, "cannot be %s: it does not exist now: `start` it first", what);
    }
    struct mullion_partition_ref ref = {.id = p->id};
    long error = os_hypercall(call, &ref);
    partition_refresh(p);
    return error == 0 ? 0 : fail(failure, p, "cannot be %s: %s", what, words_error(error));
}

/* ---- create -----------------------------------------------------------------------------------------------
 */

static int claim_cpus(struct partition *p, struct failure *failure)
{
    struct mullion_partition_create create = {.vcpu_count = p->spec->cpu_count};
    memcpy(create.name, p->spec->name, sizeof(create.name));
    memcpy(create.cpus, p->spec->cpus, p->spec->cpu_count * sizeof(create.cpus[0]));
    long error = os_hypercall(MULLION_CALL_PARTITION_CREATE, &create);
    if (error == 0) {
        p->id = create.id;
        return 0;
    }
    if (error == -MULLION_E_CPU_BUSY || error == -MULLION_E_CPU_NOT_STARTED ||
        error == -MULLION_E_CPU_UNKNOWN) {
        return fail(failure, p, "cannot have CPU %" PRIu32 ": %s", create.failed_cpu, words_error(error));
    }
    return fail(failure, p, "cannot be created: %s", words_error(error));
}

static int give_memory(struct partition *p, const struct memory_choice *choice, struct failure *failure)
{
    for (unsigned i = 0; i < choice->count; i++) {
        struct mullion_partition_add_memory add = {.id = p->id,
                                                   .gpa = choice->ranges[i].gpa,
                                                   .hpa = choice->ranges[i].hpa,
                                                   .bytes = choice->ranges[i].bytes};
        long error = os_hypercall(MULLION_CALL_PARTITION_ADD_MEMORY, &add);
        if (error != 0) {
            return fail(failure, p, "cannot have the memory at %#" PRIx64 ": %s", add.failed_hpa,
                        words_error(error));
        }
    }
    return 0;
}

void partition_discard(struct partition *p)
{
    struct mullion_partition_ref ref = {.id = p->id};
    os_hypercall(MULLION_CALL_PARTITION_DESTROY, &ref);
    p->live = false;
    partition_refresh(p);
}

static int choose(struct machine *machine, struct partition *p, struct memory_choice *choice,
                  struct failure *failure)
{
    const struct box *box = &machine->box;
    box_refresh(&machine->box);
    int error = memory_choose(box->runs, box->run_count, p->spec->memory_bytes, choice);
    if (error == -MULLION_E_MEMORY_BUSY) {
        uint64_t left = box_memory(box, MULLION_OWNER_FREE, 0) + box_memory(box, MULLION_OWNER_DIRTY, 0);
        return fail(failure, p,
                    "wants %" PRIu64 " MiB: only %" PRIu64
                    " MiB are free: destroy a partition or give it less",
                    MIB(p->spec->memory_bytes), MIB(left));
    }
    return error == 0 ? 0 : fail(failure, p, "cannot have its memory: %s", words_error(error));
}

/* Without a seed there are no MAC addresses yet: a box without UUID waits for its first port's. */
static bool waits_for_addresses(const struct machine *machine, const struct partition *p)
{
    struct port_plan plans[PORT_MAX];
    unsigned count =
        ports_plan(&machine->manifest, (unsigned)(p->spec - machine->manifest.partitions), plans);
    return count > 0 && machine->seed_kind == IDENTITY_NONE;
}

static int plug_ports(struct machine *machine, struct partition *p, struct failure *failure)
{
    long error = ports_plug(machine, p);
    return error == 0 ? 0 : fail(failure, p, "cannot have its ports: %s", words_error(error));
}

/* Memory is looked at before CPUs are claimed, so that a partition that must wait holds nothing. */
static int create(struct machine *machine, struct partition *p, struct failure *failure)
{
    struct memory_choice choice;
    int error = choose(machine, p, &choice, failure);
    if (error != 0) {
        return error;
    }
    if (choice.dirty || waits_for_addresses(machine, p)) {
        p->phase = PHASE_WAITING;
        return 0;
    }
    error = claim_cpus(p, failure);
    if (error == 0) {
        p->phase = PHASE_DEFINED;
        error = give_memory(p, &choice, failure);
        error = error == 0 ? plug_ports(machine, p, failure) : error;
        if (error != 0) {
            partition_discard(p);
        }
    }
    return error;
}

/* ---- load and start
 * ---------------------------------------------------------------------------------------- */

static int load(struct machine *machine, struct partition *p, struct mullion_partition_start *entry,
                struct failure *failure)
{
    const struct partition_spec *spec = p->spec;
    const struct box_module *kernel = box_module(&machine->box, "image", spec->kernel);
    const struct box_module *initramfs =
        spec->initramfs[0] != 0 ? box_module(&machine->box, "image", spec->initramfs) : NULL;
    if (kernel == NULL || (spec->initramfs[0] != 0 && initramfs == NULL)) {
        return fail(failure, p, "the boot medium holds no image \"%s\": copy the file to images/ on it",
                    kernel == NULL ? spec->kernel : spec->initramfs);
    }
    struct loader_request request = {
        .guest = guest_layout(machine->box.platform.window_gpa, spec->memory_bytes),
        .kernel = kernel->data,
        .kernel_bytes = kernel->bytes,
        .initramfs = initramfs != NULL ? initramfs->data : NULL,
        .initramfs_bytes = initramfs != NULL ? initramfs->bytes : 0,
        .cmdline = spec->cmdline,
        .vcpu_count = spec->cpu_count,
    };
    struct loader_why why = {.text = ""};
    if (loader_load(&request, entry, &why) != 0) {
        return fail(failure, p, "image \"%s\": %s", spec->kernel, why.text);
    }
    entry->id = p->id;
    return 0;
}

/* From PHASE_DEFINED to PHASE_RUNNING. */
static int load_and_run(struct machine *machine, struct partition *p, struct failure *failure)
{
    struct mullion_partition_ref ref = {.id = p->id};
    struct mullion_partition_start entry;
    long error = os_hypercall(MULLION_CALL_WINDOW_OPEN, &ref);
    if (error != 0) {
        return fail(failure, p, "its memory cannot be opened for loading: %s", words_error(error));
    }
    int failed = load(machine, p, &entry, failure);
    if (failed != 0) {
        os_hypercall(MULLION_CALL_WINDOW_CLOSE, &ref);
        return failed;
    }
    error = os_hypercall(MULLION_CALL_PARTITION_START, &entry);
    p->live = error == 0;
    return error == 0 ? 0 : fail(failure, p, "cannot be started: %s", words_error(error));
}

static int make_defined(struct machine *machine, struct partition *p, struct failure *failure)
{
    if (p->id == 0) {
        return create(machine, p, failure);
    }
    return p->phase == PHASE_DEFINED ? 0 : simple_call(p, MULLION_CALL_PARTITION_RESET, "reset", failure);
}

/*
 * Everything between "wanted running" and running. The wish is saved first: an agent that takes over in the
 * middle goes on to the end. A partition that cannot be loaded gives back what it held.
 */
static int run(struct machine *machine, struct partition *p, struct failure *failure)
{
    p->desired = DESIRED_RUNNING;
    p->stop_by_ms = 0;
    p->restart_at_ms = 0;
    p->attempts++;
    machine_save(machine);
    int error = make_defined(machine, p, failure);
    if (error == 0 && p->phase == PHASE_DEFINED) {
        error = load_and_run(machine, p, failure);
        if (error != 0) {
            partition_discard(p);
        }
    }
    partition_refresh(p);
    p->trouble.text[0] = 0;
    if (error != 0) {
        p->trouble = *failure;
        p->desired = p->id != 0 ? DESIRED_STOPPED : DESIRED_ABSENT;
    }
    p->attempts = 0;
    machine_save(machine);
    return error;
}

/* While the box goes down partitions only end. */
static int refuse_going_down(const struct machine *machine, const struct partition *p, const char *what,
                             struct failure *failure)
{
    return machine->ending == BOX_STAYS
               ? 0
               : fail(failure, p, "cannot be %s: the box is going down: wait until it is up again", what);
}

int partition_start(struct machine *machine, struct partition *p, struct failure *failure)
{
    if (refuse_going_down(machine, p, "started", failure) != 0) {
        return -1;
    }
    if (p->phase == PHASE_REFUSED) {
        return fail(failure, p,
                    "cannot be started: its manifest entry has an error (see `status`): correct the manifest "
                    "and restart the box");
    }
    if (p->phase == PHASE_RUNNING || p->phase == PHASE_PAUSED) {
        return fail(failure, p, "cannot be started: it is %s already: use `%s`", machine_phase_name(p->phase),
                    p->phase == PHASE_PAUSED ? "resume" : "reset");
    }
    if (p->phase != PHASE_DEFINED) {
        p->quick_restarts = 0;
        p->crash_restarts = 0; /* a start by wish ends a row of crashes */
    }
    return run(machine, p, failure);
}

int partition_reset(struct machine *machine, struct partition *p, struct failure *failure)
{
    if (refuse_going_down(machine, p, "reset", failure) != 0) {
        return -1;
    }
    if (p->id == 0) {
        return fail(failure, p, "cannot be reset: it does not exist now: `start` it first");
    }
    return run(machine, p, failure);
}

/* ---- the rest
 * ---------------------------------------------------------------------------------------------- */

int partition_stop(struct machine *machine, struct partition *p, struct failure *failure)
{
    bool was_waiting = p->phase == PHASE_WAITING;
    bool restarts = p->restart_at_ms != 0; /* it has ended already */
    p->desired = p->id == 0 ? DESIRED_ABSENT : DESIRED_STOPPED;
    p->stop_by_ms = 0;
    p->restart_at_ms = 0;
    int error = 0;
    if (was_waiting) {
        p->phase = PHASE_ABSENT;
    } else if (!restarts) {
        error = simple_call(p, MULLION_CALL_PARTITION_STOP, "stopped", failure);
        p->live = p->live && error != 0;
    }
    machine_save(machine);
    return error;
}

int partition_stop_gracefully(struct machine *machine, struct partition *p, struct failure *failure)
{
    if (p->phase != PHASE_RUNNING) {
        return partition_stop(machine, p, failure); /* it could not react */
    }
    int error = simple_call(p, MULLION_CALL_PARTITION_POWER_BUTTON, "stopped", failure);
    if (error == 0) {
        p->desired = DESIRED_STOPPED;
        p->stop_by_ms = p->stop_by_ms != 0 ? p->stop_by_ms : machine_ms(machine) + PARTITION_STOP_MS;
        machine_save(machine);
    }
    return error;
}

int partition_pause(struct machine *machine, struct partition *p, struct failure *failure)
{
    return refuse_going_down(machine, p, "paused", failure) != 0
               ? -1
               : simple_call(p, MULLION_CALL_PARTITION_PAUSE, "paused", failure);
}

int partition_resume(struct machine *machine, struct partition *p, struct failure *failure)
{
    return refuse_going_down(machine, p, "resumed", failure) != 0
               ? -1
               : simple_call(p, MULLION_CALL_PARTITION_RESUME, "resumed", failure);
}

int partition_power_button(struct machine *machine, struct partition *p, struct failure *failure)
{
    (void)machine;
    return simple_call(p, MULLION_CALL_PARTITION_POWER_BUTTON, "switched off by its power button", failure);
}

int partition_destroy(struct machine *machine, struct partition *p, struct failure *failure)
{
    enum desired_state before = p->desired;
    bool was_waiting = p->phase == PHASE_WAITING;
    p->desired = DESIRED_ABSENT;
    machine_save(machine); /* the wish first: an agent that takes over in the middle carries it out */
    int error = was_waiting ? 0 : simple_call(p, MULLION_CALL_PARTITION_DESTROY, "destroyed", failure);
    if (error != 0) {
        p->desired = before;
        machine_save(machine);
        return error;
    }
    p->live = false;
    p->restart_at_ms = 0;
    p->stop_by_ms = 0;
    p->trouble.text[0] = 0;
    p->id = 0;
    p->phase = PHASE_ABSENT;
    return 0;
}
