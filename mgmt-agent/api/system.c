/* SPDX-License-Identifier: MIT */
/* GET /api/v1/system: the box as a whole. */
#include <string.h>

#include "api/call.h"
#include "http/parse.h"
#include "http/server.h"
#include "model/network.h"
#include "model/words.h"
#include "serial/byte_link.h"
#include "tls/tls.h"

static void cpus_write(struct writer *w, const struct box *box)
{
    json_object(w, "cpus");
    json_number(w, "count", box->cpu_count);
    json_number(w, "agent", 1);
    json_number(w, "partitions", box_cpus(box, MULLION_CPU_OWNED));
    json_number(w, "free", box_cpus(box, MULLION_CPU_FREE));
    json_number(w, "notStarted", box_cpus(box, MULLION_CPU_NOT_STARTED));
    json_object_end(w);
}

static void memory_write(struct writer *w, const struct machine *machine)
{
    const struct box *box = &machine->box;
    uint32_t driver_id = machine->driver.id;
    uint64_t driver = driver_id != 0 ? box_memory(box, MULLION_OWNER_PARTITION, driver_id) : 0;
    uint64_t unowned = box_memory(box, MULLION_OWNER_FREE, 0) + box_memory(box, MULLION_OWNER_DIRTY, 0);
    json_object(w, "memory");
    json_number(w, "totalBytes", box->platform.ram_bytes);
    json_number(w, "freeBytes", box_memory(box, MULLION_OWNER_FREE, 0));
    json_number(w, "scrubbingBytes", box_memory(box, MULLION_OWNER_DIRTY, 0));
    json_number(w, "vmmBytes", box->platform.vmm_bytes);
    json_number(w, "agentBytes", box->platform.agent_ram_bytes + box->platform.state_bytes);
    json_number(w, "driverBytes", driver);
    json_number(w, "modulesBytes", box_memory(box, MULLION_OWNER_MODULES, 0));
    json_number(w, "partitionsBytes", box_partition_memory(box) - unowned - driver);
    json_object_end(w);
}

static void isolation_write(struct writer *w, const struct mullion_platform_info *platform)
{
    json_object(w, "isolation");
    json_text(w, "dma", platform->dma_isolation == MULLION_DMA_REMAPPED ? "remapped" : "none");
    json_text(w, "text", words_dma(platform->dma_isolation));
    json_object_end(w);
}

static void network_write(struct writer *w, const struct machine *machine)
{
    static const char *const sources[] = {
        [NET_NO_ADDRESS] = "none", [NET_FROM_DHCP] = "dhcp", [NET_STATIC] = "static"};
    const struct net_status *net = &machine->net;
    char url[NET_TEXT_BYTES + 16];
    machine_url(machine, url, sizeof(url));
    json_object(w, "network");
    json_flag(w, "link", net->link);
    json_text(w, "source", net->source <= NET_STATIC ? sources[net->source] : "?");
    json_text(w, "address", net->address);
    json_text(w, "gateway", net->gateway);
    json_array(w, "ipv6");
    for (unsigned i = 0; i < net->ipv6_count && i < NET_IPV6_ADDRESSES; i++) {
        json_text(w, NULL, net->ipv6[i]);
    }
    json_array_end(w);
    json_text(w, "url", url);
    json_text(w, "fingerprint", machine->fingerprint);
    json_text(w, "problem", net->problem);
    json_object_end(w);
}

static void uplink_write(struct writer *w, const struct client *client)
{
    char mac[ADDRESS_MAC_TEXT];
    if (client->uplink_told.slot == 0) {
        json_null(w, "uplink");
        return;
    }
    address_write_mac(client->uplink_told.mac, mac);
    json_object(w, "uplink");
    json_number(w, "slot", client->uplink_told.slot);
    json_text(w, "mac", mac);
    json_object_end(w);
}

