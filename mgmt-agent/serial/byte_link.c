/* SPDX-License-Identifier: MIT */
#include "serial/byte_link.h"

#include <stdlib.h>
#include <string.h>

#include "os/os.h"

#define DLE         0x10
#define GRANTED     '+'
#define ENDED       '.'
#define IN_BYTES    BYTE_LINK_WINDOW
#define OUT_BYTES   4096u /* half of it is for a payload that is all DLE */
#define PIECE_BYTES 256u
#define PIECES      8u /* twice what the VMM holds */
#define SOURCE      UINT64_MAX

#define CONTROL_BYTES 2u

static struct {
    byte_link_accept *accept; /* NULL: no byte link */
    struct stream *client;    /* NULL: no connection */
    uint64_t offset;          /* of the next byte to come */
    bool escaped;             /* the last byte was DLE */
    char begun;               /* number of the connection that the client has yet to be told of, 0: none */
    bool ended;               /* the same for its end */
    size_t taken;             /* bytes since the last grant */
    size_t in_used, out_used;
    char in[IN_BYTES], out[OUT_BYTES];
} wire;

static void out_flush(void)
{
    while (wire.out_used > 0) {
        struct mullion_buffer request = {
            .id = MULLION_HOST_BYTE_LINK, .gpa = os_gpa(wire.out), .bytes = (uint32_t)wire.out_used};
        if (os_hypercall(MULLION_CALL_HOST_CONSOLE_WRITE, &request) != 0 || request.bytes == 0 ||
            request.bytes > wire.out_used) {
            return;
        }
        wire.out_used -= request.bytes;
        memmove(wire.out, wire.out + request.bytes, wire.out_used);
    }
}

static void control_put(char code)
{
    wire.out[wire.out_used++] = DLE;
    wire.out[wire.out_used++] = code;
}

/* Grants follow what the server has read, so a client that it does not read from stops. */
static void grants_put(void)
{
    bool wanted = wire.client != NULL && wire.in_used == 0;
    while (wanted && wire.taken >= BYTE_LINK_GRANT && wire.out_used + 2 * CONTROL_BYTES <= OUT_BYTES) {
        control_put(GRANTED);
        wire.taken -= BYTE_LINK_GRANT;
    }
}

bool byte_link_send(void)
{
    out_flush();
    if (wire.out_used == 0) {
        if (wire.begun != 0) {
            control_put(wire.begun);
            wire.begun = 0;
        }
        grants_put();
        if (wire.ended) {
            control_put(ENDED);
            wire.ended = false;
        }
        out_flush();
    }
    return wire.out_used > 0;
}

/* ---- the stream of the connection; one whose client has begun another is at its end ---- */

static long read_(struct stream *stream, void *to, size_t room)
{
    if (stream != wire.client) {
        return STREAM_END;
    }
    size_t bytes = room < wire.in_used ? room : wire.in_used;
    memcpy(to, wire.in, bytes);
    wire.in_used -= bytes;
    memmove(wire.in, wire.in + bytes, wire.in_used);
    return (long)bytes;
}

static long write_(struct stream *stream, const void *from, size_t bytes)
{
    const char *data = from;
    size_t done = 0;
    if (stream != wire.client) {
        return STREAM_END;
    }
    if (byte_link_send()) {
        return 0;
    }
    for (; done < bytes && done < OUT_BYTES / 2; done++) {
        if (data[done] == DLE) {
            wire.out[wire.out_used++] = DLE;
        }
        wire.out[wire.out_used++] = data[done];
    }
    return (long)done;
}

static void flush(struct stream *stream)
{
    (void)stream;
    out_flush();
}

static void finish(struct stream *stream)
{
    wire.ended = wire.ended || stream == wire.client;
}

static void connection_end(void)
{
    wire.client = NULL;
    wire.in_used = 0;
    wire.ended = true;
}

static void close_(struct stream *stream, bool abort)
{
    (void)abort;
    if (stream == wire.client) {
        connection_end();
    }
    free(stream);
}

static void keep(struct stream *stream)
{
    (void)stream;
}

static const struct stream_operations operations = {
    .read = read_, .write = write_, .flush = flush, .finish = finish, .close = close_, .keep = keep};

/* ---- what comes over the wire ---- */

static void connection_begin(char number)
{
    struct stream *stream = malloc(sizeof(*stream));
    connection_end();
    wire.begun = number;
    wire.taken = 0;
    if (stream != NULL) {
        *stream = (struct stream){.operations = &operations, .source = SOURCE};
        wire.client = stream;
        wire.ended = false;
        wire.accept(stream);
    }
}

static void payload_take(char c)
{
    if (wire.client == NULL) {
        return;
    }
    if (wire.in_used == IN_BYTES) {
        connection_end(); /* it does not wait for grants */
        return;
    }
    wire.in[wire.in_used++] = c;
    wire.client->heard = true;
}

static void byte_take(char c)
{
    bool escaped = wire.escaped;
    wire.taken++;
    wire.escaped = c == DLE && !escaped;
    if (wire.client != NULL && wire.taken > IN_BYTES + BYTE_LINK_GRANT) {
        connection_end(); /* it does not wait for grants: what it sends need not be payload */
    }
    if (escaped && c >= '0' && c <= '9') {
        connection_begin(c);
    } else if (escaped ? c == DLE : c != DLE) {
        payload_take(c);
    }
}

/* @return bytes that came, 0 also if there is no byte link */
static size_t piece_read(char piece[PIECE_BYTES])
{
    struct mullion_buffer request = {
        .id = MULLION_HOST_BYTE_LINK, .gpa = os_gpa(piece), .bytes = PIECE_BYTES};
    if (os_hypercall(MULLION_CALL_HOST_CONSOLE_READ, &request) != 0 || request.bytes > PIECE_BYTES) {
        return 0;
    }
    if (request.offset != wire.offset) {
        connection_end(); /* some of it was lost */
    }
    wire.offset = request.offset + request.bytes;
    return request.bytes;
}

void byte_link_receive(void)
{
    static char piece[PIECE_BYTES];
    size_t bytes = PIECE_BYTES;
    for (unsigned i = 0; wire.accept != NULL && i < PIECES && bytes == PIECE_BYTES; i++) {
        bytes = piece_read(piece);
        for (size_t at = 0; at < bytes; at++) {
            byte_take(piece[at]);
        }
    }
}

void byte_link_start(byte_link_accept *accept)
{
    struct mullion_buffer nothing = {.id = MULLION_HOST_BYTE_LINK, .gpa = os_gpa(wire.out), .bytes = 1};
    if (os_hypercall(MULLION_CALL_HOST_CONSOLE_READ, &nothing) == 0) {
        memset(&wire, 0, sizeof(wire));
        wire.accept = accept;
        wire.offset = nothing.offset + nothing.bytes;
    }
}

bool byte_link_listens(void)
{
    return wire.accept != NULL;
}
