/* SPDX-License-Identifier: MIT */
#include "switch.h"

#include "netlink.h"
#include "offload.h"
#include "ports.h"
#include "sysfs.h"

#define BRIDGE "br0"

/* Locally administered; nobody outside sees it, for the bridge itself sends nothing. Without a MAC of its own
 * it would take, and give up, that of whichever port has the lowest. */
static const uint8_t bridge_mac[6] = {0x02, 'M', 'U', 'L', 'L', 0x00};
static const uint8_t any_mac[6];

static unsigned bridge;
static struct port nics[PORTS_MAX];

int switch_start(void)
{
    const int error = netlink_add_bridge(BRIDGE, bridge_mac);
    bridge = (unsigned)sysfs_number("class/net/" BRIDGE "/ifindex", 0);
    return error ? error : netlink_set_up(bridge, true);
}

/* FNV-1a over what RPC_CHANGED tells of. */
static uint64_t fingerprint(const struct port *ports, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++) {
        const uint32_t facts[] = {ports[i].slot, ports[i].index, ports[i].has_carrier};
        for (size_t k = 0; k < sizeof facts / sizeof facts[0]; k++) {
            hash = (hash ^ facts[k]) * 0x100000001b3u;
        }
    }
    return hash;
}

bool switch_refresh(void)
{
    static uint64_t last;
    const size_t count = ports_list(PORT_NIC, nics);
    for (size_t i = 0; i < count; i++) {
        if (!nics[i].is_up) {
            /* If it fails, the kernel's log says why, and the agent sees a port without carrier. */
            netlink_set_up(nics[i].index, true);
        }
    }
    const uint64_t now = fingerprint(nics, count);
    const bool has_changed = now != last;
    last = now;
    return has_changed;
}

uint32_t switch_nic_count(void)
{
    return (uint32_t)ports_list(PORT_NIC, nics);
}

bool switch_describe_nic(uint32_t index, struct rpc_nic *answer)
{
    if (index >= ports_list(PORT_NIC, nics)) {
        return false;
    }
    ports_describe(&nics[index], answer);
    return true;
}

/* Takes every NIC out of the bridge but one; 0: every one. */
static int take_out_others(unsigned keep)
{
    const size_t count = ports_list(PORT_NIC, nics);
    for (size_t i = 0; i < count; i++) {
        if (nics[i].in_bridge && nics[i].index != keep) {
            const int error = netlink_set_master(nics[i].index, 0);
            if (error) {
                return error;
            }
        }
    }
    return 0;
}

int switch_set_uplink(uint32_t slot, const uint8_t mac[6])
{
    struct port uplink = {0};
    if (slot != 0 && !ports_find(PORT_NIC, slot, mac, &uplink)) {
        return -SWITCH_NO_PORT;
    }
    const int error = take_out_others(uplink.index);
    if (error || slot == 0 || uplink.in_bridge) {
        return error;
    }
    return netlink_set_master(uplink.index, bridge);
}

static int plug(const struct port *jack, uint64_t features)
{
    int error = offload_set(jack->name, features);
    error = error || jack->in_bridge ? error : netlink_set_master(jack->index, bridge);
    return error || jack->is_up ? error : netlink_set_up(jack->index, true);
}

static int unplug(const struct port *jack)
{
    const int error = jack->is_up ? netlink_set_up(jack->index, false) : 0;
    return error || !jack->in_bridge ? error : netlink_set_master(jack->index, 0);
}

int switch_set_jack(uint32_t slot, bool in_bridge, uint64_t features)
{
    struct port jack;
    if (!ports_find(PORT_JACK, slot, any_mac, &jack)) {
        return -SWITCH_NO_PORT;
    }
    return in_bridge ? plug(&jack, features) : unplug(&jack);
}
