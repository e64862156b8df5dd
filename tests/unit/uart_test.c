/* SPDX-License-Identifier: MIT */
/* The emulated 16550A, through what Linux's 8250 driver does with it. */
#include "dev/uart.h"
#include "unit.h"

#include <string.h>

#define DATA 0u
#define IER  1u
#define IIR  2u
#define FCR  2u
#define LCR  3u
#define MCR  4u
#define LSR  5u
#define MSR  6u
#define SCR  7u

#define OUT2 0x08
#define LOOP 0x10

static struct uart *fresh(void)
{
    struct uart *uart = test_calloc(1, sizeof(*uart));
    uart_reset(uart);
    return uart;
}

/* Open as Linux leaves it: FIFO on, OUT2 on. */
static struct uart *opened(void)
{
    struct uart *uart = fresh();
    uart_write(uart, FCR, 0x81);
    uart_write(uart, MCR, OUT2 | 3);
    return uart;
}

static size_t type(struct uart *uart, const char *text)
{
    return uart_input(uart, (const uint8_t *)text, strlen(text));
}

static void divisor_latch_hides_data_and_ier(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    uart_write(uart, LCR, 0x83);
    uart_write(uart, DATA, 0x34);
    uart_write(uart, IER, 0x12);
    assert_int_equal(uart_read(uart, DATA), 0x34);
    assert_int_equal(uart_read(uart, IER), 0x12);
    uart_write(uart, LCR, 0x03);
    assert_int_equal(uart_read(uart, IER), 0);
    assert_int_equal(uart->output_next, 0);
    test_free(uart);
}

/* autoconfig(): IER keeps four bits, the loopback test reads 0x90, IIR shows working FIFOs. */
static void linux_detects_a_16550a(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    uart_write(uart, IER, 0);
    assert_int_equal(uart_read(uart, IER) & 0x0f, 0);
    uart_write(uart, IER, 0x0f);
    assert_int_equal(uart_read(uart, IER), 0x0f);
    uart_write(uart, IER, 0);
    uart_write(uart, MCR, LOOP | 0x0a);
    assert_int_equal(uart_read(uart, MSR) & 0xf0, 0x90);
    uart_write(uart, MCR, 0);
    uart_write(uart, LCR, 0xbf);
    uart_write(uart, IIR, 0);
    uart_write(uart, LCR, 0);
    uart_write(uart, FCR, 0x01);
    assert_int_equal(uart_read(uart, IIR) >> 6, 3);
    uart_write(uart, SCR, 0xa5);
    assert_int_equal(uart_read(uart, SCR), 0xa5);
    test_free(uart);
}

/* autoconfig_16550a(): no EFR, no 64-byte FIFO of a 16750, no UUE of an XScale. */
static void linux_finds_no_better_variant(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    uart_write(uart, FCR, 0x01);
    uart_write(uart, LCR, 0x80);
    assert_int_not_equal(uart_read(uart, 2), 0);
    uart_write(uart, LCR, 0xbf);
    assert_int_not_equal(uart_read(uart, 2), 0);
    uart_write(uart, LCR, 0);
    uart_write(uart, FCR, 0x21);
    assert_int_equal(uart_read(uart, IIR) >> 5, 6);
    uart_write(uart, IER, 0x40);
    assert_int_equal(uart_read(uart, IER), 0);
    test_free(uart);
}

/* size_fifo() */
static void the_fifo_measures_16_bytes_in_loopback(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    uart_write(uart, FCR, 0x07);
    uart_write(uart, MCR, LOOP);
    for (unsigned i = 0; i < 256; i++)
        uart_write(uart, DATA, (uint8_t)i);
    unsigned count = 0;
    while ((uart_read(uart, LSR) & 1) && count < 256)
        assert_int_equal(uart_read(uart, DATA), count++);
    assert_int_equal(count, 16);
    assert_int_equal(uart->output_next, 0);
    uart_write(uart, FCR, 0);
    uart_write(uart, DATA, 1);
    uart_write(uart, DATA, 2);
    assert_int_equal(uart_read(uart, DATA), 1);
    assert_int_equal(uart_read(uart, LSR), 0x60);
    test_free(uart);
}

