/* SPDX-License-Identifier: MIT */
/* The model's ports, links, PCI functions and the stream of bytes between the agent and the driver VM. */
#include <string.h>

#include "os/linux/model_internal.h"
#include "os/os.h"

#define RPC_SLOT     9u
#define STREAM_BYTES 8192u

struct port {
    uint32_t kind, peer, peer_slot, flags;
    bool connected, driver_ok, asks; /* asks: the link wants this side's features acknowledged */
    uint64_t features, acknowledged;
    uint8_t mac[6];
};

struct stream {
    uint8_t data[STREAM_BYTES];
    size_t used;
};

static struct port ports[MULLION_MAX_PARTITIONS][MACHINE_SLOTS];
static struct mullion_pci_info functions[MODEL_MAX_PCI];
static uint32_t function_count;
static struct stream to_driver, to_agent;

void ports_boot(void)
{
    memset(ports, 0, sizeof(ports));
    function_count = 0;
    to_driver.used = 0;
    to_agent.used = 0;
    driver_boot();
}

static struct port *find(uint32_t id, uint32_t slot)
{
    bool exists = id < MULLION_MAX_PARTITIONS && slot < MACHINE_SLOTS && ports[id][slot].kind != 0;
    return exists ? &ports[id][slot] : NULL;
}

static bool is_ready(const struct port *port)
{
    return port->driver_ok && (!port->asks || port->acknowledged == port->features);
}

static bool is_up(const struct port *port)
{
    return port->connected && is_ready(port) && is_ready(&ports[port->peer][port->peer_slot]);
}

static void changed(uint32_t id, const struct port *port)
{
    model_events()->port_mask |= 1ull << id;
    if (port->connected) {
        model_events()->port_mask |= 1ull << port->peer;
    }
}

void ports_reset(uint32_t id)
{
    for (uint32_t slot = 0; slot < MACHINE_SLOTS; slot++) {
        struct port *port = &ports[id][slot];
        if (port->driver_ok) {
            port->driver_ok = false;
            port->features = 0;
            changed(id, port);
        }
    }
    if (id == MULLION_AGENT_ID || id == model_sharer()) {
        to_driver.used = 0;
        to_agent.used = 0;
    }
}

static void disconnect(struct port *port)
{
    struct port *peer = &ports[port->peer][port->peer_slot];
    if (port->connected) {
        port->connected = peer->connected = false;
        port->asks = peer->asks = false;
    }
}

void ports_free(uint32_t id)
{
    for (uint32_t slot = 0; slot < MACHINE_SLOTS; slot++) {
        disconnect(&ports[id][slot]);
        ports[id][slot] = (struct port){.kind = 0};
    }
    for (uint32_t i = 0; i < function_count; i++) {
        functions[i].owner = functions[i].owner == id ? 0 : functions[i].owner;
    }
}

/* ---- calls
 * ------------------------------------------------------------------------------------------------------- */

static int slot_check(uint32_t id, uint32_t slot)
{
    if (id >= MULLION_MAX_PARTITIONS || (id != MULLION_AGENT_ID && model_state(id) == MULLION_STATE_NONE)) {
        return -MULLION_E_NO_PARTITION;
    }
    if (id != MULLION_AGENT_ID && model_state(id) != MULLION_STATE_DEFINED) {
        return -MULLION_E_STATE;
    }
    if (slot < 1 || slot >= MACHINE_SLOTS) {
        return -MULLION_E_RANGE;
    }
    for (uint32_t i = 0; i < function_count; i++) {
        if (id != 0 && functions[i].owner == id && functions[i].slot == slot) {
            return -MULLION_E_SLOT_BUSY;
        }
    }
    return ports[id][slot].kind != 0 ? -MULLION_E_SLOT_BUSY : 0;
}

int call_port_create(void *request)
{
    const struct mullion_port_create *create = request;
    static const uint8_t none[6];
    bool has_mac = memcmp(create->mac, none, sizeof(none)) != 0;
    int error = slot_check(create->id, create->slot);
    if (error == 0 && (create->kind < MULLION_PORT_NET || create->kind > MULLION_PORT_CONSOLE)) {
        error = -MULLION_E_RANGE;
    }
    if (error == 0 && has_mac != (create->kind == MULLION_PORT_NET)) {
        error = -MULLION_E_NOT_ZERO;
    }
    if (error == 0) {
        struct port *port = &ports[create->id][create->slot];
        *port = (struct port){.kind = create->kind};
        memcpy(port->mac, create->mac, sizeof(port->mac));
    }
    return error;
}

int call_port_connect(void *request)
{
    const struct mullion_port_connect *connect = request;
    struct port *port = find(connect->id, connect->slot);
    struct port *peer = find(connect->peer, connect->peer_slot);
    if (port == NULL || peer == NULL) {
        return -MULLION_E_NO_PORT;
    }
    if (port == peer || port->kind != peer->kind) {
        return -MULLION_E_PORT_KIND;
    }
    if (port->connected || peer->connected) {
        return -MULLION_E_SLOT_BUSY;
    }
    port->connected = peer->connected = true;
    port->peer = connect->peer;
    port->peer_slot = connect->peer_slot;
    peer->peer = connect->id;
    peer->peer_slot = connect->slot;
    port->asks = (connect->flags & MULLION_LINK_ACKNOWLEDGED) != 0;
    changed(connect->id, port);
    return 0;
}

