/* SPDX-License-Identifier: MIT */
/* Frames of mullion/driver_rpc.h: found in a stream of bytes that may hold anything, and made. */
#ifndef DRIVERVM_FRAME_H
#define DRIVERVM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mullion/driver_rpc.h"

struct frame {
    struct rpc_header header;
    uint8_t payload[RPC_MAX_BYTES];
};
_Static_assert(sizeof(struct frame) == sizeof(struct rpc_header) + RPC_MAX_BYTES,
               "a frame is what is on the wire");

/** Bytes that came and are not yet a frame. Starts as zero. */
struct frame_reader {
    uint8_t bytes[sizeof(struct frame)];
    size_t used;
};

/** Takes as many of `count` bytes as there is room for; there is room for one at least after frame_next()
 * said no.
 * @return how many were taken */
size_t frame_feed(struct frame_reader *reader, const uint8_t *bytes, size_t count);

/** Takes the next whole frame with a right checksum out of the reader; what cannot begin one is thrown away.
 * Version and type are for the caller to judge.
 * @return false: more bytes are needed */
bool frame_next(struct frame_reader *reader, struct frame *frame);

/** Completes the header of a frame whose type, sequence, status, detail and bytes are set.
 * @return bytes to send, from the frame's beginning */
size_t frame_seal(struct frame *frame);

#endif