/* serial8250_do_startup(): enabling THRI twice must raise THRE twice, or Linux falls back to a timer. */
static void linux_trusts_the_thre_interrupt(void **state)
{
    (void)state;
    struct uart *uart = opened();
    for (int i = 0; i < 2; i++) {
        uart_write(uart, IER, 0x02);
        assert_true(uart_edge(uart));
        assert_int_equal(uart_read(uart, IIR) & 0x0f, 0x02);
        assert_int_equal(uart_read(uart, IIR) & 0x0f, 0x01);
        uart_write(uart, IER, 0);
        assert_false(uart_edge(uart));
    }
    test_free(uart);
}

static void each_transmission_raises_one_edge(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uart_write(uart, IER, 0x02);
    assert_true(uart_edge(uart));
    assert_false(uart_edge(uart));
    uart_read(uart, IIR);
    assert_false(uart_edge(uart));
    uart_write(uart, DATA, 'x');
    assert_true(uart_edge(uart));
    test_free(uart);
}

/* The driver's handler: until IIR says none, 16 bytes per round. Returns how many rounds it took. */
static unsigned handle_interrupt(struct uart *uart, bool *edge)
{
    unsigned rounds = 0;
    while (!(uart_read(uart, IIR) & 1)) {
        *edge |= uart_edge(uart);
        for (int i = 0; i < 16; i++) {
            uart_write(uart, DATA, 'x');
            *edge |= uart_edge(uart);
        }
        rounds++;
        assert_true(rounds < 512);
    }
    *edge |= uart_edge(uart);
    return rounds;
}

static void endless_output_ends_the_handler_and_calls_it_again(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uart_write(uart, IER, 0x02);
    bool edge = uart_edge(uart);
    for (int i = 0; i < 10; i++) {
        assert_true(edge);
        edge = false;
        assert_true(handle_interrupt(uart, &edge) >= 16);
    }
    test_free(uart);
}

static void input_interrupts_and_reads_in_order(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uart_write(uart, IER, 0x05);
    assert_int_equal(type(uart, "ab"), 2);
    assert_true(uart_edge(uart));
    assert_int_equal(uart_read(uart, IIR), 0xcc); /* below the trigger level: timeout */
    assert_int_equal(uart_read(uart, LSR), 0x61);
    assert_int_equal(uart_read(uart, DATA), 'a');
    assert_int_equal(uart_read(uart, DATA), 'b');
    assert_int_equal(uart_read(uart, LSR), 0x60);
    assert_false(uart_edge(uart));
    assert_int_equal(uart_read(uart, IIR), 0xc1);
    assert_int_equal(uart_read(uart, DATA), 0);
    assert_int_equal(type(uart, "0123456789"), 10);
    assert_true(uart_edge(uart));
    assert_int_equal(uart_read(uart, IIR), 0xc4);
    test_free(uart);
}

static void received_data_comes_before_thre(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uart_write(uart, IER, 0x03);
    type(uart, "a");
    assert_int_equal(uart_read(uart, IIR), 0xcc);
    uart_read(uart, DATA);
    assert_int_equal(uart_read(uart, IIR), 0xc2);
    assert_int_equal(uart_read(uart, IIR), 0xc1);
    test_free(uart);
}

static void out2_gates_the_line(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uart_write(uart, MCR, 3);
    uart_write(uart, IER, 0x02);
    assert_false(uart_edge(uart));
    uart_write(uart, MCR, OUT2);
    assert_true(uart_edge(uart));
    uart_write(uart, MCR, OUT2 | LOOP);
    assert_false(uart_edge(uart));
    test_free(uart);
}

static void modem_lines_are_asserted(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    assert_int_equal(uart_read(uart, MSR), 0xb0);
    uart_write(uart, MSR, 0xff);
    uart_write(uart, LSR, 0xff);
    assert_int_equal(uart_read(uart, MSR), 0xb0);
    assert_int_equal(uart_read(uart, LSR), 0x60);
    test_free(uart);
}

