/* SPDX-License-Identifier: MIT */
/* The host console and the byte link over two 16550s that are made here. */
#include "x86/asm.h"

#include "core/types.h"

#define inb  fake_inb
#define outb fake_outb
static uint8_t fake_inb(uint16_t port);
static void fake_outb(uint16_t port, uint8_t value);
#include "core/console.c" // NOLINT(bugprone-suspicious-include)
#include "unit.h"

#include <string.h>

#define COM1 0
#define COM2 1

/* What a 16550 does: one FIFO each way, an overrun bit that reading the line status clears. */
static struct {
    uint8_t scratch;
    uint8_t fifo[UART_FIFO_BYTES];
    size_t waiting;
    bool overrun, deaf; /* deaf: takes nothing to send */
    char sent[4 * OUTPUT_BYTES];
    size_t sent_bytes, since_empty;
} uarts[2];

static uint8_t take_byte(unsigned n)
{
    uint8_t byte = uarts[n].fifo[0];
    assert_true(uarts[n].waiting > 0);
    memmove(uarts[n].fifo, uarts[n].fifo + 1, --uarts[n].waiting);
    return byte;
}

static uint8_t line_status(unsigned n)
{
    uint8_t status = (uint8_t)((uarts[n].waiting > 0 ? LSR_DATA_READY : 0) |
                               (uarts[n].overrun ? LSR_OVERRUN : 0) | (uarts[n].deaf ? 0 : LSR_THR_EMPTY));
    uarts[n].overrun = false;
    uarts[n].since_empty = 0;
    return status;
}

static uint8_t fake_inb(uint16_t port)
{
    unsigned n = port < 0x3f8 ? COM2 : COM1;
    switch (port & 7) {
    case RBR_THR:
        return take_byte(n);
    case LSR:
        return line_status(n);
    case SCR:
        return uarts[n].scratch;
    default:
        return 0;
    }
}

static void fake_outb(uint16_t port, uint8_t value)
{
    unsigned n = port < 0x3f8 ? COM2 : COM1;
    if ((port & 7) == SCR)
        uarts[n].scratch = value;
    if ((port & 7) != RBR_THR)
        return;
    assert_true(uarts[n].since_empty++ < UART_FIFO_BYTES); /* never more than it said it has room for */
    uarts[n].sent[uarts[n].sent_bytes++] = (char)value;
}

void screen_write(const char *text, size_t count)
{
    (void)text;
    (void)count;
}

/* The wire brings bytes; those that find the FIFO full are lost. */
static void arrive(unsigned n, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (uarts[n].waiting == UART_FIFO_BYTES)
            uarts[n].overrun = true;
        else
            uarts[n].fifo[uarts[n].waiting++] = (uint8_t)bytes[i];
    }
}

static int fresh(void **state)
{
    (void)state;
    memset(uarts, 0, sizeof(uarts));
    memset(channels, 0, sizeof(channels));
    for (size_t i = 0; i < ARRAY_COUNT(ports); i++) {
        ports[i].channel = CONSOLE;
        ports[i].sent = 0;
    }
    panicking = false;
    console_init();
    memset(uarts, 0, sizeof(uarts)); /* what programming them sent */
    return 0;
}

static int with_byte_link(void **state)
{
    fresh(state);
    byte_link_init();
    return 0;
}

#define assert_sent(n, text)                                                                                 \
    do {                                                                                                     \
        assert_int_equal(uarts[n].sent_bytes, sizeof(text) - 1);                                             \
        assert_memory_equal(uarts[n].sent, text, sizeof(text) - 1);                                          \
    } while (0)

static size_t read_link(uint64_t *offset, char *to, size_t bytes)
{
    return console_read(MULLION_HOST_BYTE_LINK, offset, (uint8_t *)to, bytes);
}

static size_t write_link(const char *bytes, size_t count)
{
    return byte_link_write((const uint8_t *)bytes, count);
}

static void without_a_byte_link_both_ports_are_the_console(void **state)
{
    (void)state;
    char typed[8];
    uint64_t offset;
    console_write("hi\n", 3);
    assert_sent(COM1, "hi\r\n");
    assert_sent(COM2, "hi\r\n");
    arrive(COM2, "a", 1);
    arrive(COM1, "b", 1);
    assert_int_equal(console_poll(), MULLION_EVENT_HOST_INPUT);
    assert_int_equal(console_read(MULLION_HOST_CONSOLE, &offset, (uint8_t *)typed, sizeof(typed)), 2);
    assert_memory_equal(typed, "ba", 2);
    assert_false(byte_link_present());
}

