/* SPDX-License-Identifier: MIT */
/* 16550 registers: National Semiconductor PC16550D data sheet, section 8. */
#include "core/core.h"

/* OUTPUT and INPUT: of the rings, powers of two. */
enum { UART_FIFO_BYTES = 16, OUTPUT_BYTES = 16384, INPUT_BYTES = 1024, PANIC_POLLS = 1000000 };
enum uart_register { RBR_THR, IER_DLM, FCR, LCR, MCR, LSR, MSR, SCR };
enum { LSR_DATA_READY = 0x01, LSR_OVERRUN = 0x02, LSR_THR_EMPTY = 0x20 };

/** Two rings with absolute offsets, moved by one port or several. */
struct channel {
    uint8_t output[OUTPUT_BYTES], input[INPUT_BYTES];
    uint64_t output_next, input_head, input_tail;
    uint64_t overruns; /* of the ports: each lost a byte or more */
};

struct port {
    uint16_t base;
    bool present;
    struct channel *channel;
    uint64_t sent; /* offset of the next byte of the output to send */
};

static struct channel channels[MULLION_HOST_CHANNEL_COUNT];
#define CONSOLE   (&channels[MULLION_HOST_CONSOLE])
#define BYTE_LINK (&channels[MULLION_HOST_BYTE_LINK])

static struct port ports[] = {{0x3f8, false, CONSOLE, 0}, {0x2f8, false, CONSOLE, 0}}; /* COM1, COM2 */
static struct port *const byte_link_port = &ports[1];
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

/** Reading the register forgets an overrun. */
static uint8_t port_status(const struct port *port) {
    uint8_t status = inb(port->base + LSR);
    if ((status & LSR_OVERRUN) != 0) { port->channel->overruns++; }
    return status;
}

static uint64_t port_unsent(const struct port *port) { return port->channel->output_next - port->sent; }

static void port_send(struct port *port) {
    while (port_unsent(port) != 0 && (port_status(port) & LSR_THR_EMPTY) != 0) {
        for (int i = 0; i < UART_FIFO_BYTES && port_unsent(port) != 0; i++) {
            outb(port->base + RBR_THR, port->channel->output[port->sent++ % OUTPUT_BYTES]);
        }
    }
}

static void send(void) {
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        if (!ports[i].present) { ports[i].sent = ports[i].channel->output_next; }
        for (unsigned polls = 0; port_unsent(&ports[i]) != 0 && polls < (panicking ? PANIC_POLLS : 1u); polls++) {
            port_send(&ports[i]);
        }
    }
}

static void append(struct channel *channel, char c) {
    channel->output[channel->output_next++ % OUTPUT_BYTES] = (uint8_t)c;
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        if (ports[i].channel == channel && port_unsent(&ports[i]) > OUTPUT_BYTES) {
            ports[i].sent = channel->output_next - OUTPUT_BYTES;
        }
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
        if (text[i] == '\n') { append(CONSOLE, '\r'); }
        append(CONSOLE, text[i]);
        if (panicking) { send(); }
    }
    send();
    screen_write(text, count);
    release();
}

/** The most that any port of the channel still has to send. */
static uint64_t unsent(const struct channel *channel) {
    uint64_t most = 0;
    take();
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        uint64_t behind = ports[i].channel == channel ? port_unsent(&ports[i]) : 0;
        most = behind > most ? behind : most;
    }
    release();
    return most;
}

size_t console_room(void) { return (size_t)(OUTPUT_BYTES - unsent(CONSOLE)) / 2; }

bool console_busy(void) { return (unsent(CONSOLE) | unsent(BYTE_LINK)) != 0; }

static bool unread(const struct channel *channel) { return channel->input_tail != channel->input_head; }

static void receive(const struct port *port) {
    struct channel *to = port->channel;
    while (to->input_tail - to->input_head < INPUT_BYTES && (port_status(port) & LSR_DATA_READY) != 0) {
        to->input[to->input_tail++ % INPUT_BYTES] = inb(port->base + RBR_THR);
    }
}

uint64_t console_poll(void) {
    take();
    send();
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        if (ports[i].present) { receive(&ports[i]); }
    }
    uint64_t events = unread(CONSOLE) ? MULLION_EVENT_HOST_INPUT : 0;
    events |= unread(BYTE_LINK) ? MULLION_EVENT_BYTE_LINK : 0;
    release();
    return events;
}

size_t console_read(enum mullion_host_channel id, uint64_t *offset, uint8_t *bytes, size_t count) {
    struct channel *from = &channels[id];
    size_t copied = 0;
    take();
    *offset = from->input_head + from->overruns;
    while (copied < count && unread(from)) { bytes[copied++] = from->input[from->input_head++ % INPUT_BYTES]; }
    release();
    return copied;
}

void byte_link_init(void) { byte_link_port->channel = BYTE_LINK; }

bool byte_link_present(void) { return byte_link_port->channel == BYTE_LINK && byte_link_port->present; }

size_t byte_link_write(const uint8_t *bytes, size_t count) {
    size_t room = (size_t)(OUTPUT_BYTES - unsent(BYTE_LINK));
    size_t taken = count < room ? count : room;
    take();
    for (size_t i = 0; i < taken; i++) { append(BYTE_LINK, (char)bytes[i]); }
    send();
    release();
    return taken;
}

void console_panic(void) {
    panicking = true;
    if (byte_link_port->channel == BYTE_LINK) {
        byte_link_port->sent = BYTE_LINK->output_next; /* nobody waits for it */
    }
}
