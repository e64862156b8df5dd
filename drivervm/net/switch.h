/* SPDX-License-Identifier: MIT */
/* The bridge, the box's own network ports (NICs) and the jacks. */
#ifndef DRIVERVM_SWITCH_H
#define DRIVERVM_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "mullion/driver_rpc.h"

/** Instead of an errno: no port of that kind is in the slot. */
#define SWITCH_NO_PORT 0x10000

/** Makes the bridge, without a port in it. Once.
 * @return 0 or -errno */
int switch_start(void);

/** Brings each NIC up that is down, outside of the bridge, so that its carrier shows.
 * @return whether NICs or their carriers have changed since the last call */
bool switch_refresh(void);

uint32_t switch_nic_count(void);

/** The NIC at `index` in the order of slots; the answer was zero.
 * @return false: there is none */
bool switch_describe_nic(uint32_t index, struct rpc_nic *answer);

/** Makes this NIC the only one in the bridge; slot 0: none is. A `mac` of zeros is any.
 * @return 0, -errno or -SWITCH_NO_PORT; on error no NIC is in the bridge but, perhaps, this one's forerunner
 */
int switch_set_uplink(uint32_t slot, const uint8_t mac[6]);

/** Puts the jack into the bridge with what the partition behind it can take (virtio-net feature bits), or
 * takes it out.
 * @return 0, -errno or -SWITCH_NO_PORT */
int switch_set_jack(uint32_t slot, bool in_bridge, uint64_t features);

#endif
