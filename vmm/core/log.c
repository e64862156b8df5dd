/* SPDX-License-Identifier: MIT */

#include "core/core.h"

static char ring[LOG_BYTES];
static uint64_t ring_next;
static struct spinlock ring_lock;
static bool panicking;

static void append(const char *text, size_t count) {
    bool locked = !__atomic_load_n(&panicking, __ATOMIC_SEQ_CST); /* then all others are stopped, perhaps inside */
    if (locked) { spin_lock(&ring_lock); }
    for (size_t i = 0; i < count; i++) { ring[ring_next++ % LOG_BYTES] = text[i]; }
    if (locked) { spin_unlock(&ring_lock); }
    console_write(text, count);
}

static void format_line(char *line, size_t bytes, const char *prefix, const char *format, va_list arguments) {
    text_copy(line, prefix, bytes);
    size_t used = strlen(line);
    used += text_format(line + used, bytes - used - 1, format, arguments);
    line[used] = '\n';
    append(line, used + 1);
}

void log_line(const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, "vmm: ", format, arguments);
    va_end(arguments);
    event_post(MULLION_EVENT_LOG);
}

void log_fatal(const char *format, ...) {
    char line[400];
    va_list arguments;
    interrupts_disable();
    while (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST)) { /* another CPU was first and stops this one */
    }
    smp_halt_others();
    console_panic();
    va_start(arguments, format);
    format_line(line, sizeof line, "\nvmm: FATAL: ", format, arguments);
    va_end(arguments);
    append("vmm: stopped\n", 13);
    for (;;) { __asm__ volatile("cli; hlt"); }
}

size_t log_read(uint64_t *offset, uint8_t *bytes, size_t count) {
    size_t copied = 0;
    spin_lock(&ring_lock);
    uint64_t first = ring_next > LOG_BYTES ? ring_next - LOG_BYTES : 0;
    if (*offset < first || *offset > ring_next) { *offset = first; }
    for (; copied < count && *offset + copied < ring_next; copied++) {
        bytes[copied] = (uint8_t)ring[(*offset + copied) % LOG_BYTES];
    }
    spin_unlock(&ring_lock);
    return copied;
}
