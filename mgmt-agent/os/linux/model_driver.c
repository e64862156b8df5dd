/* SPDX-License-Identifier: MIT */
/* The driver VM of the model: answers the agent's requests as the real one does, from a list of made-up
 * ports. */
#include <stdio.h>
#include <string.h>

#include "driver/rpc.h"
#include "os/linux/model_internal.h"
#include "store/crc32.h"

#define FIRST_FUNCTION_SLOT 42u

static struct model_driver driver;
static struct rpc_stream stream;

struct model_driver *model_driver(void)
{
    return &driver;
}

void driver_boot(void)
{
    driver = (struct model_driver){.nic_count = 1, .carrier_mask = 1};
    stream = (struct rpc_stream){.used = 0};
}

static void answer(const struct rpc_frame *request, enum rpc_status status, const void *payload, size_t bytes)
{
    uint8_t frame[RPC_FRAME_BYTES];
    size_t size =
        rpc_write(frame, (enum rpc_type)request->header.type, request->header.sequence, payload, bytes);
    struct rpc_header header;
    memcpy(&header, frame, sizeof(header));
    header.status = (uint16_t)status;
    header.crc32 = 0;
    memcpy(frame, &header, sizeof(header));
    header.crc32 = crc32_add(0, frame, size);
    memcpy(frame, &header, sizeof(header));
    model_driver_write(frame, size);
    driver.requests++;
}

static void answer_hello(const struct rpc_frame *request)
{
    struct rpc_hello hello = {
        .function_count = driver.nic_count, .nic_count = driver.nic_count, .kernel = "6.12-model"};
    answer(request, RPC_OK, &hello, sizeof(hello));
}

static void answer_function(const struct rpc_frame *request)
{
    struct rpc_index index;
    memcpy(&index, request->payload, sizeof(index));
    struct rpc_function function = {.slot = FIRST_FUNCTION_SLOT + index.index,
                                    .vendor = 0x1af4,
                                    .device = 0x1041,
                                    .class_code = 0x020000,
                                    .driver = "virtio-pci"};
    bool known = index.index < driver.nic_count;
    answer(request, known ? RPC_OK : RPC_E_RANGE, &function, known ? sizeof(function) : 0);
}

static void answer_nic(const struct rpc_frame *request)
{
    struct rpc_index index;
    memcpy(&index, request->payload, sizeof(index));
    struct rpc_nic nic = {.slot = FIRST_FUNCTION_SLOT + index.index,
                          .carrier = driver.carrier_mask >> index.index & 1,
                          .speed_mbps = 1000,
                          .mac = {0x52, 0x54, 0, 0x12, 0x34, (uint8_t)index.index},
                          .driver = "virtio_net"};
    nic.in_bridge = nic.slot == driver.uplink_slot ? 1 : 0;
    snprintf(nic.name, sizeof(nic.name), "eth%u", index.index);
    bool known = index.index < driver.nic_count;
    answer(request, known ? RPC_OK : RPC_E_RANGE, &nic, known ? sizeof(nic) : 0);
}

static void answer_request(const struct rpc_frame *request)
{
    struct rpc_jack jack;
    struct rpc_uplink uplink;
    switch (request->header.type) {
    case RPC_HELLO:
        answer_hello(request);
        return;
    case RPC_FUNCTION:
        answer_function(request);
        return;
    case RPC_NIC:
        answer_nic(request);
        return;
    case RPC_SET_UPLINK:
        memcpy(&uplink, request->payload, sizeof(uplink));
        driver.uplink_slot = uplink.slot;
        break;
    case RPC_SET_JACK:
        if (driver.refuses_jacks) {
            answer(request, RPC_E_KERNEL, NULL, 0);
            return;
        }
        memcpy(&jack, request->payload, sizeof(jack));
        driver.jack_features[jack.slot % MACHINE_SLOTS] = jack.features;
        break;
    case RPC_POWER_OFF:
        answer(request, RPC_OK, NULL, 0);
        model_end_partition(model_sharer(), MULLION_REASON_POWER_OFF, 0);
        return;
    }
    answer(request, RPC_OK, NULL, 0);
}

void driver_serve(void)
{
    uint8_t data[RPC_FRAME_BYTES];
    struct rpc_frame request;
    size_t bytes = model_driver_read(data, sizeof(data));
    rpc_feed(&stream, data, bytes);
    while (!driver.silent && rpc_next(&stream, &request)) {
        answer_request(&request);
    }
}
