/* SPDX-License-Identifier: MIT */
/* GET /api/v1/hardware: CPUs, memory, PCI functions and network ports, each with its owner. */
#include <stdio.h>

#include "api/call.h"
#include "model/words.h"
#include "os/os.h"

static void cpus_write(struct call *call)
{
    const struct box *box = &call->machine->box;
    struct writer *w = &call->json;
    json_array(w, "cpus");
    for (unsigned i = 0; i < box->cpu_count; i++) {
        bool owned = box->cpus[i].state == MULLION_CPU_OWNED;
        json_object(w, NULL);
        json_number(w, "cpu", i);
        json_number(w, "apicId", box->cpus[i].apic_id);
        json_text(w, "state", words_cpu_state(box->cpus[i].state));
        json_text(w, "owner", owned ? machine_owner_name(call->machine, box->cpus[i].partition) : "");
        json_object_end(w);
    }
    json_array_end(w);
}

static void memory_write(struct call *call)
{
    const struct box *box = &call->machine->box;
    struct writer *w = &call->json;
    json_array(w, "memory");
    for (unsigned i = 0; i < box->run_count; i++) {
        const struct mullion_memory_info *run = &box->runs[i];
        bool owned = run->owner == MULLION_OWNER_PARTITION;
        json_object(w, NULL);
        json_hex(w, "hpa", run->hpa);
        json_number(w, "bytes", run->bytes);
        json_text(w, "use", words_owner(run->owner));
        json_text(w, "owner", owned ? machine_owner_name(call->machine, run->partition) : "");
        json_object_end(w);
    }
    json_array_end(w);
}

/* Why nobody drives a function, in words; empty if somebody does. */
static const char *reason_of(const struct mullion_pci_info *info, const struct rpc_function *told)
{
    if (told != NULL) {
        return told->reason[0] != 0 || told->driver[0] != 0 ? told->reason
                                                            : "the driver VM has no driver for it";
    }
    if (info->owner != 0) {
        return "its partition has not said what drives it";
    }
    bool usable = info->use == MULLION_PCI_USABLE || info->use == MULLION_PCI_NO_RESET;
    return usable ? "nobody has it: this version gives away network functions only"
                  : words_pci_use(info->use);
}

static void function_write(struct call *call, const struct mullion_pci_info *info)
{
    struct writer *w = &call->json;
    const struct driver *driver = &call->machine->driver;
    bool driven = info->owner != 0 && info->owner == driver->id;
    const struct rpc_function *told = driven ? driver_function_told(driver, info->slot) : NULL;
    char text[ADDRESS_PCI_TEXT];
    json_object(w, NULL);
    address_write_pci(info->segment, info->bdf, text);
    json_text(w, "address", text);
    snprintf(text, sizeof(text), "%04x", info->vendor);
    json_text(w, "vendor", text);
    snprintf(text, sizeof(text), "%04x", info->device);
    json_text(w, "device", text);
    snprintf(text, sizeof(text), "%06x", (unsigned)info->class_code);
    json_text(w, "class", text);
    json_text(w, "use", words_pci_use(info->use));
    json_text(w, "owner", info->owner != 0 ? machine_owner_name(call->machine, info->owner) : "");
    json_text(w, "driver", told != NULL ? told->driver : "");
    json_text(w, "reason", reason_of(info, told));
    json_object_end(w);
}

static void functions_write(struct call *call)
{
    json_array(&call->json, "functions");
    for (uint32_t i = 0; i < call->machine->box.platform.pci_count; i++) {
        struct mullion_pci_info info = {.index = i};
        if (os_hypercall(MULLION_CALL_PCI_INFO, &info) == 0) {
            function_write(call, &info);
        }
    }
    json_array_end(&call->json);
}

static void function_address(const struct driver *driver, uint32_t slot, char text[ADDRESS_PCI_TEXT])
{
    text[0] = 0;
    for (unsigned i = 0; i < driver->function_count; i++) {
        if (driver->functions[i].slot == slot) {
            address_write_pci(driver->functions[i].segment, driver->functions[i].bdf, text);
        }
    }
}

static void nic_counters_write(struct writer *w, const struct rpc_nic *nic)
{
    json_object(w, "counters");
    json_number(w, "receivedFrames", nic->received_frames);
    json_number(w, "receivedBytes", nic->received_bytes);
    json_number(w, "sentFrames", nic->sent_frames);
    json_number(w, "sentBytes", nic->sent_bytes);
    json_number(w, "dropped", nic->dropped);
    json_object_end(w);
}

static void nic_write(struct writer *w, const struct driver *driver, const struct rpc_nic *nic)
{
    char text[ADDRESS_MAC_TEXT > ADDRESS_PCI_TEXT ? ADDRESS_MAC_TEXT : ADDRESS_PCI_TEXT];
    json_object(w, NULL);
    json_text(w, "name", nic->name);
    function_address(driver, nic->slot, text);
    json_text(w, "function", text);
    address_write_mac(nic->mac, text);
    json_text(w, "mac", text);
    json_text(w, "driver", nic->driver);
    json_flag(w, "carrier", nic->carrier != 0);
    json_number(w, "speedMbps", nic->speed_mbps);
    json_flag(w, "uplink", nic->in_bridge != 0);
    nic_counters_write(w, nic);
    json_object_end(w);
}

static void nics_write(struct call *call)
{
    const struct driver *driver = &call->machine->driver;
    json_array(&call->json, "nics");
    for (uint32_t i = 0; i < driver->client.nic_count; i++) {
        if (driver->client.nics[i].slot != 0 && driver_is_alive(driver)) {
            nic_write(&call->json, driver, &driver->client.nics[i]);
        }
    }
    json_array_end(&call->json);
}

enum http_outcome api_hardware(struct call *call)
{
    static const char *const none[] = {NULL};
    if (!call_query_check(call, none)) {
        return HTTP_DONE;
    }
    box_refresh(&call->machine->box);
    call_begin(call, 200);
    cpus_write(call);
    memory_write(call);
    functions_write(call);
    nics_write(call);
    return call_end(call);
}
