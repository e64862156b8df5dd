/* SPDX-License-Identifier: MIT */
#include "model/ports.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "model/identity.h"
#include "model/machine.h"
#include "os/os.h"

static uint32_t jacks_before(const struct manifest *manifest, unsigned index)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < index; i++) {
        count += manifest->partitions[i].nic_count;
    }
    return count;
}

/* The slot in which partition `index` has its end of this link. */
static uint32_t end_slot(const struct manifest *manifest, unsigned index, unsigned link)
{
    uint32_t slot = PORT_FIRST_SLOT + manifest->partitions[index].nic_count;
    for (unsigned i = 0; i < link; i++) {
        slot += manifest->links[i].ends[0] == index || manifest->links[i].ends[1] == index ? 1 : 0;
    }
    return slot;
}

unsigned ports_plan(const struct manifest *manifest, unsigned index, struct port_plan plans[PORT_MAX])
{
    const struct partition_spec *spec = &manifest->partitions[index];
    unsigned count = 0;
    unsigned net_count = 0;
    for (uint32_t i = 0; i < spec->nic_count; i++) {
        plans[count++] =
            (struct port_plan){.slot = PORT_FIRST_SLOT + i,
                               .kind = MULLION_PORT_NET,
                               .peer = PORT_PEER_DRIVER,
                               .peer_slot = DRIVER_SLOT_JACKS + jacks_before(manifest, index) + i,
                               .index = net_count++,
                               .nic = &spec->nics[i]};
    }
    for (unsigned i = 0; i < manifest->link_count && count < PORT_MAX; i++) {
        const struct link_spec *link = &manifest->links[i];
        if (link->ends[0] != index && link->ends[1] != index) {
            continue;
        }
        unsigned peer = link->ends[0] == index ? link->ends[1] : link->ends[0];
        plans[count++] = (struct port_plan){.slot = end_slot(manifest, index, i),
                                            .kind = link->kind,
                                            .peer = peer,
                                            .peer_slot = end_slot(manifest, peer, i),
                                            .index = net_count};
        net_count += link->kind == MULLION_PORT_NET ? 1 : 0;
    }
    return count;
}

static unsigned plans_of(const struct machine *machine, const struct partition *p,
                         struct port_plan plans[PORT_MAX])
{
    return ports_plan(&machine->manifest, (unsigned)(p->spec - machine->manifest.partitions), plans);
}

/* The partition at the other end, the VMM's identifier; 0 if it does not exist now. */
static uint32_t peer_id(const struct machine *machine, const struct port_plan *plan)
{
    if (plan->peer == PORT_PEER_DRIVER) {
        return machine->driver.id;
    }
    for (unsigned i = 0; i < machine->partition_count; i++) {
        if (machine->partitions[i].spec == &machine->manifest.partitions[plan->peer]) {
            return machine->partitions[i].id;
        }
    }
    return 0;
}

static long port_create(const struct machine *machine, const struct partition *p,
                        const struct port_plan *plan)
{
    struct mullion_port_create create = {.id = p->id, .slot = plan->slot, .kind = plan->kind};
    if (plan->nic != NULL && plan->nic->has_mac) {
        memcpy(create.mac, plan->nic->mac, sizeof(create.mac));
    } else if (plan->kind == MULLION_PORT_NET) {
        identity_mac(machine->seed, p->spec->name, plan->index, create.mac);
    }
    return os_hypercall(MULLION_CALL_PORT_CREATE, &create);
}

/* A peer whose ports are not plugged in yet makes the link itself when they are. */
static long port_connect(const struct machine *machine, uint32_t id, const struct port_plan *plan)
{
    struct mullion_port_connect connect = {
        .id = id, .slot = plan->slot, .peer = peer_id(machine, plan), .peer_slot = plan->peer_slot};
    connect.flags = plan->peer == PORT_PEER_DRIVER ? MULLION_LINK_ACKNOWLEDGED : 0;
    if (connect.peer == 0) {
        return 0;
    }
    long error = os_hypercall(MULLION_CALL_PORT_CONNECT, &connect);
    return error == -MULLION_E_SLOT_BUSY || error == -MULLION_E_NO_PORT ? 0 : error;
}

long ports_plug(struct machine *machine, const struct partition *p)
{
    struct port_plan plans[PORT_MAX];
    unsigned count = plans_of(machine, p, plans);
    long error = 0;
    for (unsigned i = 0; i < count && error == 0; i++) {
        error = port_create(machine, p, &plans[i]);
    }
    for (unsigned i = 0; i < count && error == 0; i++) {
        error = port_connect(machine, p->id, &plans[i]);
    }
    return error;
}

static bool port_is_complete(const struct machine *machine, const struct partition *p,
                             const struct port_plan *plan)
{
    struct mullion_port_info info = {.id = p->id, .slot = plan->slot};
    if (os_hypercall(MULLION_CALL_PORT_INFO, &info) != 0) {
        return false;
    }
    if ((info.status & MULLION_PORT_CONNECTED) != 0) {
        return true;
    }
    port_connect(machine, p->id, plan);
    info = (struct mullion_port_info){.id = p->id, .slot = plan->slot};
    return peer_id(machine, plan) == 0 ||
           (os_hypercall(MULLION_CALL_PORT_INFO, &info) == 0 && (info.status & MULLION_PORT_CONNECTED) != 0);
}

