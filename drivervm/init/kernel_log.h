/* SPDX-License-Identifier: MIT */
/* Why drivers gave up, as far as the kernel's log tells. */
#ifndef DRIVERVM_KERNEL_LOG_H
#define DRIVERVM_KERNEL_LOG_H

#include <stddef.h>

/** Takes in one record of /dev/kmsg, zero-terminated. What it says of a device's driver is kept by slot. */
void kernel_log_note(const char *record);

/** Opens the log at its beginning.
 * @return a descriptor to wait on, or -errno */
int kernel_log_open(void);

/** Takes in all records that there are. */
void kernel_log_read(int fd);

/** What the log said last of the driver in this slot; empty if nothing. */
const char *kernel_log_reason(unsigned slot);

#endif
