/* SPDX-License-Identifier: MIT */
#include "ui/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

#define PIECE_BYTES   1024u
#define QUEUE_BYTES   0x20000u /* the longest list, `log`, twice */
#define DRAIN_MS      4u       /* between two looks at a console that takes no more now */
#define STALL_MS      2000u    /* one that takes nothing for so long is looked at seldom */
#define STALLED_MS    500u
#define CONTROL_U     0x15
#define ESCAPE        0x1b
#define DELETE        0x7f
#define FIRST_VISIBLE 0x20

static uint64_t ticks_per_ms = 1;
static struct {
    char bytes[QUEUE_BYTES]; /* a ring: what the console has not taken yet */
    size_t at, used;
    uint64_t dropped; /* bytes that found no room, not told yet */
    uint64_t progress_tsc;
} queue;
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
    queue.at = queue.used = 0;
    queue.dropped = 0;
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

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* @return bytes that found room */
static size_t queue_put(const char *data, size_t bytes)
{
    size_t done = 0;
    while (done < bytes && queue.used < QUEUE_BYTES) {
        size_t end = (queue.at + queue.used) % QUEUE_BYTES;
        size_t piece = smaller(smaller(bytes - done, QUEUE_BYTES - queue.used), QUEUE_BYTES - end);
        memcpy(queue.bytes + end, data + done, piece);
        queue.used += piece;
        done += piece;
    }
    return done;
}

/* Hands on as much as the console takes now. */
static void queue_drain(void)
{
    for (size_t moved = 1; queue.used > 0 && moved > 0;) {
        moved = write_once(queue.bytes + queue.at, smaller(queue.used, QUEUE_BYTES - queue.at));
        queue.at = (queue.at + moved) % QUEUE_BYTES;
        queue.used -= moved;
        queue.progress_tsc = moved > 0 ? os_tsc() : queue.progress_tsc;
    }
}

static void drops_tell(void)
{
    char text[80];
    if (queue.dropped == 0 || queue.used > QUEUE_BYTES / 2) {
        return;
    }
    int length = snprintf(text, sizeof(text), "\n[%llu bytes of output dropped: the console is too slow]\n",
                          (unsigned long long)queue.dropped);
    queue.dropped = 0;
    queue_put(text, (size_t)length);
}

void console_write(const char *data, size_t bytes)
{
    if (queue.used == 0) {
        queue.progress_tsc = os_tsc();
    }
    while (bytes > 0) {
        size_t taken = queue_put(data, bytes);
        data += taken;
        bytes -= taken;
        queue_drain();
        if (queue.used == QUEUE_BYTES) {
            queue.dropped += bytes;
            return;
        }
    }
}

bool console_is_behind(void)
{
    return queue.used > 0;
}

/* When the console is to be looked at again. */
static uint64_t drain_tsc(void)
{
    uint64_t now = os_tsc();
    bool stalled = now - queue.progress_tsc > STALL_MS * ticks_per_ms;
    return queue.used == 0 ? UINT64_MAX : now + (stalled ? STALLED_MS : DRAIN_MS) * ticks_per_ms;
}

void console_wait(uint64_t deadline_tsc, struct mullion_event_wait *wait)
{
    queue_drain();
    drops_tell();
    queue_drain();
    uint64_t drain = drain_tsc();
    *wait = (struct mullion_event_wait){.deadline_tsc = drain < deadline_tsc ? drain : deadline_tsc};
    if (os_hypercall(MULLION_CALL_EVENT_WAIT, wait) != 0) {
        *wait = (struct mullion_event_wait){.events = 0};
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
