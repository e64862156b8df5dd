/* SPDX-License-Identifier: MIT */
/* What tells a jack from a virtio network card that the box itself has, as a box that is a virtual machine
 * does. */
#ifndef DRIVERVM_JACK_H
#define DRIVERVM_JACK_H

#include <stdbool.h>
#include <stdint.h>

/** Whether the PCI function in this slot is a jack: virtio-net with the subsystem of Mullion's own virtio
 * devices. The variable `jack_subsystem` (on the kernel's command line) names another where there is no
 * Mullion around. */
bool jack_is_in(uint32_t slot);

#endif
