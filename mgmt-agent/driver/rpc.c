/* SPDX-License-Identifier: MIT */
#include "driver/rpc.h"

#include <string.h>

#include "store/crc32.h"

static uint32_t checksum(const struct rpc_header *header, const uint8_t *payload)
{
    struct rpc_header bare = *header;
    bare.crc32 = 0;
    return crc32_add(crc32_add(0, &bare, sizeof(bare)), payload, bare.bytes);
}

size_t rpc_write(uint8_t to[RPC_FRAME_BYTES], enum rpc_type type, uint32_t sequence, const void *payload,
                 size_t bytes)
{
    struct rpc_header header = {
        .magic = RPC_MAGIC,
        .version = RPC_VERSION,
        .type = (uint8_t)type,
        .bytes = (uint16_t)bytes,
        .sequence = sequence,
    };
    if (bytes > 0) {
        memcpy(to + sizeof(header), payload, bytes);
    }
    header.crc32 = checksum(&header, to + sizeof(header));
    memcpy(to, &header, sizeof(header));
    return sizeof(header) + bytes;
}

size_t rpc_feed(struct rpc_stream *stream, const uint8_t *data, size_t bytes)
{
    size_t room = sizeof(stream->held) - stream->used;
    size_t count = bytes < room ? bytes : room;
    memcpy(stream->held + stream->used, data, count);
    stream->used += count;
    return count;
}

static void drop(struct rpc_stream *stream, size_t bytes)
{
    stream->used -= bytes;
    memmove(stream->held, stream->held + bytes, stream->used);
}

/* Bytes before the first place where a magic begins or may yet begin. */
static size_t before_magic(const struct rpc_stream *stream)
{
    const uint32_t magic = RPC_MAGIC;
    for (size_t at = 0; at < stream->used; at++) {
        size_t left = stream->used - at;
        if (memcmp(stream->held + at, &magic, left < sizeof(magic) ? left : sizeof(magic)) == 0) {
            return at;
        }
    }
    return stream->used;
}

enum verdict {
    INCOMPLETE,
    WRONG,
    WHOLE,
};

static enum verdict judge(const struct rpc_stream *stream, struct rpc_header *header)
{
    if (stream->used < sizeof(*header)) {
        return INCOMPLETE;
    }
    memcpy(header, stream->held, sizeof(*header));
    if (header->version != RPC_VERSION || header->type >= RPC_TYPE_COUNT || header->bytes > RPC_MAX_BYTES) {
        return WRONG;
    }
    if (stream->used < sizeof(*header) + header->bytes) {
        return INCOMPLETE;
    }
    return checksum(header, stream->held + sizeof(*header)) == header->crc32 ? WHOLE : WRONG;
}

bool rpc_next(struct rpc_stream *stream, struct rpc_frame *frame)
{
    for (;;) {
        size_t skipped = before_magic(stream);
        drop(stream, skipped);
        stream->skipped_bytes += skipped;
        switch (judge(stream, &frame->header)) {
        case INCOMPLETE:
            return false;
        case WRONG:
            drop(stream, 1);
            stream->skipped_bytes++;
            break;
        case WHOLE:
            memcpy(frame->payload, stream->held + sizeof(frame->header), frame->header.bytes);
            drop(stream, sizeof(frame->header) + frame->header.bytes);
            return true;
        }
    }
}
