/* SPDX-License-Identifier: MIT */
/*
 * What the agent may send to the driver VM: any bytes, in pieces of any size, and, since nearly none of those
 * have a right checksum, frames that have. Each piece begins with a byte: below 0x80 that many raw bytes
 * follow; else (less 0x80) that many bytes of payload of a sealed frame, the first of which is its type, too.
 * Every answer has to be a frame.
 */
#include <stdlib.h>
#include <string.h>

#include "init/functions.h"
#include "init/power.h"
#include "init/server.h"
#include "net/switch.h"

uint32_t functions_count(void)
{
    return 1;
}

bool functions_describe(uint32_t index, struct rpc_function *answer)
{
    memset(answer, 0x5a, sizeof *answer);
    return index == 0;
}

uint32_t switch_nic_count(void)
{
    return 1;
}

bool switch_describe_nic(uint32_t index, struct rpc_nic *answer)
{
    memset(answer, 0x5a, sizeof *answer);
    return index == 0;
}

int switch_set_uplink(uint32_t slot, const uint8_t mac[6])
{
    return -(int)(slot & 0x1ffff) - (mac[5] & 1);
}

int switch_set_jack(uint32_t slot, bool in_bridge, uint64_t features)
{
    return -(int)((slot ^ in_bridge ^ features) & 0xff);
}

void power_off_soon(void)
{
}

static void check(bool is_right)
{
    if (!is_right) {
        abort();
    }
}

static void answer_all(struct frame_reader *reader)
{
    struct frame request, answer, again;
    while (frame_next(reader, &request)) {
        check(request.header.bytes <= RPC_MAX_BYTES);
        struct frame_reader agent = {0};
        const size_t bytes = server_answer(&request, &answer);
        check(frame_feed(&agent, (const uint8_t *)&answer, bytes) == bytes);
        check(frame_next(&agent, &again) && agent.used == 0);
        check(again.header.status < RPC_STATUS_COUNT && again.header.sequence == request.header.sequence);
    }
    check(reader->used < sizeof reader->bytes);
}

static void send(struct frame_reader *reader, const void *data, size_t count)
{
    const uint8_t *bytes = data;
    while (count > 0) {
        const size_t taken = frame_feed(reader, bytes, count);
        check(taken > 0);
        answer_all(reader);
        bytes += taken;
        count -= taken;
    }
}

static void send_sealed(struct frame_reader *reader, const uint8_t *data, uint16_t count)
{
    struct frame frame = {.header = {.type = count > 0 ? data[0] : 0, .bytes = count, .sequence = count}};
    memcpy(frame.payload, data, count);
    send(reader, &frame, frame_seal(&frame));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_reader reader = {0};
    while (size > 0) {
        const bool is_sealed = data[0] & 0x80;
        size_t count = data[0] & 0x7f;
        data++;
        size--;
        count = count < size ? count : size;
        if (is_sealed) {
            send_sealed(&reader, data, (uint16_t)count);
        } else {
            send(&reader, data, count);
        }
        data += count;
        size -= count;
    }
    return 0;
}
