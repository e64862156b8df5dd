/* SPDX-License-Identifier: MIT */
#include "ui/lists.h"

#include <inttypes.h>
#include <stdio.h>

#include "model/words.h"
#include "mullion/machine.h"
#include "os/os.h"
#include "ui/console.h"
#include "ui/status.h"

#define LOG_PIECE  4096u
#define LOG_PIECES 16u /* twice the VMM's ring: a log that grows all the time must not hold the agent */

static int missing(const struct partition *p, struct failure *failure)
{
    snprintf(failure->text, sizeof(failure->text),
             "partition \"%s\": it does not exist now: `start` it first", p->spec->name);
    return -1;
}

static void info_existing(const struct partition *p, const struct box *box)
{
    char words[160];
    console_print("id:       %" PRIu32 "\n", p->id);
    console_print("reason:   %s\n", words_reason(&p->info, words, sizeof(words)));
    console_print("starts:   %" PRIu64 "\n", p->info.start_count);
    if (p->phase == PHASE_RUNNING) {
        uint64_t ms = box_ms(box, p->info.start_tsc, os_tsc());
        console_print("running:  %" PRIu64 ".%03" PRIu64 " s\n", ms / 1000, ms % 1000);
    }
    for (uint32_t i = 0; i < p->info.range_count && i < MULLION_MAX_RANGES; i++) {
        console_print("range:    gpa %#" PRIx64 " hpa %#" PRIx64 " bytes %#" PRIx64 "\n",
                      p->info.ranges[i].gpa, p->info.ranges[i].hpa, p->info.ranges[i].bytes);
    }
}

int list_info(struct machine *machine, struct partition *p, struct failure *failure)
{
    char cpus[80];
    (void)failure;
    partition_refresh(p);
    status_cpus(p, cpus, sizeof(cpus));
    console_print("name:     %s\n", p->spec->name);
    console_print("state:    %s\n", machine_phase_name(p->phase));
    console_print("cpus:     %s\n", cpus[0] != 0 ? cpus : "-");
    console_print("memory:   %" PRIu64 " MiB\n", p->spec->memory_bytes >> 20);
    console_print("kernel:   %s\n", p->spec->kernel);
    console_print("initrd:   %s\n", p->spec->initramfs[0] != 0 ? p->spec->initramfs : "-");
    console_print("cmdline:  %s\n", p->spec->cmdline);
    if (p->id != 0) {
        info_existing(p, &machine->box);
    }
    return 0;
}

static void counter_print(const struct partition *p, uint32_t vcpu, const char *name, uint64_t count,
                          uint64_t longest)
{
    console_print("%s vcpu%" PRIu32 " %s %" PRIu64 " %" PRIu64 "\n", p->spec->name, vcpu, name, count,
                  longest);
}

static void counters_print(const struct partition *p, const struct mullion_partition_counters *c)
{
    for (unsigned i = 0; i < MULLION_EXIT_COUNT; i++) {
        counter_print(p, c->vcpu, words_exit(i), c->exits[i], c->longest[i]);
    }
    counter_print(p, c->vcpu, "injected_interrupts", c->interrupts, 0);
    counter_print(p, c->vcpu, "injected_exceptions", c->exceptions, 0);
    counter_print(p, c->vcpu, "guest_ticks", c->guest_ticks, 0);
    counter_print(p, c->vcpu, "idle_ticks", c->idle_ticks, 0);
    counter_print(p, c->vcpu, "refused_hypercalls", c->refused_hypercalls, 0);
    counter_print(p, c->vcpu, "refused_msrs", c->refused_msrs, 0);
    counter_print(p, c->vcpu, "refused_ports", c->refused_ports, 0);
    counter_print(p, c->vcpu, "refused_ipis", c->refused_ipis, 0);
}

int list_counters(struct machine *machine, struct partition *p, struct failure *failure)
{
    (void)machine;
    if (p->id == 0) {
        return missing(p, failure);
    }
    for (uint32_t vcpu = 0; vcpu < p->spec->cpu_count; vcpu++) {
        struct mullion_partition_counters counters = {.id = p->id, .vcpu = vcpu};
        long error = os_hypercall(MULLION_CALL_PARTITION_COUNTERS, &counters);
        if (error != 0) {
            snprintf(failure->text, sizeof(failure->text), "counters: %s", words_error(error));
            return -1;
        }
        counters_print(p, &counters);
    }
    return 0;
}

static void port_print(struct machine *machine, const struct mullion_port_info *info)
{
    static const char *const names[] = {"frames",           "bytes",           "copies",
                                        "interrupts",       "notifications",   "dropped_full",
                                        "dropped_features", "dropped_invalid", "broken"};
    const uint64_t values[] = {info->frames,           info->bytes,           info->copies,
                               info->interrupts,       info->notifications,   info->dropped_full,
                               info->dropped_features, info->dropped_invalid, info->broken};
    bool connected = (info->status & MULLION_PORT_CONNECTED) != 0;
    console_print("slot%" PRIu32 " kind %s peer %s slot%" PRIu32 " status %s%s\n", info->slot,
                  words_port_kind(info->kind), connected ? machine_owner_name(machine, info->peer) : "-",
                  info->peer_slot, (info->status & MULLION_PORT_LINK_UP) != 0 ? "up" : "down",
                  (info->status & MULLION_PORT_NEEDS_RESET) != 0 ? " (its driver broke the rings)" : "");
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        console_print("slot%" PRIu32 " %s %" PRIu64 "\n", info->slot, names[i], values[i]);
    }
}

