/* SPDX-License-Identifier: MIT */
#include "ports.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jack.h"
#include "sysfs.h"

static uint64_t number_of(const char *name, const char *attribute)
{
    char path[96];
    snprintf(path, sizeof path, "class/net/%s/%s", name, attribute);
    return sysfs_number(path, 0);
}

static void read_mac(const char *name, uint8_t mac[6])
{
    char path[96], text[32];
    snprintf(path, sizeof path, "class/net/%s/address", name);
    sysfs_text(path, text, sizeof text);
    if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
               &mac[5]) != 6) {
        memset(mac, 0, 6);
    }
}

static bool is_in_bridge(const char *name)
{
    char path[96], target[256];
    snprintf(path, sizeof path, "class/net/%s/master", name);
    return sysfs_link(path, target, sizeof target);
}

/* Slot of the PCI function that an interface's path leads through, or -1; an interface without one is no
 * port. */
static int slot_in(char *path)
{
    int slot = -1;
    char *rest = path;
    for (const char *part; (part = strsep(&rest, "/")) != NULL;) {
        const int found = sysfs_slot(part);
        slot = found >= 0 ? found : slot;
    }
    return slot;
}

/* @return whether the interface is a port of that kind */
static bool read_port(const char *name, enum port_kind kind, struct port *port)
{
    char path[96], target[256];
    snprintf(path, sizeof path, "class/net/%s", name);
    const int slot = sysfs_link(path, target, sizeof target) ? slot_in(target) : -1;
    if (slot < 0 || jack_is_in((uint32_t)slot) != (kind == PORT_JACK)) {
        return false;
    }
    snprintf(port->name, sizeof port->name, "%s", name);
    port->slot = (uint32_t)slot;
    port->kind = kind;
    port->index = (unsigned)number_of(name, "ifindex");
    port->is_up = (number_of(name, "flags") & IFF_UP) != 0;
    port->has_carrier = number_of(name, "carrier") == 1;
    port->in_bridge = is_in_bridge(name);
    read_mac(name, port->mac);
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct port *left = a, *right = b;
    if (left->slot != right->slot) {
        return left->slot < right->slot ? -1 : 1;
    }
    return left->index < right->index ? -1 : 1;
}

size_t ports_list(enum port_kind kind, struct port ports[PORTS_MAX])
{
    static char names[PORTS_MAX][32];
    const size_t named = sysfs_names("class/net", names, PORTS_MAX);
    size_t count = 0;
    for (size_t i = 0; i < named; i++) {
        count += read_port(names[i], kind, &ports[count]);
    }
    qsort(ports, count, sizeof ports[0], compare);
    return count;
}

bool ports_find(enum port_kind kind, uint32_t slot, const uint8_t mac[6], struct port *port)
{
    static const uint8_t any[6];
    static struct port ports[PORTS_MAX];
    const size_t count = ports_list(kind, ports);
    for (size_t i = 0; i < count; i++) {
        if (ports[i].slot == slot && (memcmp(mac, any, 6) == 0 || memcmp(mac, ports[i].mac, 6) == 0)) {
            *port = ports[i];
            return true;
        }
    }
    return false;
}

void ports_describe(const struct port *port, struct rpc_nic *answer)
{
    char path[96];
    snprintf(path, sizeof path, "class/net/%s/device/driver", port->name);
    sysfs_link_name(path, answer->driver, sizeof answer->driver);
    memcpy(answer->name, port->name, sizeof answer->name);
    memcpy(answer->mac, port->mac, sizeof answer->mac);
    answer->slot = port->slot;
    answer->in_bridge = port->in_bridge;
    answer->carrier = port->has_carrier;
    answer->speed_mbps = (uint32_t)number_of(port->name, "speed");
    answer->received_frames = number_of(port->name, "statistics/rx_packets");
    answer->received_bytes = number_of(port->name, "statistics/rx_bytes");
    answer->sent_frames = number_of(port->name, "statistics/tx_packets");
    answer->sent_bytes = number_of(port->name, "statistics/tx_bytes");
    answer->dropped = number_of(port->name, "statistics/rx_dropped") +
                      number_of(port->name, "statistics/tx_dropped") +
                      number_of(port->name, "statistics/rx_missed_errors");
}