static void input_that_does_not_fit_stays_with_the_caller(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uint8_t bytes[UART_INPUT_BYTES + 1];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(uart_input(uart, bytes, 1000), 1000);
    assert_int_equal(uart_input(uart, bytes + 1000, sizeof(bytes) - 1000), UART_INPUT_BYTES - 1000);
    assert_int_equal(uart_input(uart, bytes, 1), 0);
    for (size_t i = 0; i < UART_INPUT_BYTES; i++)
        assert_int_equal(uart_read(uart, DATA), (uint8_t)i);
    type(uart, "again"); /* from the start of the buffer */
    for (const char *c = "again"; *c; c++)
        assert_int_equal(uart_read(uart, DATA), *c);
    uart_write(uart, MCR, LOOP);
    assert_int_equal(uart_input(uart, bytes, 1), 0);
    test_free(uart);
}

static void clearing_the_fifo_drops_input(void **state)
{
    (void)state;
    struct uart *uart = opened();
    type(uart, "a");
    uart_write(uart, FCR, 0x03);
    assert_int_equal(uart_read(uart, LSR), 0x60);
    type(uart, "b");
    uart_write(uart, FCR, 0x00);
    assert_int_equal(uart_read(uart, LSR), 0x60);
    assert_int_equal(uart_read(uart, IIR), 0x01);
    test_free(uart);
}

static void output_is_read_by_absolute_offset(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    for (const char *c = "hello"; *c; c++)
        uart_write(uart, DATA, (uint8_t)*c);
    uint8_t bytes[8] = {0};
    uint64_t offset = 1;
    assert_int_equal(uart_output(uart, &offset, bytes, 3), 3);
    assert_memory_equal(bytes, "ell", 3);
    assert_int_equal(offset, 1);
    offset = 5;
    assert_int_equal(uart_output(uart, &offset, bytes, 8), 0);
    offset = UINT64_MAX;
    assert_int_equal(uart_output(uart, &offset, bytes, 8), 0);
    test_free(uart);
}

static void the_oldest_output_gives_way(void **state)
{
    (void)state;
    struct uart *uart = fresh();
    for (unsigned i = 0; i < UART_OUTPUT_BYTES + 100; i++)
        uart_write(uart, DATA, (uint8_t)(i % 251));
    assert_int_equal(uart_output_first(uart), 100);
    uint8_t *bytes = test_malloc(UART_OUTPUT_BYTES + 1);
    uint64_t offset = 0;
    assert_int_equal(uart_output(uart, &offset, bytes, UART_OUTPUT_BYTES + 1), UART_OUTPUT_BYTES);
    assert_int_equal(offset, 100);
    for (unsigned i = 0; i < UART_OUTPUT_BYTES; i++)
        assert_int_equal(bytes[i], (uint8_t)((i + 100) % 251));
    test_free(bytes);
    test_free(uart);
}

static void reset_keeps_output_and_drops_input(void **state)
{
    (void)state;
    struct uart *uart = opened();
    uart_write(uart, DATA, 'x');
    type(uart, "y");
    uart_reset(uart);
    assert_int_equal(uart->output_next, 1);
    assert_int_equal(uart->output[0], 'x');
    assert_int_equal(uart_read(uart, LSR), 0x60);
    assert_int_equal(uart_read(uart, IIR), 0x01);
    assert_false(uart_edge(uart));
    test_free(uart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divisor_latch_hides_data_and_ier),
        cmocka_unit_test(linux_detects_a_16550a),
        cmocka_unit_test(linux_finds_no_better_variant),
        cmocka_unit_test(the_fifo_measures_16_bytes_in_loopback),
        cmocka_unit_test(linux_trusts_the_thre_interrupt),
        cmocka_unit_test(each_transmission_raises_one_edge),
        cmocka_unit_test(endless_output_ends_the_handler_and_calls_it_again),
        cmocka_unit_test(input_interrupts_and_reads_in_order),
        cmocka_unit_test(received_data_comes_before_thre),
        cmocka_unit_test(out2_gates_the_line),
        cmocka_unit_test(modem_lines_are_asserted),
        cmocka_unit_test(input_that_does_not_fit_stays_with_the_caller),
        cmocka_unit_test(clearing_the_fifo_drops_input),
        cmocka_unit_test(output_is_read_by_absolute_offset),
        cmocka_unit_test(the_oldest_output_gives_way),
        cmocka_unit_test(reset_keeps_output_and_drops_input),
    };
    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
