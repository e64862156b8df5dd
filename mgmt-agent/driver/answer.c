/* SPDX-License-Identifier: MIT */
#include "driver/answer.h"

#include <string.h>

#include "driver/client.h"

#define MAX_SPEED_MBPS 10000000u
#define MULTICAST      1u

bool answer_has_status(const struct rpc_frame *frame)
{
    return frame->header.status < RPC_STATUS_COUNT;
}

bool answer_is_change(const struct rpc_frame *frame)
{
    return frame->header.type == RPC_CHANGED && frame->header.sequence == 0 && frame->header.bytes == 0;
}

bool answer_is_empty(const struct rpc_frame *frame)
{
    return frame->header.bytes == 0;
}

/* Printable ASCII, terminated within its field, and nothing behind the end: it is shown to operators. */
static bool text_is_good(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    if (length == size) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool copy(const struct rpc_frame *frame, void *to, size_t size)
{
    memset(to, 0, size);
    if (frame->header.status != RPC_OK || frame->header.bytes != size) {
        return false;
    }
    memcpy(to, frame->payload, size);
    return true;
}

static bool keep_if(bool good, void *to, size_t size)
{
    if (!good) {
        memset(to, 0, size);
    }
    return good;
}

static bool slot_is_good(uint32_t slot)
{
    return slot >= 1 && slot < MACHINE_SLOTS;
}

bool answer_hello(const struct rpc_frame *frame, struct rpc_hello *to)
{
    bool good = copy(frame, to, sizeof(*to)) && text_is_good(to->kernel, sizeof(to->kernel));
    to->function_count =
        to->function_count < CLIENT_MAX_FUNCTIONS ? to->function_count : CLIENT_MAX_FUNCTIONS;
    to->nic_count = to->nic_count < CLIENT_MAX_NICS ? to->nic_count : CLIENT_MAX_NICS;
    return keep_if(good, to, sizeof(*to));
}

bool answer_function(const struct rpc_frame *frame, struct rpc_function *to)
{
    bool good = copy(frame, to, sizeof(*to)) && slot_is_good(to->slot) && to->class_code <= 0xffffff &&
                text_is_good(to->driver, sizeof(to->driver)) && text_is_good(to->reason, sizeof(to->reason));
    return keep_if(good, to, sizeof(*to));
}

bool answer_nic(const struct rpc_frame *frame, struct rpc_nic *to)
{
    bool good = copy(frame, to, sizeof(*to)) && slot_is_good(to->slot) && to->in_bridge <= 1 &&
                to->carrier <= 1 && to->speed_mbps <= MAX_SPEED_MBPS && (to->mac[0] & MULTICAST) == 0 &&
                text_is_good(to->driver, sizeof(to->driver)) && text_is_good(to->name, sizeof(to->name));
    return keep_if(good, to, sizeof(*to));
}
