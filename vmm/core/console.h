/* SPDX-License-Identifier: MIT */
/* The host console: every 16550 that answers at COM1 and COM2, and the screen. */
#pragma once

#include "core/types.h"

/** Finds and programs the serial ports (115200 8N1). First thing the VMM does. */
void console_init(void);

/** Writes to all consoles; "\n" becomes "\r\n" on serial lines. Bytes wait in a ring until the port takes
 * them. */
void console_write(const char *text, size_t count);

/** How many bytes console_write() can take now without losing any. */
size_t console_room(void);

/** Moves bytes between the ports and the rings; returns true if there is unread input. CPU 0 only. */
bool console_poll(void);

/** True while output waits, so that console_poll() should be called again soon. */
bool console_busy(void);

/** Takes up to `count` bytes of input. CPU 0 only. */
size_t console_read(uint8_t *bytes, size_t count);

/** From here on console_write() waits for the ports, and no lock is taken: the other CPUs are stopped. */
void console_panic(void);
