/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <string.h>

static uint32_t crc32_more(uint32_t crc, const void *data, size_t count)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
        }
    }
    return crc;
}

static uint32_t frame_crc(const struct frame *frame)
{
    struct rpc_header header = frame->header;
    header.crc32 = 0;
    const uint32_t crc = crc32_more(~0u, &header, sizeof header);
    return ~crc32_more(crc, frame->payload, header.bytes);
}

size_t frame_seal(struct frame *frame)
{
    frame->header.magic = RPC_MAGIC;
    frame->header.version = RPC_VERSION;
    frame->header.crc32 = frame_crc(frame);
    return sizeof frame->header + frame->header.bytes;
}

size_t frame_feed(struct frame_reader *reader, const uint8_t *bytes, size_t count)
{
    const size_t room = sizeof reader->bytes - reader->used;
    const size_t taken = count < room ? count : room;
    memcpy(reader->bytes + reader->used, bytes, taken);
    reader->used += taken;
    return taken;
}

static void drop(struct frame_reader *reader, size_t count)
{
    reader->used -= count;
    memmove(reader->bytes, reader->bytes + count, reader->used);
}

/* Leaves at the reader's beginning the magic, or as much of it as has come. */
static void seek_magic(struct frame_reader *reader)
{
    const uint32_t magic = RPC_MAGIC;
    size_t at = 0;
    for (; at < reader->used; at++) {
        const size_t left = reader->used - at;
        if (memcmp(reader->bytes + at, &magic, left < sizeof magic ? left : sizeof magic) == 0) {
            break;
        }
    }
    drop(reader, at);
}

bool frame_next(struct frame_reader *reader, struct frame *frame)
{
    for (;;) {
        seek_magic(reader);
        if (reader->used < sizeof frame->header) {
            return false;
        }
        memcpy(&frame->header, reader->bytes, sizeof frame->header);
        const size_t bytes = sizeof frame->header + frame->header.bytes;
        if (frame->header.bytes <= RPC_MAX_BYTES) {
            if (reader->used < bytes) {
                return false;
            }
            memcpy(frame->payload, reader->bytes + sizeof frame->header, frame->header.bytes);
            if (frame->header.crc32 == frame_crc(frame)) {
                drop(reader, bytes);
                return true;
            }
        }
        drop(reader, 1);
    }
}
