/* SPDX-License-Identifier: MIT */
/* The steps between nothing and a driver VM that can be started: each returns 0, or -1 with driver.trouble.
 */
#ifndef DRIVER_BUILD_H
#define DRIVER_BUILD_H

#include "model/machine.h"

/** Writes driver.trouble: "driver VM: " and the text. @return -1 */
__attribute__((format(printf, 2, 3))) int driver_fail(struct driver *driver, const char *format, ...);

/** Creates the agent's own ports, unless they exist. */
void driver_agent_ports(struct machine *machine);

/** Claims memory, CPU 0, ports and functions. @return 1 if memory waits for scrubbing: nothing is held then
 */
int driver_create(struct machine *machine);

/** Puts kernel, initramfs and tables into its memory and starts it. */
int driver_load_and_start(struct machine *machine);

/** After an agent restart: finds out where its memory lies and which functions it has. */
void driver_survey(struct machine *machine, const struct mullion_partition_info *info);

#endif