bool ports_are_complete(struct machine *machine, const struct partition *p)
{
    struct port_plan plans[PORT_MAX];
    unsigned count = plans_of(machine, p, plans);
    bool complete = true;
    for (unsigned i = 0; i < count; i++) {
        complete = port_is_complete(machine, p, &plans[i]) && complete;
    }
    return complete;
}

/* ---- jacks: the driver VM's ends
 * ---------------------------------------------------------------------------------- */

static void acknowledge(uint32_t id, uint32_t slot, uint64_t features)
{
    struct mullion_port_acknowledge request = {.id = id, .slot = slot, .features = features};
    os_hypercall(MULLION_CALL_PORT_ACKNOWLEDGE, &request);
}

/* Compares what the port's driver has negotiated with what the jack was told. */
static void jack_update(struct client *client, uint32_t id, uint32_t slot, uint32_t jack)
{
    struct mullion_port_info info = {.id = id, .slot = slot};
    struct client_jack *known = &client->jacks[jack];
    if (os_hypercall(MULLION_CALL_PORT_INFO, &info) != 0 || (info.status & MULLION_PORT_DRIVER_OK) == 0) {
        client_clear_jack(client, jack);
    } else if (known->state == JACK_UNUSED || known->features != info.features) {
        client_set_jack(client, jack, info.features);
    } else if (known->state == JACK_LINKED && (info.status & MULLION_PORT_LINK_UP) == 0) {
        known->state = JACK_CONFIRMED; /* it was reset and has come to the same features */
    }
}

/** What to do with each port that leads to a jack. */
typedef void jack_visitor(struct client *client, uint32_t id, uint32_t slot, uint32_t jack);

static void jacks_visit(struct machine *machine, uint64_t mask, jack_visitor *visit)
{
    struct port_plan plans[PORT_MAX];
    struct client *client = &machine->driver.client;
    if ((mask & 1u << MULLION_AGENT_ID) != 0) {
        visit(client, MULLION_AGENT_ID, DRIVER_SLOT_AGENT, DRIVER_SLOT_AGENT);
    }
    for (unsigned i = 0; i < machine->partition_count; i++) {
        const struct partition *p = &machine->partitions[i];
        unsigned count = plans_of(machine, p, plans);
        for (unsigned k = 0; k < count && p->id != 0 && (mask >> p->id & 1) != 0; k++) {
            if (plans[k].peer == PORT_PEER_DRIVER) {
                visit(client, p->id, plans[k].slot, plans[k].peer_slot);
            }
        }
    }
}

void ports_changed(struct machine *machine, uint64_t port_mask)
{
    jacks_visit(machine, port_mask, jack_update);
}

static void jack_acknowledge(struct client *client, uint32_t id, uint32_t slot, uint32_t jack)
{
    struct client_jack *known = &client->jacks[jack];
    if (known->state == JACK_CONFIRMED) {
        acknowledge(id, slot, known->features);
        known->state = JACK_LINKED;
    }
}

void ports_acknowledge(struct machine *machine)
{
    jacks_visit(machine, UINT64_MAX, jack_acknowledge);
}

static bool jack_problem(const struct machine *machine, const struct partition *p,
                         const struct port_plan *plan, char text[PROBLEM_BYTES])
{
    const struct client_jack *jack = &machine->driver.client.jacks[plan->peer_slot];
    if (plan->peer != PORT_PEER_DRIVER || jack->state != JACK_REFUSED) {
        return false;
    }
    snprintf(text, PROBLEM_BYTES,
             "partition \"%s\": its network port in slot %" PRIu32
             " has no link: the driver VM refused it (status %u, "
             "error %u): look at its console by `attach driver`, report this as a defect",
             p->spec->name, plan->slot, (unsigned)jack->status, (unsigned)jack->detail);
    return true;
}

void ports_problem(const struct machine *machine, char text[PROBLEM_BYTES])
{
    struct port_plan plans[PORT_MAX];
    text[0] = 0;
    for (unsigned i = 0; i < machine->partition_count; i++) {
        const struct partition *p = &machine->partitions[i];
        unsigned count = p->id != 0 ? plans_of(machine, p, plans) : 0;
        for (unsigned k = 0; k < count; k++) {
            if (jack_problem(machine, p, &plans[k], text)) {
                return;
            }
        }
    }
}

static void jack_withdraw(struct client *client, uint32_t id, uint32_t slot, uint32_t jack)
{
    if (client->jacks[jack].state != JACK_UNUSED) {
        acknowledge(id, slot, 0);
    }
}

void ports_withdraw(struct machine *machine)
{
    jacks_visit(machine, UINT64_MAX, jack_withdraw);
}

void ports_link_driver(struct machine *machine)
{
    struct port_plan plans[PORT_MAX];
    for (unsigned i = 0; i < machine->partition_count; i++) {
        const struct partition *p = &machine->partitions[i];
        unsigned count = p->id != 0 ? plans_of(machine, p, plans) : 0;
        for (unsigned k = 0; k < count; k++) {
            if (plans[k].peer == PORT_PEER_DRIVER) {
                port_connect(machine, p->id, &plans[k]);
            }
        }
    }
}
