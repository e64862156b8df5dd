/* SPDX-License-Identifier: MIT */
/* The hostile guest's console: a polled 16550, a small printf, lines typed by the test. */
#include "hostile.h"
#include "mullion/machine.h"
#include <stdarg.h>

#define LSR            (MACHINE_PORT_UART + 5)
#define LSR_DATA_READY 0x01u
#define LSR_THR_EMPTY  0x20u
#define POLL_NS        5000000u

static const char *row_name = "none";

static void put(char c)
{
    while ((port_in8(LSR) & LSR_THR_EMPTY) == 0) {
    }
    port_out8(MACHINE_PORT_UART, (uint8_t)c);
}

static void put_text(const char *text)
{
    while (*text != '\0') {
        if (*text == '\n') {
            put('\r');
        }
        put(*text++);
    }
}

static void put_number(uint64_t value, unsigned base)
{
    char digits[21];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_text(digits + at);
}

/* %s, %d (int, >= -1 in practice), %u, %lu, %x, %lx: what the rows use. */
static void print_list(const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            const char text[2] = {*format, '\0'};
            put_text(text);
            continue;
        }
        const bool wide = *++format == 'l';
        format += wide ? 1 : 0;
        if (*format == 's') {
            put_text(va_arg(arguments, const char *));
        } else if (*format == 'd') {
            const int value = va_arg(arguments, int);
            put_text(value < 0 ? "-" : "");
            put_number((uint64_t)(value < 0 ? -(int64_t)value : value), 10);
        } else {
            const uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(value, *format == 'x' ? 16 : 10);
        }
    }
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_list(format, arguments);
    va_end(arguments);
}

void console_start_row(const char *name)
{
    row_name = name;
    print("ROW %s start\n", name);
}

void report(const char *verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print("ROW %s %s ", row_name, verdict);
    print_list(format, arguments);
    print("\n");
    va_end(arguments);
}

static char get(void)
{
    while ((port_in8(LSR) & LSR_DATA_READY) == 0) {
        timer_sleep(POLL_NS);
    }
    return (char)port_in8(MACHINE_PORT_UART);
}

void console_read_line(char *line, size_t bytes)
{
    size_t count = 0;
    for (char c = get(); c != '\r' && c != '\n'; c = get()) {
        if (c >= ' ' && count + 1 < bytes) {
            line[count++] = c;
        }
    }
    line[count] = '\0';
}
