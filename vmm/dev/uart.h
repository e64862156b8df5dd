/* SPDX-License-Identifier: MIT */
/* The emulated 16550A: a partition's console. Source: National Semiconductor PC16550D data sheet. */
#pragma once

#include "core/types.h"

#define UART_OUTPUT_BYTES 16384u /* power of two */
#define UART_INPUT_BYTES  1024u  /* power of two */

/** Registers and both directions' rings. The caller serialises all access with the partition's console lock.
 */
struct uart {
    uint8_t ier, lcr, mcr, scr, fcr, divisor[2];
    bool thr_empty_pending, line;    /* the "transmitter empty" interrupt is due; level at the last uart_edge() */
    uint8_t burst;                   /* "transmitter empty" causes that IIR named in a row */
    uint64_t output_next;            /* absolute offset after the newest byte */
    uint64_t input_head, input_tail; /* absolute offset of the next byte the guest reads; after the newest */
    uint8_t input[UART_INPUT_BYTES];
    uint8_t output[UART_OUTPUT_BYTES];
};

/** Power-up registers; the output ring and its offsets are kept, pending input is dropped. */
void uart_reset(struct uart *uart);

/** Guest IN from register 0..7. */
uint8_t uart_read(struct uart *uart, unsigned reg);

/** Guest OUT to register 0..7. A byte written to THR is appended to the output ring (the oldest byte gives
 * way). */
void uart_write(struct uart *uart, unsigned reg, uint8_t value);

/** True once per rising edge of the interrupt line since the last call: to be called after every access, or a
 * pulse is missed. OUT2 gates the line, as on a PC. */
bool uart_edge(struct uart *uart);

/** Appends input for the guest; returns how many of `count` bytes fitted. */
size_t uart_input(struct uart *uart, const uint8_t *bytes, size_t count);

/** Oldest output offset still held. */
uint64_t uart_output_first(const struct uart *uart);

/** Copies output from absolute *offset (moved up to the oldest byte held if it is older); returns bytes
 * copied. */
size_t uart_output(const struct uart *uart, uint64_t *offset, uint8_t *bytes, size_t count);
