/* SPDX-License-Identifier: MIT */
/* Partitions as the API shows them. */
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "model/words.h"
#include "mullion/machine.h"
#include "os/os.h"

/* ---- ports
 * ---------------------------------------------------------------------------------------------------------
 */

static void port_counters_write(struct writer *w, const struct mullion_port_info *info)
{
    json_object(w, "sent");
    json_number(w, "frames", info->frames);
    json_number(w, "bytes", info->bytes);
    json_number(w, "copies", info->copies);
    json_number(w, "interrupts", info->interrupts);
    json_number(w, "notifications", info->notifications);
    json_number(w, "droppedFull", info->dropped_full);
    json_number(w, "droppedFeatures", info->dropped_features);
    json_number(w, "droppedInvalid", info->dropped_invalid);
    json_number(w, "broken", info->broken);
    json_object_end(w);
}

static void port_write(struct call *call, const struct mullion_port_info *info)
{
    struct writer *w = &call->json;
    json_object(w, NULL);
    json_number(w, "slot", info->slot);
    json_text(w, "kind", words_port_kind(info->kind));
    json_flag(w, "linkUp", (info->status & MULLION_PORT_LINK_UP) != 0);
    json_flag(w, "driverOk", (info->status & MULLION_PORT_DRIVER_OK) != 0);
    json_flag(w, "needsReset", (info->status & MULLION_PORT_NEEDS_RESET) != 0);
    json_hex(w, "features", info->features);
    if ((info->status & MULLION_PORT_CONNECTED) != 0) {
        json_object(w, "peer");
        json_text(w, "partition", machine_owner_name(call->machine, info->peer));
        json_number(w, "slot", info->peer_slot);
        json_object_end(w);
    } else {
        json_null(w, "peer");
    }
    port_counters_write(w, info);
    json_object_end(w);
}

void api_write_ports(struct call *call, const struct partition *p)
{
    json_array(&call->json, "ports");
    for (uint32_t slot = 1; slot < MACHINE_SLOTS && p->id != 0; slot++) {
        struct mullion_port_info info = {.id = p->id, .slot = slot};
        if (os_hypercall(MULLION_CALL_PORT_INFO, &info) == 0) {
            port_write(call, &info);
        }
    }
    json_array_end(&call->json);
}

/* ---- counters
 * ------------------------------------------------------------------------------------------------------ */

static void exits_write(struct writer *w, const char *key, const uint64_t exits[MULLION_EXIT_COUNT])
{
    json_object(w, key);
    for (unsigned i = 0; i < MULLION_EXIT_COUNT; i++) {
        json_number(w, words_exit(i), exits[i]);
    }
    json_object_end(w);
}

static void counters_write(struct writer *w, const struct mullion_partition_counters *c)
{
    exits_write(w, "exits", c->exits);
    json_number(w, "interrupts", c->interrupts);
    json_number(w, "exceptions", c->exceptions);
    json_number(w, "guestTicks", c->guest_ticks);
    json_number(w, "idleTicks", c->idle_ticks);
    json_object(w, "refused");
    json_number(w, "hypercalls", c->refused_hypercalls);
    json_number(w, "msrs", c->refused_msrs);
    json_number(w, "ports", c->refused_ports);
    json_number(w, "ipis", c->refused_ipis);
    json_object_end(w);
}

static void counters_add(struct mullion_partition_counters *sum, const struct mullion_partition_counters *c)
{
    for (unsigned i = 0; i < MULLION_EXIT_COUNT; i++) {
        sum->exits[i] += c->exits[i];
    }
    sum->interrupts += c->interrupts;
    sum->exceptions += c->exceptions;
    sum->guest_ticks += c->guest_ticks;
    sum->idle_ticks += c->idle_ticks;
    sum->refused_hypercalls += c->refused_hypercalls;
    sum->refused_msrs += c->refused_msrs;
    sum->refused_ports += c->refused_ports;
    sum->refused_ipis += c->refused_ipis;
}

static bool counters_read(const struct partition *p, uint32_t vcpu, struct mullion_partition_counters *c)
{
    *c = (struct mullion_partition_counters){.id = p->id, .vcpu = vcpu};
    return p->id != 0 && os_hypercall(MULLION_CALL_PARTITION_COUNTERS, c) == 0;
}

static void vcpus_write(struct writer *w, const struct partition *p)
{
    struct mullion_partition_counters c;
    json_array(w, "vcpus");
    for (uint32_t vcpu = 0; vcpu < p->spec->cpu_count && counters_read(p, vcpu, &c); vcpu++) {
        json_object(w, NULL);
        json_number(w, "vcpu", vcpu);
        counters_write(w, &c);
        exits_write(w, "longestTicks", c.longest);
        json_object_end(w);
    }
    json_array_end(w);
}

