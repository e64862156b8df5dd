/* SPDX-License-Identifier: MIT */
/* Frames of mullion/driver_rpc.h in a stream of bytes that may hold anything. */
#ifndef DRIVER_RPC_H
#define DRIVER_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mullion/driver_rpc.h"

#define RPC_FRAME_BYTES (sizeof(struct rpc_header) + RPC_MAX_BYTES)

/** A frame whose magic, version, size and checksum are right; nothing else of it has been looked at. */
struct rpc_frame {
    struct rpc_header header;
    uint8_t payload[RPC_MAX_BYTES];
};

/** What came in and is no whole frame yet. Zero-initialise it. */
struct rpc_stream {
    uint8_t held[RPC_FRAME_BYTES];
    size_t used;
    uint64_t skipped_bytes; /* that belonged to no frame */
};

/** Writes a request of at most RPC_MAX_BYTES payload. @return its size */
size_t rpc_write(uint8_t to[RPC_FRAME_BYTES], enum rpc_type type, uint32_t sequence, const void *payload,
                 size_t bytes);

/** Takes in bytes. @return how many: fewer if there is a frame to fetch first */
size_t rpc_feed(struct rpc_stream *stream, const uint8_t *data, size_t bytes);

/** Fetches the next frame. @return false if more bytes are needed */
bool rpc_next(struct rpc_stream *stream, struct rpc_frame *frame);

#endif