int list_ports(struct machine *machine, struct partition *p, struct failure *failure)
{
    if (p->id == 0) {
        return missing(p, failure);
    }
    for (uint32_t slot = 1; slot < MACHINE_SLOTS; slot++) {
        struct mullion_port_info info = {.id = p->id, .slot = slot};
        if (os_hypercall(MULLION_CALL_PORT_INFO, &info) == 0) {
            port_print(machine, &info);
        }
    }
    return 0;
}

int list_log(struct machine *machine, struct failure *failure)
{
    static char piece[LOG_PIECE];
    (void)machine;
    uint64_t offset = 0;
    for (unsigned i = 0; i < LOG_PIECES; i++) {
        struct mullion_buffer request = {.offset = offset, .gpa = os_gpa(piece), .bytes = LOG_PIECE};
        long error = os_hypercall(MULLION_CALL_LOG_READ, &request);
        if (error != 0 || request.bytes > LOG_PIECE) {
            snprintf(failure->text, sizeof(failure->text), "log: %s", words_error(error));
            return -1;
        }
        if (request.bytes == 0) {
            return 0;
        }
        console_write(piece, request.bytes);
        offset = request.offset + request.bytes;
    }
    return 0;
}

int list_memory(struct machine *machine, struct failure *failure)
{
    (void)failure;
    box_refresh(&machine->box);
    for (unsigned i = 0; i < machine->box.run_count; i++) {
        const struct mullion_memory_info *run = &machine->box.runs[i];
        bool owned = run->owner == MULLION_OWNER_PARTITION;
        console_print("0x%012" PRIx64 " - 0x%012" PRIx64 " %8" PRIu64 " KiB  %s%s%s\n", run->hpa,
                      run->hpa + run->bytes, run->bytes >> 10, words_owner(run->owner), owned ? " " : "",
                      owned ? machine_owner_name(machine, run->partition) : "");
    }
    return 0;
}

int list_cpus(struct machine *machine, struct failure *failure)
{
    (void)failure;
    box_refresh(&machine->box);
    for (unsigned i = 0; i < machine->box.cpu_count; i++) {
        const struct mullion_cpu_info *cpu = &machine->box.cpus[i];
        bool owned = cpu->state == MULLION_CPU_OWNED;
        console_print("cpu %u apic %" PRIu32 " %s%s%s\n", i, cpu->apic_id, words_cpu_state(cpu->state),
                      owned ? " " : "", owned ? machine_owner_name(machine, cpu->partition) : "");
    }
    return 0;
}

/* Who has the function and what drives it, or why nobody does. */
static void function_state(const struct machine *machine, const struct mullion_pci_info *info, char *text,
                           size_t size)
{
    bool drivers = info->owner != 0 && info->owner == machine->driver.id;
    const struct rpc_function *told = drivers ? driver_function_told(&machine->driver, info->slot) : NULL;
    if (info->owner == 0) {
        snprintf(text, size, "%s", words_pci_use(info->use));
    } else if (told == NULL) {
        snprintf(text, size, "owner %s", machine_owner_name(machine, info->owner));
    } else {
        snprintf(text, size, "owner %s, %s%s%s%s", machine_owner_name(machine, info->owner),
                 told->driver[0] != 0 ? "driver " : "", told->driver,
                 told->driver[0] != 0 && told->reason[0] != 0 ? ": " : "",
                 told->driver[0] == 0 && told->reason[0] == 0 ? "no driver" : told->reason);
    }
}

int list_pci(struct machine *machine, struct failure *failure)
{
    (void)failure;
    for (uint32_t i = 0; i < machine->box.platform.pci_count; i++) {
        struct mullion_pci_info info = {.index = i};
        char path[ADDRESS_PCI_TEXT];
        char state[256];
        if (os_hypercall(MULLION_CALL_PCI_INFO, &info) == 0) {
            address_write_pci(info.segment, info.bdf, path);
            function_state(machine, &info, state, sizeof(state));
            console_print("%s %04x:%04x class %06" PRIx32 " %s\n", path, info.vendor, info.device,
                          info.class_code, state);
        }
    }
    return 0;
}

int list_modules(struct machine *machine, struct failure *failure)
{
    (void)failure;
    for (unsigned i = 0; i < machine->box.module_count; i++) {
        const struct box_module *module = &machine->box.modules[i];
        console_print("%-10s %-20s %10" PRIu64 " bytes\n", module->kind,
                      module->name[0] != 0 ? module->name : "-", module->bytes);
    }
    return 0;
}
