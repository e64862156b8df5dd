/* SPDX-License-Identifier: MIT */
/* The ways in which the driver VM ends. */
#ifndef DRIVERVM_POWER_H
#define DRIVERVM_POWER_H

#include <stdbool.h>

/** Asks for power-off once what is under way is done. */
void power_off_soon(void);

bool power_is_wanted_off(void);

/** Stops devices in order and powers off. */
_Noreturn void power_off(void);

/** Says on the console what could not be done and why (-errno), then powers off: the agent sees that and
 * starts anew. */
_Noreturn void power_fail(const char *what, int error);

#endif
