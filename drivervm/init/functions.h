/* SPDX-License-Identifier: MIT */
/* The PCI functions of the bus, but for jacks and the host bridge. */
#ifndef DRIVERVM_FUNCTIONS_H
#define DRIVERVM_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "mullion/driver_rpc.h"

/** How many there are now. */
uint32_t functions_count(void);

/** The function at `index` in the order of slots; the answer was zero.
 * @return false: there is none */
bool functions_describe(uint32_t index, struct rpc_function *answer);

#endif
