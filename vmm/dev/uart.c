/* SPDX-License-Identifier: MIT */
/* The emulated 16550A: see uart.h. The line speed is infinite: a byte written has left at once. */
#include "dev/uart.h"

/* DATA is RBR and THR. */
enum reg { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

/* Bits of the registers; FCR is written where IIR is read. */
enum { IER_RECEIVED = 0x01, IER_THR = 0x02, IER_WRITABLE = 0x0f };
enum { IIR_NONE = 0x01, IIR_THR = 0x02, IIR_RECEIVED = 0x04, IIR_TIMEOUT = 0x0c, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 0x01, FCR_CLEAR_RX = 0x02, FCR_TRIGGER = 0xc0, LCR_DLAB = 0x80 };
enum { MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10, MCR_WRITABLE = 0x1f };
enum { LSR_DATA_READY = 0x01, LSR_THR_EMPTY = 0x20, LSR_IDLE = 0x40 };
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

#define FIFO_BYTES 16

/*
 * A driver's interrupt handler loops while IIR names a cause, and gives up after some hundred rounds (Linux:
 * 512); with an edge-triggered line the console would then stand still. So after this many THRE causes in a
 * row IIR says "none" once, and the line pulses: the handler ends and is called again.
 */
#define BURST_MAX 32

void uart_reset(struct uart *uart) {
    uart->ier = uart->lcr = uart->mcr = uart->scr = uart->divisor[0] = uart->divisor[1] = uart->fcr = 0;
    uart->thr_empty_pending = uart->line = false;
    uart->burst = 0;
    uart->input_head = uart->input_tail;
}

static size_t input_pending(const struct uart *uart) { return (size_t)(uart->input_tail - uart->input_head); }

static void input_append(struct uart *uart, uint8_t byte) { uart->input[uart->input_tail++ % UART_INPUT_BYTES] = byte; }

static uint8_t receive(struct uart *uart) {
    return input_pending(uart) > 0 ? uart->input[uart->input_head++ % UART_INPUT_BYTES] : 0;
}

/* In loopback the receiver has its true size: drivers measure it. */
static void transmit(struct uart *uart, uint8_t byte) {
    uart->thr_empty_pending = true;
    if (!(uart->mcr & MCR_LOOP)) {
        uart->output[uart->output_next++ % UART_OUTPUT_BYTES] = byte;
        return;
    }
    size_t room = uart->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
    if (input_pending(uart) < room) input_append(uart, byte);
}

static size_t trigger_level(const struct uart *uart) {
    static const uint8_t levels[] = {1, 4, 8, 14};
    return uart->fcr & FCR_ENABLE ? levels[uart->fcr >> 6] : 1;
}

/* The cause with the highest priority, without the FIFO bits. */
static uint8_t interrupt_cause(const struct uart *uart) {
    size_t pending = input_pending(uart);
    if ((uart->ier & IER_RECEIVED) && pending > 0) return pending >= trigger_level(uart) ? IIR_RECEIVED : IIR_TIMEOUT;
    if ((uart->ier & IER_THR) && uart->thr_empty_pending) return IIR_THR;
    return IIR_NONE;
}

/* Reading IIR takes back the THRE cause if it is the one named. */
static uint8_t identify_interrupt(struct uart *uart) {
    uint8_t cause = interrupt_cause(uart);
    if (cause == IIR_THR && uart->burst++ >= BURST_MAX) {
        uart->line = false;
        cause = IIR_NONE;
    } else if (cause == IIR_THR) {
        uart->thr_empty_pending = false;
    }
    if (cause == IIR_NONE) uart->burst = 0;
    return (uint8_t)(cause | (uart->fcr & FCR_ENABLE ? IIR_FIFOS : 0));
}

/* A modem that is always there; in loopback the four outputs come back as inputs. */
static uint8_t modem_status(const struct uart *uart) {
    uint8_t mcr = uart->mcr;
    if (!(mcr & MCR_LOOP)) return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) |
                     (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* With LCR.DLAB the first two registers are the divisor, which has no effect. */
static bool is_divisor(const struct uart *uart, unsigned reg) { return (uart->lcr & LCR_DLAB) && reg <= REG_IER; }

uint8_t uart_read(struct uart *uart, unsigned reg) {
    if (is_divisor(uart, reg)) return uart->divisor[reg];
    switch ((enum reg)reg) {
    case REG_DATA: return receive(uart);
    case REG_IER: return uart->ier;
    case REG_IIR: return identify_interrupt(uart);
    case REG_LCR: return uart->lcr;
    case REG_MCR: return uart->mcr;
    case REG_LSR: return (uint8_t)(LSR_THR_EMPTY | LSR_IDLE | (input_pending(uart) ? LSR_DATA_READY : 0));
    case REG_MSR: return modem_status(uart);
    case REG_SCR: return uart->scr;
    }
    return 0;
}

/* The transmitter is always empty, so enabling its interrupt raises it: drivers start output that way. */
static void write_ier(struct uart *uart, uint8_t value) {
    if ((value & IER_THR) && !(uart->ier & IER_THR)) {
        uart->thr_empty_pending = true;
        uart->burst = 0;
    }
    uart->ier = value & IER_WRITABLE;
}

static void write_fcr(struct uart *uart, uint8_t value) {
    if ((value & FCR_CLEAR_RX) || ((value ^ uart->fcr) & FCR_ENABLE)) uart->input_head = uart->input_tail;
    uart->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER) : 0;
}

void uart_write(struct uart *uart, unsigned reg, uint8_t value) {
    if (is_divisor(uart, reg)) {
        uart->divisor[reg] = value;
        return;
    }
    switch ((enum reg)reg) {
    case REG_DATA: transmit(uart, value); return;
    case REG_IER: write_ier(uart, value); return;
    case REG_IIR: write_fcr(uart, value); return;
    case REG_LCR: uart->lcr = value; return;
    case REG_MCR: uart->mcr = value & MCR_WRITABLE; return;
    case REG_SCR: uart->scr = value; return;
    case REG_LSR:
    case REG_MSR: return;
    }
}

bool uart_edge(struct uart *uart) {
    bool gate = (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
    bool level = gate && interrupt_cause(uart) != IIR_NONE, edge = level && !uart->line;
    uart->line = level;
    return edge;
}

size_t uart_input(struct uart *uart, const uint8_t *bytes, size_t count) {
    if (uart->mcr & MCR_LOOP) return 0;
    size_t room = UART_INPUT_BYTES - input_pending(uart);
    if (count > room) count = room;
    for (size_t i = 0; i < count; i++) input_append(uart, bytes[i]);
    return count;
}

uint64_t uart_output_first(const struct uart *uart) {
    return uart->output_next > UART_OUTPUT_BYTES ? uart->output_next - UART_OUTPUT_BYTES : 0;
}

size_t uart_output(const struct uart *uart, uint64_t *offset, uint8_t *bytes, size_t count) {
    uint64_t first = uart_output_first(uart);
    if (*offset < first) *offset = first;
    uint64_t held = uart->output_next > *offset ? uart->output_next - *offset : 0;
    if (count > held) count = held;
    for (size_t i = 0; i < count; i++) bytes[i] = uart->output[(*offset + i) % UART_OUTPUT_BYTES];
    return count;
}
