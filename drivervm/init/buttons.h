/* SPDX-License-Identifier: MIT */
/* The ACPI power button: an input device of the kernel's. */
#ifndef DRIVERVM_BUTTONS_H
#define DRIVERVM_BUTTONS_H

#include <stdbool.h>

/** Opens the next input device.
 * @return a descriptor to wait on; negative: there are no more */
int buttons_open_next(void);

/** Reads the device's events. @return whether the power button was pressed */
bool buttons_power_pressed(int fd);

#endif
