/* SPDX-License-Identifier: MIT */
#include "ui/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/network.h"
#include "model/words.h"
#include "serial/byte_link.h"
#include "ui/attach.h"
#include "ui/console.h"

#define MIB(bytes) ((bytes) >> 20)
#define LAST_LINE  60u
#define AGENT_CPUS 1u

void status_cpus(const struct partition *p, char *text, size_t size)
{
    const struct partition_spec *spec = p->spec;
    size_t used = 0;
    text[0] = 0;
    if (p->phase == PHASE_REFUSED && !spec->cpus_listed) {
        return; /* none were found for it */
    }
    for (uint32_t i = 0; i < spec->cpu_count && used < size; i++) {
        uint32_t first = i;
        while (i + 1 < spec->cpu_count && spec->cpus[i + 1] == spec->cpus[i] + 1) {
            i++;
        }
        const char *comma = first > 0 ? "," : "";
        int n = i > first ? snprintf(text + used, size - used, "%s%" PRIu32 "-%" PRIu32, comma,
                                     spec->cpus[first], spec->cpus[i])
                          : snprintf(text + used, size - used, "%s%" PRIu32, comma, spec->cpus[first]);
        used += (size_t)n;
    }
}

static void cpus_print(const struct box *box)
{
    unsigned lost = box_cpus(box, MULLION_CPU_NOT_STARTED);
    console_print("cpus:           %u (%u agent, %u in partitions, %u free", box->cpu_count, AGENT_CPUS,
                  box_cpus(box, MULLION_CPU_OWNED), box_cpus(box, MULLION_CPU_FREE));
    if (lost > 0) {
        console_print(", %u not started", lost);
    }
    console_print(")\n");
}

static void box_print(const struct machine *machine)
{
    const struct box *box = &machine->box;
    uint64_t free_bytes = box_memory(box, MULLION_OWNER_FREE, 0) + box_memory(box, MULLION_OWNER_DIRTY, 0);
    if (machine->site.name[0] != 0) {
        console_print("site:           %s\n", machine->site.name);
    }
    console_print("boot time:      %" PRIu64 ".%02" PRIu64 " s\n", machine->boot_ms / 1000,
                  machine->boot_ms % 1000 / 10);
    cpus_print(box);
    console_print("memory:         %" PRIu64 " MiB (%" PRIu64 " MiB free, VMM %" PRIu64 " MiB, agent %" PRIu64
                  " MiB)\n",
                  MIB(box->platform.ram_bytes), MIB(free_bytes), MIB(box->platform.vmm_bytes),
                  MIB(box->platform.agent_ram_bytes + box->platform.state_bytes));
    console_print("back end:       %s\n", box->platform.backend);
    console_print("isolation.dma:  %s\n",
                  box->platform.dma_isolation == MULLION_DMA_REMAPPED ? "remapped" : "none");
}

/* How to reach the box over the network. The token is shown here and nowhere else. */
static void network_print(const struct machine *machine)
{
    char url[NET_TEXT_BYTES + 16];
    const struct driver *driver = &machine->driver;
    machine_url(machine, url, sizeof(url));
    console_print("driver VM:      %s\n", driver_phase_name(driver->phase));
    if (driver->phase != DRIVER_MISSING || url[0] != 0) {
        console_print("url:            %s\n", url[0] != 0 ? url : "none yet");
    }
    if (machine->seed_kind == IDENTITY_NIC) {
        console_print("addresses from: %s\n", identity_words(machine->seed_kind));
    }
    if (byte_link_listens()) {
        console_print("byte link:      COM2 takes the API's requests, without TLS: this is a test image\n");
    }
    if (machine->fingerprint[0] != 0) {
        console_print("fingerprint:    SHA256:%s\n", machine->fingerprint);
    }
    if (machine->token[0] != 0) {
        console_print("token:          %s\n", machine->token);
    }
}

/* What is worth knowing beside the state, in one short line. */
static void remark(const struct partition *p, char *text, size_t size)
{
    char words[160];
    text[0] = 0;
    if (p->phase == PHASE_WAITING) {
        snprintf(text, size, "waiting for scrub");
    } else if (p->phase == PHASE_REFUSED) {
        snprintf(text, size, "see problems");
    } else if (p->phase == PHASE_STOPPED) {
        snprintf(text, size, "%s", words_reason(&p->info, words, sizeof(words)));
    } else if (p->id != 0) {
        attach_last_line(p, text, size);
    }
}

static void partition_print(unsigned number, struct partition *p)
{
    char cpus[80];
    char text[LAST_LINE];
    partition_refresh(p);
    status_cpus(p, cpus, sizeof(cpus));
    remark(p, text, sizeof(text));
    console_print("%3u %-9s %-8s  cpus %-3s %4" PRIu64 " MiB   [%s]\n", number, p->spec->name,
                  machine_phase_name(p->phase), cpus[0] != 0 ? cpus : "-", MIB(p->spec->memory_bytes), text);
}

static unsigned troubles(const struct machine *machine)
{
    unsigned count = machine->problems.count + (machine->problems.dropped > 0 ? 1 : 0);
    count += machine->driver.trouble[0] != 0 ? 1 : 0;
    count += machine->driver.uplink_trouble[0] != 0 ? 1 : 0;
    count += machine->driver.jack_trouble[0] != 0 ? 1 : 0;
    count += machine->net.problem[0] != 0 ? 1 : 0;
    for (unsigned i = 0; i < machine->partition_count; i++) {
        count += machine->partitions[i].trouble.text[0] != 0 ? 1 : 0;
    }
    return count;
}

static void problems_print(const struct machine *machine)
{
    if (troubles(machine) == 0) {
        console_print("problems:       none\n");
        return;
    }
    console_print("problems:\n");
    for (unsigned i = 0; i < machine->problems.count; i++) {
        console_print("  %s\n", machine->problems.text[i]);
    }
    if (machine->problems.dropped > 0) {
        console_print("  and %u more: correct these first\n", machine->problems.dropped);
    }
    const char *const texts[] = {machine->driver.trouble, machine->driver.jack_trouble,
                                 machine->driver.uplink_trouble, machine->net.problem};
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = texts[i];
        console_print("%s%s%s", text[0] != 0 ? "  " : "", text, text[0] != 0 ? "\n" : "");
    }
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (machine->partitions[i].trouble.text[0] != 0) {
            console_print("  %s\n", machine->partitions[i].trouble.text);
        }
    }
}

void status_print(struct machine *machine)
{
    box_refresh(&machine->box);
    console_print("\n=== Mullion %s ===\n", MULLION_VERSION);
    box_print(machine);
    network_print(machine);
    console_print(machine->partition_count > 0 ? "partitions:\n" : "partitions:     none\n");
    for (unsigned i = 0; i < machine->partition_count; i++) {
        partition_print(i + 1, &machine->partitions[i]);
    }
    problems_print(machine);
    console_print("===\n");
}
