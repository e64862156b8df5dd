/* SPDX-License-Identifier: MIT */
/* What the driver VM's tests share. */
#ifndef DRIVERVM_TEST_H
#define DRIVERVM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "init/frame.h"

/** Bytes of a request as the agent sends it. */
static inline size_t request_of(struct frame *frame, uint8_t type, const void *payload, uint16_t bytes)
{
    *frame = (struct frame){.header = {.type = type, .sequence = 7, .bytes = bytes}};
    if (bytes > 0) {
        memcpy(frame->payload, payload, bytes);
    }
    return frame_seal(frame);
}

#endif