static void all_counters_write(struct writer *w, const struct partition *p, bool all)
{
    struct mullion_partition_counters sum = {.id = 0};
    struct mullion_partition_counters c;
    for (uint32_t vcpu = 0; vcpu < p->spec->cpu_count && counters_read(p, vcpu, &c); vcpu++) {
        counters_add(&sum, &c);
    }
    json_object(w, "counters");
    counters_write(w, &sum);
    if (all) {
        vcpus_write(w, p);
    }
    json_object_end(w);
}

/* ---- the partition
 * ------------------------------------------------------------------------------------------------- */

static void reason_write(struct writer *w, const struct partition *p)
{
    char words[160];
    json_object(w, "reason");
    if (p->phase == PHASE_STOPPED) {
        json_text(w, "code", words_reason_code(p->info.reason));
        json_text(w, "text", words_reason(&p->info, words, sizeof(words)));
        json_text(w, "remedy", words_remedy(p->info.reason));
    } else {
        json_text(w, "code", "none");
        json_text(w, "text",
                  p->phase == PHASE_WAITING ? "it waits for scrubbed memory or for the network's addresses"
                                            : "");
        json_null(w, "remedy");
    }
    json_object_end(w);
}

static void cpus_write(struct writer *w, const struct partition *p)
{
    json_array(w, "cpus");
    bool known = p->phase != PHASE_REFUSED || p->spec->cpus_listed;
    for (uint32_t i = 0; i < p->spec->cpu_count && known; i++) {
        json_number(w, NULL, p->spec->cpus[i]);
    }
    json_array_end(w);
}

static void memory_write(struct writer *w, const struct partition *p)
{
    json_object(w, "memory");
    json_number(w, "bytes", p->spec->memory_bytes);
    json_array(w, "ranges");
    for (uint32_t i = 0; p->id != 0 && i < p->info.range_count && i < MULLION_MAX_RANGES; i++) {
        json_object(w, NULL);
        json_hex(w, "gpa", p->info.ranges[i].gpa);
        json_hex(w, "hpa", p->info.ranges[i].hpa);
        json_number(w, "bytes", p->info.ranges[i].bytes);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void spec_write(struct writer *w, const struct partition_spec *spec)
{
    json_object(w, "boot");
    json_text(w, "kernel", spec->kernel);
    json_text(w, "initramfs", spec->initramfs);
    json_text(w, "cmdline", spec->cmdline);
    json_object_end(w);
    json_flag(w, "autostart", spec->autostart);
    json_text(w, "onReboot", spec->on_reboot == POLICY_RESTART ? "restart" : "stop");
    json_text(w, "onCrash", spec->on_crash == POLICY_RESTART ? "restart" : "stop");
}

static void console_write_offsets(struct writer *w, const struct partition *p)
{
    json_object(w, "console");
    json_number(w, "first", p->id != 0 ? p->info.console_first : 0);
    json_number(w, "next", p->id != 0 ? p->info.console_next : 0);
    json_object_end(w);
}

void api_write_partition(struct call *call, struct partition *p, bool all)
{
    struct writer *w = &call->json;
    partition_refresh(p);
    json_text(w, "name", p->spec->name);
    json_text(w, "state", machine_phase_name(p->phase));
    json_flag(w, "stopping", p->stop_by_ms != 0);
    reason_write(w, p);
    json_text(w, "problem", p->trouble.text);
    cpus_write(w, p);
    memory_write(w, p);
    json_number(w, "starts", p->id != 0 ? p->info.start_count : 0);
    if (p->phase == PHASE_RUNNING) {
        json_number(w, "sinceStartMs", box_ms(&call->machine->box, p->info.start_tsc, os_tsc()));
    } else {
        json_null(w, "sinceStartMs");
    }
    all_counters_write(w, p, all);
    if (all) {
        spec_write(w, p->spec);
        console_write_offsets(w, p);
        api_write_ports(call, p);
    }
}

enum http_outcome api_partitions(struct call *call)
{
    static const char *const none[] = {NULL};
    if (!call_query_check(call, none)) {
        return HTTP_DONE;
    }
    call_begin(call, 200);
    json_array(&call->json, "partitions");
    for (unsigned i = 0; i < call->machine->partition_count; i++) {
        json_object(&call->json, NULL);
        api_write_partition(call, &call->machine->partitions[i], false);
        json_object_end(&call->json);
    }
    json_array_end(&call->json);
    return call_end(call);
}

enum http_outcome api_partition(struct call *call)
{
    static const char *const none[] = {NULL};
    struct partition *p = call_query_check(call, none) ? call_partition(call) : NULL;
    if (p == NULL) {
        return HTTP_DONE;
    }
    call_begin(call, 200);
    api_write_partition(call, p, true);
    return call_end(call);
}
