/* SPDX-License-Identifier: MIT */
/* What tells a jack from a virtio network card that the box itself has, as a box that is a virtual machine
 * does. */
#ifndef DRIVERVM_JACK_H
#define DRIVERVM_JACK_H

#include <stdbool.h>
#include <stdint.h>

/** Looks for jacks, once: the bus knows no hot-plug. A jack is virtio-net with the subsystem of Mullion's own
 * virtio devices; the variable `jack_subsystem` (on the kernel's command line) names another where no Mullion
 * is around. */
void jack_find_all(void);

/** Whether the PCI function in this slot is a jack. */
bool jack_is_in(uint32_t slot);

#endif
