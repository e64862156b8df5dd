/* SPDX-License-Identifier: MIT */
#include "ui/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

#define STALL_MS      2000u /* a console that takes nothing for so long is not waited for any more */
#define PIECE_BYTES   1024u
#define CONTROL_U     0x15
#define ESCAPE        0x1b
#define DELETE        0x7f
#define FIRST_VISIBLE 0x20

static uint64_t ticks_per_ms = 1;
static struct mullion_event_wait held; /* events that came while console_write waited */
static bool stalled;                   /* until the console takes something again */
static char line[CONSOLE_LINE_BYTES];
static size_t line_used;
static bool line_done;
static bool after_return; /* the next '\n' belongs to a '\r' */
static enum {
    KEY_PLAIN,
    KEY_ESCAPE,
    KEY_SEQUENCE
} key_state; /* cursor keys send ECMA-48 control sequences */

void console_start(uint64_t tsc_khz)
{
    ticks_per_ms = tsc_khz > 0 ? tsc_khz : 1;
}

static void collect(uint64_t deadline_tsc)
{
    struct mullion_event_wait wait = {.deadline_tsc = deadline_tsc};
    if (os_hypercall(MULLION_CALL_EVENT_WAIT, &wait) == 0) {
        held.events |= wait.events;
        held.state_mask |= wait.state_mask;
        held.console_mask |= wait.console_mask;
        held.port_mask |= wait.port_mask;
    }
}

void console_wait(uint64_t deadline_tsc, struct mullion_event_wait *wait)
{
    bool waiting = (held.events | held.state_mask | held.console_mask | held.port_mask) != 0;
    collect(waiting ? 0 : deadline_tsc);
    *wait = held;
    held = (struct mullion_event_wait){.events = 0};
}

/* Bytes that the VMM took, 0 if its ring is full. */
static size_t write_once(const char *data, size_t bytes)
{
    static char piece[PIECE_BYTES];
    size_t count = bytes < sizeof(piece) ? bytes : sizeof(piece);
    memcpy(piece, data, count);
    struct mullion_buffer request = {.gpa = os_gpa(piece), .bytes = (uint32_t)count};
    return os_hypercall(MULLION_CALL_HOST_CONSOLE_WRITE, &request) == 0 ? request.bytes : 0;
}

void console_write(const char *data, size_t bytes)
{
    uint64_t last_progress = os_tsc();
    while (bytes > 0) {
        size_t moved = write_once(data, bytes);
        data += moved;
        bytes -= moved;
        uint64_t now = os_tsc();
        if (moved > 0) {
            last_progress = now;
            stalled = false;
        } else if (stalled || now - last_progress > STALL_MS * ticks_per_ms) {
            stalled = true;
            return;
        } else {
            collect(now + ticks_per_ms);
        }
    }
}

void console_print(const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0) {
        console_write(text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
    }
}

size_t console_read(char *data, size_t bytes)
{
    static char piece[256];
    size_t wanted = bytes < sizeof(piece) ? bytes : sizeof(piece);
    struct mullion_buffer request = {.gpa = os_gpa(piece), .bytes = (uint32_t)wanted};
    if (os_hypercall(MULLION_CALL_HOST_CONSOLE_READ, &request) != 0 || request.bytes > wanted) {
        return 0;
    }
    memcpy(data, piece, request.bytes);
    return request.bytes;
}

void console_prompt(void)
{
    console_print("%s%.*s", CONSOLE_PROMPT, (int)line_used, line);
}

void console_announce(const char *text)
{
    console_print("\n%s\n", text);
    console_prompt();
}

void console_clear(void)
{
    line_used = 0;
    line_done = false;
}

const char *console_line(void)
{
    line[line_used] = 0;
    return line;
}

static void erase(size_t count)
{
    for (; count > 0 && line_used > 0; count--) {
        line_used--;
        console_write("\b \b", 3);
    }
}

static enum console_action end_of_line(char c)
{
    if (c == '\n' && after_return) {
        after_return = false;
        return CONSOLE_NOTHING;
    }
    after_return = c == '\r';
    line_done = true;
    console_write("\n", 1);
    return CONSOLE_LINE;
}

static enum console_action append(char c)
{
    if (line_used + 1 < sizeof(line)) {
        line[line_used++] = c;
        console_write(&c, 1);
    }
    return line_used == 1 && c >= '1' && c <= '9' ? CONSOLE_DIGIT : CONSOLE_NOTHING;
}

/* True while `c` belongs to an escape sequence, which is left out. */
static bool in_sequence(char c)
{
    switch (key_state) {
    case KEY_PLAIN:
        key_state = c == ESCAPE ? KEY_ESCAPE : KEY_PLAIN;
        return c == ESCAPE;
    case KEY_ESCAPE:
        key_state = c == '[' || c == 'O' ? KEY_SEQUENCE : KEY_PLAIN;
        return true;
    case KEY_SEQUENCE:
        key_state = c >= '@' && c <= '~' ? KEY_PLAIN : KEY_SEQUENCE;
        return true;
    }
    return false;
}

enum console_action console_type(char c)
{
    if (in_sequence(c)) {
        return CONSOLE_NOTHING;
    }
    if (line_done) {
        console_clear();
    }
    if (c == '\r' || c == '\n') {
        return end_of_line(c);
    }
    after_return = false;
    if (c == '\b' || c == DELETE) {
        erase(1);
    } else if (c == CONTROL_U) {
        erase(line_used);
    } else if ((unsigned char)c >= FIRST_VISIBLE && (unsigned char)c < DELETE) {
        return append(c);
    }
    return CONSOLE_NOTHING;
}