static void a_byte_link_and_the_console_hear_nothing_of_each_other(void **state)
{
    (void)state;
    char typed[8];
    uint64_t offset;
    assert_true(byte_link_present());
    console_write("log\n", 4);
    assert_int_equal(write_link("a\nb", 3), 3);
    assert_sent(COM1, "log\r\n");
    assert_sent(COM2, "a\nb");
    arrive(COM2, "x", 1);
    assert_int_equal(console_poll(), MULLION_EVENT_BYTE_LINK);
    assert_int_equal(console_read(MULLION_HOST_CONSOLE, &offset, (uint8_t *)typed, sizeof(typed)), 0);
    arrive(COM1, "y", 1);
    assert_int_equal(console_poll(), MULLION_EVENT_BYTE_LINK | MULLION_EVENT_HOST_INPUT);
    assert_int_equal(read_link(&offset, typed, sizeof(typed)), 1);
    assert_int_equal(typed[0], 'x');
    assert_int_equal(console_poll(), MULLION_EVENT_HOST_INPUT);
}

static void a_byte_link_takes_what_fits_and_loses_nothing(void **state)
{
    (void)state;
    static char bytes[2 * OUTPUT_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 % 251);
    uarts[COM2].deaf = true;
    assert_int_equal(write_link(bytes, OUTPUT_BYTES - 1), OUTPUT_BYTES - 1);
    assert_int_equal(write_link(bytes + OUTPUT_BYTES - 1, 100), 1);
    assert_int_equal(write_link(bytes + OUTPUT_BYTES, 100), 0);
    assert_true(console_busy());
    uarts[COM2].deaf = false;
    console_poll();
    assert_int_equal(write_link(bytes + OUTPUT_BYTES, OUTPUT_BYTES), OUTPUT_BYTES);
    assert_int_equal(uarts[COM2].sent_bytes, sizeof(bytes));
    assert_memory_equal(uarts[COM2].sent, bytes, sizeof(bytes));
    assert_false(console_busy());
}

static void a_full_ring_leaves_input_in_the_port(void **state)
{
    (void)state;
    char byte;
    char bytes[UART_FIFO_BYTES + 1];
    uint64_t offset;
    for (unsigned i = 0; i < INPUT_BYTES / UART_FIFO_BYTES; i++) {
        arrive(COM2, "0123456789abcdef", UART_FIFO_BYTES);
        console_poll();
    }
    arrive(COM2, "X", 1);
    console_poll();
    assert_int_equal(uarts[COM2].waiting, 1);
    for (unsigned i = 0; i < INPUT_BYTES; i++) {
        assert_int_equal(read_link(&offset, &byte, 1), 1);
        assert_int_equal(offset, i);
        assert_int_equal(byte, "0123456789abcdef"[i % UART_FIFO_BYTES]);
    }
    console_poll();
    assert_int_equal(read_link(&offset, bytes, sizeof(bytes)), 1);
    assert_int_equal(offset, INPUT_BYTES);
}

static void lost_input_moves_the_offset(void **state)
{
    (void)state;
    char bytes[64];
    uint64_t offset;
    arrive(COM2, "0123456789abcdefg", UART_FIFO_BYTES + 1);
    write_link("out", 3); /* reads the line status too */
    console_poll();
    assert_int_equal(read_link(&offset, bytes, 4), 4);
    assert_int_equal(offset, 1);
    assert_int_equal(read_link(&offset, bytes, sizeof(bytes)), 12);
    assert_int_equal(offset, 5);
}

static void a_panic_does_not_wait_for_the_byte_link(void **state)
{
    (void)state;
    uarts[COM2].deaf = true;
    assert_int_equal(write_link("never", 5), 5);
    console_panic();
    console_write("the end", 7);
    assert_sent(COM1, "the end");
    uarts[COM2].deaf = false;
    console_write(".", 1);
    assert_int_equal(uarts[COM2].sent_bytes, 0);
}

static void a_panic_drops_nothing_of_the_console(void **state)
{
    (void)state;
    uarts[COM2].deaf = true;
    console_write("what led to it, ", 16);
    console_panic();
    uarts[COM2].deaf = false;
    console_write("the end", 7);
    assert_sent(COM2, "what led to it, the end");
}

#define CONSOLE_TEST(f) cmocka_unit_test_setup(f, fresh)
#define LINK_TEST(f)    cmocka_unit_test_setup(f, with_byte_link)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONSOLE_TEST(without_a_byte_link_both_ports_are_the_console),
        CONSOLE_TEST(a_panic_drops_nothing_of_the_console),
        LINK_TEST(a_byte_link_and_the_console_hear_nothing_of_each_other),
        LINK_TEST(a_byte_link_takes_what_fits_and_loses_nothing),
        LINK_TEST(a_full_ring_leaves_input_in_the_port),
        LINK_TEST(lost_input_moves_the_offset),
        LINK_TEST(a_panic_does_not_wait_for_the_byte_link),
    };
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
