/* SPDX-License-Identifier: MIT */
/* The host console: every 16550 that answers at COM1 and COM2, and the screen. The byte link: COM2, taken out of it. */
#pragma once

#include "core/types.h"
#include "mullion/abi.h"

/** Finds and programs the serial ports (115200 8N1). First thing the VMM does. */
void console_init(void);

/** Writes to all consoles; "\n" becomes "\r\n" on serial lines. Bytes wait in a ring until the port takes
 * them. */
void console_write(const char *text, size_t count);

/** How many bytes console_write() can take now without losing any. */
size_t console_room(void);

/** Moves bytes between the ports and the rings; returns MULLION_EVENT_ bits for unread input. CPU 0 only. */
uint64_t console_poll(void);

/** True while output waits, on either, so that console_poll() should be called again soon. */
bool console_busy(void);

/** Takes up to `count` bytes of input; *offset becomes that of the first one, more than expected if some were lost. CPU
 * 0 only. */
size_t console_read(enum mullion_host_channel channel, uint64_t *offset, uint8_t *bytes, size_t count);

/** Makes COM2 the byte link. Before anything is written. */
void byte_link_init(void);

/** Is there one? */
bool byte_link_present(void);

/** Takes as many of the bytes as there is room for, and returns how many. CPU 0 only. */
size_t byte_link_write(const uint8_t *bytes, size_t count);

/** From here on console_write() waits for the ports, and no lock is taken: the other CPUs are stopped. */
void console_panic(void);
