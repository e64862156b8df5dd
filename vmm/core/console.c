/* SPDX-License-Identifier: MIT */
/* 16550 registers: National Semiconductor PC16550D data sheet, section 8. */
#include "core/core.h"

/* OUTPUT and INPUT: of the rings, powers of two. */
enum { UART_FIFO_BYTES = 16, OUTPUT_BYTES = 16384, INPUT_BYTES = 1024, PANIC_POLLS = 1000000 };
enum uart_register { RBR_THR, IER_DLM, FCR, LCR, MCR, LSR, MSR, SCR };
enum { LSR_DATA_READY = 0x01, LSR_THR_EMPTY = 0x20 };

struct port {
    uint16_t base;
    bool present;
    uint64_t sent; /* absolute offset of the next byte of the ring to send */
};

static struct port ports[] = {{0x3f8, false, 0}, {0x2f8, false, 0}}; /* COM1, COM2 */
static uint8_t output[OUTPUT_BYTES], input[INPUT_BYTES];
static uint64_t output_next, input_head, input_tail;
static struct spinlock lock;
static bool panicking;

static bool port_probe(struct port *port) {
    outb(port->base + SCR, 0x5a);
    if (inb(port->base + SCR) != 0x5a) { return false; }
    outb(port->base + SCR, 0xa5);
    return inb(port->base + SCR) == 0xa5;
}

/* 115200 8N1, FIFOs on and empty, no interrupts. */
static void port_program(const struct port *port) {
    static const uint8_t writes[][2] = {{IER_DLM, 0}, {LCR, 0x80}, {RBR_THR, 1}, {IER_DLM, 0},
                                        {LCR, 0x03},  {FCR, 0x07}, {MCR, 0x03}};
    for (size_t i = 0; i < ARRAY_COUNT(writes); i++) { outb((uint16_t)(port->base + writes[i][0]), writes[i][1]); }
}

void console_init(void) {
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        ports[i].present = port_probe(&ports[i]);
        if (ports[i].present) { port_program(&ports[i]); }
    }
}

static void port_send(struct port *port) {
    while (port->sent != output_next && (inb(port->base + LSR) & LSR_THR_EMPTY) != 0) {
        for (int i = 0; i < UART_FIFO_BYTES && port->sent != output_next; i++) {
            outb(port->base + RBR_THR, output[port->sent++ % OUTPUT_BYTES]);
        }
    }
}

static void send(void) {
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        if (!ports[i].present) { ports[i].sent = output_next; }
        for (unsigned polls = 0; ports[i].sent != output_next && polls < (panicking ? PANIC_POLLS : 1u); polls++) {
            port_send(&ports[i]);
        }
    }
}

static void append(char c) {
    output[output_next++ % OUTPUT_BYTES] = (uint8_t)c;
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        if (output_next - ports[i].sent > OUTPUT_BYTES) { ports[i].sent = output_next - OUTPUT_BYTES; }
    }
}

static void take(void) {
    if (!panicking) { spin_lock(&lock); }
}

static void release(void) {
    if (!panicking) { spin_unlock(&lock); }
}

void console_write(const char *text, size_t count) {
    take();
    for (size_t i = 0; i < count; i++) {
        if (text[i] == '\n') { append('\r'); }
        append(text[i]);
        if (panicking) { send(); }
    }
    send();
    screen_write(text, count);
    release();
}

/** The most that any port still has to send. */
static uint64_t unsent(void) {
    uint64_t most = 0;
    take();
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        uint64_t behind = output_next - ports[i].sent;
        most = behind > most ? behind : most;
    }
    release();
    return most;
}

size_t console_room(void) { return (size_t)(OUTPUT_BYTES - unsent()) / 2; }

bool console_busy(void) { return unsent() != 0; }

static void receive(const struct port *port) {
    while (input_tail - input_head < INPUT_BYTES && (inb(port->base + LSR) & LSR_DATA_READY) != 0) {
        input[input_tail++ % INPUT_BYTES] = inb(port->base + RBR_THR);
    }
}

bool console_poll(void) {
    take();
    send();
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        if (ports[i].present) { receive(&ports[i]); }
    }
    bool unread = input_tail != input_head;
    release();
    return unread;
}

size_t console_read(uint8_t *bytes, size_t count) {
    size_t copied = 0;
    take();
    while (copied < count && input_head != input_tail) { bytes[copied++] = input[input_head++ % INPUT_BYTES]; }
    release();
    return copied;
}

void console_panic(void) { panicking = true; }