int call_port_disconnect(void *request)
{
    const struct mullion_port_connect *connect = request;
    struct port *port = find(connect->id, connect->slot);
    if (port == NULL) {
        return -MULLION_E_NO_PORT;
    }
    changed(connect->id, port);
    disconnect(port);
    return 0;
}

int call_port_acknowledge(void *request)
{
    const struct mullion_port_acknowledge *acknowledge = request;
    struct port *port = find(acknowledge->id, acknowledge->slot);
    if (port == NULL) {
        return -MULLION_E_NO_PORT;
    }
    bool before = is_up(port);
    port->acknowledged = acknowledge->features;
    if (is_up(port) != before) {
        changed(acknowledge->id, port);
    }
    return 0;
}

int call_port_info(void *request)
{
    struct mullion_port_info *info = request;
    const struct port *port = find(info->id, info->slot);
    if (port == NULL) {
        return -MULLION_E_NO_PORT;
    }
    *info = (struct mullion_port_info){.id = info->id,
                                       .slot = info->slot,
                                       .kind = port->kind,
                                       .peer = port->peer,
                                       .peer_slot = port->peer_slot,
                                       .features = port->features};
    info->status |= port->connected ? MULLION_PORT_CONNECTED : 0;
    info->status |= port->driver_ok ? MULLION_PORT_DRIVER_OK : 0;
    info->status |= is_up(port) ? MULLION_PORT_LINK_UP : 0;
    return 0;
}

int call_pci_info(void *request)
{
    struct mullion_pci_info *info = request;
    if (info->index >= function_count) {
        return -MULLION_E_RANGE;
    }
    *info = functions[info->index];
    return 0;
}

int call_pci_assign(void *request)
{
    const struct mullion_pci_assign *assign = request;
    int error = slot_check(assign->id, assign->slot);
    if (error == 0 && (assign->index >= function_count || assign->id != model_sharer())) {
        error = assign->index >= function_count ? -MULLION_E_RANGE : -MULLION_E_PERMISSION;
    }
    if (error != 0) {
        return error;
    }
    struct mullion_pci_info *function = &functions[assign->index];
    if (function->owner != 0) {
        return -MULLION_E_PCI_BUSY;
    }
    if (function->use != MULLION_PCI_USABLE && function->use != MULLION_PCI_NO_RESET) {
        return -MULLION_E_PCI_UNUSABLE;
    }
    function->owner = assign->id;
    function->slot = assign->slot;
    return 0;
}

/* ---- what tests do
 * ------------------------------------------------------------------------------------------------ */

void model_add_pci(uint16_t bdf, uint16_t vendor, uint16_t device, uint32_t class_code,
                   enum mullion_pci_use use)
{
    functions[function_count] = (struct mullion_pci_info){.index = function_count,
                                                          .bdf = bdf,
                                                          .vendor = vendor,
                                                          .device = device,
                                                          .class_code = class_code,
                                                          .use = use};
    function_count++;
    model_count_pci(function_count);
}

void model_port_driver(uint32_t id, uint32_t slot, uint64_t features)
{
    struct port *port = &ports[id][slot];
    port->driver_ok = features != 0;
    port->features = features;
    changed(id, port);
}

const uint8_t *model_port_mac(uint32_t id, uint32_t slot)
{
    const struct port *port = find(id, slot);
    return port != NULL ? port->mac : NULL;
}

/* ---- the RPC console
 * ---------------------------------------------------------------------------------------------- */

static size_t stream_put(struct stream *stream, const void *data, size_t bytes)
{
    size_t room = STREAM_BYTES - stream->used;
    bytes = bytes < room ? bytes : room;
    memcpy(stream->data + stream->used, data, bytes);
    stream->used += bytes;
    return bytes;
}

static size_t stream_get(struct stream *stream, void *to, size_t bytes)
{
    bytes = bytes < stream->used ? bytes : stream->used;
    memcpy(to, stream->data, bytes);
    stream->used -= bytes;
    memmove(stream->data, stream->data + bytes, stream->used);
    return bytes;
}

size_t model_driver_read(void *to, size_t bytes)
{
    return stream_get(&to_driver, to, bytes);
}

size_t model_driver_write(const void *from, size_t bytes)
{
    return stream_put(&to_agent, from, bytes);
}

int os_port_open_stream(uint32_t slot)
{
    struct port *port = find(MULLION_AGENT_ID, slot);
    if (port == NULL || port->kind != MULLION_PORT_CONSOLE) {
        return -MULLION_E_NO_PORT;
    }
    port->driver_ok = true;
    return 0;
}

/* The driver VM serves its end whenever it runs. */
static bool is_served(uint32_t slot)
{
    const struct port *port = find(MULLION_AGENT_ID, slot);
    return slot == RPC_SLOT && port != NULL && port->driver_ok && port->connected &&
           model_state(port->peer) == MULLION_STATE_RUNNING;
}

size_t os_port_write(uint32_t slot, const void *data, size_t bytes)
{
    return is_served(slot) ? stream_put(&to_driver, data, bytes) : 0;
}

size_t os_port_read(uint32_t slot, void *data, size_t bytes)
{
    if (!is_served(slot)) {
        return 0;
    }
    driver_serve();
    return stream_get(&to_agent, data, bytes);
}
