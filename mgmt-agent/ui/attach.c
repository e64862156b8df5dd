/* SPDX-License-Identifier: MIT */
#include "ui/attach.h"

#include <stdio.h>
#include <string.h>

#include "os/os.h"
#include "ui/console.h"

#define PIECE_BYTES  4096u
#define TAIL_BYTES   512u
#define TYPED_BYTES  1024u
#define DRAIN_PIECES 8u /* twice the 16 KiB that the VMM holds */
#define ESCAPE       0x1b

static struct partition *attached;
static uint64_t offset; /* of the next byte of the guest's output */
static char typed[TYPED_BYTES];
static size_t typed_used;
static bool held_return; /* a '\r' whose next byte is not known yet */

struct partition *attach_partition(void)
{
    return attached;
}

/* Reads output from *from on; moves it past what was read. */
static size_t output_read(uint32_t id, uint64_t *from, char *data, size_t bytes)
{
    struct mullion_buffer request = {
        .id = id, .offset = *from, .gpa = os_gpa(data), .bytes = (uint32_t)bytes};
    if (os_hypercall(MULLION_CALL_CONSOLE_READ, &request) != 0 || request.bytes > bytes) {
        return 0;
    }
    if (request.bytes > 0) {
        *from = request.offset + request.bytes;
    }
    return request.bytes;
}

/* The last bytes of the output. */
static size_t tail_read(const struct partition *p, char data[TAIL_BYTES], uint64_t *from)
{
    struct mullion_partition_info info = {.id = p->id};
    if (p->id == 0 || os_hypercall(MULLION_CALL_PARTITION_INFO, &info) != 0) {
        return 0;
    }
    uint64_t held = info.console_next - info.console_first;
    *from = info.console_next - (held < TAIL_BYTES ? held : TAIL_BYTES);
    return held == 0 ? 0 : output_read(p->id, from, data, TAIL_BYTES);
}

/* The host console makes "\r\n" of "\n" itself; a '\r' with anything else behind it moves the cursor. */
static void output_show(const char *data, size_t bytes)
{
    static char shown[2 * PIECE_BYTES];
    size_t kept = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (held_return && data[i] != '\n') {
            shown[kept++] = '\r';
        }
        held_return = data[i] == '\r';
        if (!held_return) {
            shown[kept++] = data[i];
        }
    }
    console_write(shown, kept);
}

/* All output that the VMM still holds, from `offset` on; bounded, for the guest may go on writing. */
static void output_drain(uint32_t id)
{
    static char piece[PIECE_BYTES];
    size_t bytes = sizeof(piece);
    for (unsigned i = 0; i < DRAIN_PIECES && bytes > 0; i++) {
        bytes = output_read(id, &offset, piece, sizeof(piece));
        output_show(piece, bytes);
    }
}

/* What a partition that does not run has left on its console: nothing more will come, so nobody attaches. */
static int remains_show(const struct partition *p)
{
    offset = 0;
    console_print("%s is %s; the last of its console:\n", p->spec->name, machine_phase_name(p->phase));
    output_drain(p->id);
    console_print("\n");
    return 0;
}

int attach_begin(struct partition *p, struct failure *failure)
{
    if (p->id == 0) {
        bool waiting = p->phase == PHASE_WAITING;
        snprintf(failure->text, sizeof(failure->text), "partition \"%s\": cannot be attached: %s",
                 p->spec->name,
                 waiting ? "its memory is still being scrubbed: try again in a moment"
                         : "it does not exist now: `start` it first");
        return -1;
    }
    held_return = false;
    partition_refresh(p);
    if (p->phase != PHASE_RUNNING && p->phase != PHASE_PAUSED) {
        return remains_show(p);
    }
    static char tail[TAIL_BYTES];
    offset = 0;
    size_t bytes = tail_read(p, tail, &offset);
    size_t start = bytes;
    while (start > 0 && tail[start - 1] != '\n') {
        start--;
    }
    attached = p;
    typed_used = 0;
    console_print("attached to %s; Ctrl-] detaches\n", p->spec->name);
    output_show(tail + start, bytes - start);
    return 0;
}

void attach_end(const char *why)
{
    if (attached->phase != PHASE_RUNNING) {
        output_drain(attached->id); /* its last words */
    }
    console_print("\n%s from %s\n", why, attached->spec->name);
    attached = NULL;
}

bool attach_type(const char *data, size_t bytes)
{
    const char *key = memchr(data, ATTACH_DETACH_KEY, bytes);
    size_t count = key != NULL ? (size_t)(key - data) : bytes;
    size_t room = TYPED_BYTES - typed_used;
    count = count < room ? count : room;
    memcpy(typed + typed_used, data, count);
    typed_used += count;
    return key == NULL;
}

static void typed_send(void)
{
    struct mullion_buffer request = {.id = attached->id, .gpa = os_gpa(typed), .bytes = (uint32_t)typed_used};
    if (typed_used == 0) {
        return;
    }
    if (os_hypercall(MULLION_CALL_CONSOLE_WRITE, &request) != 0 || request.bytes > typed_used) {
        typed_used = 0;
        return;
    }
    typed_used -= request.bytes;
    memmove(typed, typed + request.bytes, typed_used);
}

bool attach_pump(void)
{
    static char piece[PIECE_BYTES];
    if (attached == NULL) {
        return false;
    }
    typed_send();
    if (console_is_behind()) { /* the VMM keeps the guest's output until the console has taken what it has */
        return typed_used > 0;
    }
    size_t bytes = output_read(attached->id, &offset, piece, sizeof(piece));
    output_show(piece, bytes);
    return typed_used > 0 || bytes == sizeof(piece);
}

/* Copies visible characters of a line; escape sequences (ECMA-48 CSI) are left out. */
static void visible_copy(const char *from, size_t bytes, char *to, size_t size)
{
    size_t used = 0;
    bool in_sequence = false;
    for (size_t i = 0; i < bytes && used + 1 < size; i++) {
        unsigned char c = (unsigned char)from[i];
        if (in_sequence) {
            in_sequence = !(c >= '@' && c <= '~' && c != '[');
        } else if (c == ESCAPE) {
            in_sequence = true;
        } else if (c >= ' ' && c < 0x7f) {
            to[used++] = (char)c;
        }
    }
    to[used] = 0;
}

void attach_last_line(const struct partition *p, char *line, size_t size)
{
    static char tail[TAIL_BYTES];
    uint64_t from = 0;
    size_t end = tail_read(p, tail, &from);
    line[0] = 0;
    while (end > 0 && line[0] == 0) {
        size_t start = end;
        while (start > 0 && tail[start - 1] != '\n') {
            start--;
        }
        visible_copy(tail + start, end - start, line, size);
        end = start > 0 ? start - 1 : 0;
    }
}