static void driver_write(struct writer *w, const struct driver *driver)
{
    json_object(w, "driverVm");
    json_text(w, "state", driver_phase_name(driver->phase));
    json_text(w, "kernel", driver->client.kernel);
    json_number(w, "starts", driver->starts);
    json_number(w, "deathsInARow", driver->deaths);
    json_number(w, "badAnswers", driver->client.bad_frames);
    uplink_write(w, &driver->client);
    json_text(w, "problem", driver->trouble);
    json_object_end(w);
}

static void http_write(struct writer *w)
{
    const struct http_counters *http = http_counters();
    const struct tls_counters *tls = tls_counters();
    json_object(w, "http");
    json_number(w, "clients", server_clients());
    json_number(w, "connections", http->connections);
    json_number(w, "handshakes", tls->handshakes);
    json_number(w, "requests", http->requests);
    json_object(w, "refused");
    json_number(w, "busy", http->refused_busy);
    json_number(w, "evicted", http->evicted);
    json_number(w, "timeout", http->timeouts);
    json_number(w, "handshake", tls->failures);
    json_number(w, "unauthorized", http->unauthorized);
    for (unsigned i = 0; i < PARSE_RESULT_COUNT; i++) {
        const char *code = parse_code((enum parse_result)i);
        if (code != NULL) {
            json_number(w, code, http->rejected[i]);
        }
    }
    json_object_end(w);
    json_object_end(w);
}

static void problem_write(struct writer *w, const char *text)
{
    if (text[0] != 0) {
        json_text(w, NULL, text);
    }
}

static void problems_write(struct writer *w, const struct machine *machine)
{
    json_number(w, "problemsDropped", machine->problems.dropped);
    json_array(w, "problems");
    for (unsigned i = 0; i < machine->problems.count; i++) {
        problem_write(w, machine->problems.text[i]);
    }
    problem_write(w, machine->driver.trouble);
    problem_write(w, machine->driver.jack_trouble);
    problem_write(w, machine->driver.uplink_trouble);
    problem_write(w, machine->net.problem);
    for (unsigned i = 0; i < machine->partition_count; i++) {
        problem_write(w, machine->partitions[i].trouble.text);
    }
    json_array_end(w);
}

static void versions_write(struct writer *w, const struct machine *machine)
{
    static const char *const endings[] = {
        [BOX_STAYS] = "no", [BOX_REBOOTS] = "reboot", [BOX_POWERS_OFF] = "poweroff"};
    const struct mullion_platform_info *platform = &machine->box.platform;
    char host[MULLION_NAME_BYTES];
    identity_host_name(machine->seed, machine->site.name, host, sizeof(host));
    json_text(w, "site", machine->site.name);
    json_text(w, "hostName", host);
    json_text(w, "addressesFrom", identity_words(machine->seed_kind));
    json_text(w, "version", MULLION_VERSION);
    json_text(w, "vmmVersion", platform->version);
    json_text(w, "backEnd", platform->backend);
    json_text(w, "cpu", platform->cpu_brand);
    json_number(w, "tscKhz", platform->tsc_khz);
    json_number(w, "bootEpochSeconds", platform->boot_epoch_s);
    json_number(w, "uptimeMs", machine_ms(machine));
    json_number(w, "bootMs", machine->boot_ms);
    json_number(w, "agentGeneration", platform->agent_generation);
    json_text(w, "goingDown", endings[machine->ending]);
    json_flag(w, "byteLink", byte_link_listens());
}

enum http_outcome api_system(struct call *call)
{
    static const char *const none[] = {NULL};
    struct machine *machine = call->machine;
    if (!call_query_check(call, none)) {
        return HTTP_DONE;
    }
    box_refresh(&machine->box);
    call_begin(call, 200);
    versions_write(&call->json, machine);
    cpus_write(&call->json, &machine->box);
    memory_write(&call->json, machine);
    isolation_write(&call->json, &machine->box.platform);
    network_write(&call->json, machine);
    driver_write(&call->json, &machine->driver);
    http_write(&call->json);
    problems_write(&call->json, machine);
    return call_end(call);
}
