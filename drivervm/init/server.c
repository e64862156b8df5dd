/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <string.h>
#include <sys/utsname.h>

#include "functions.h"
#include "power.h"
#include "switch.h"

/* What a handler gives back beside its payload. */
struct verdict {
    enum rpc_status status;
    int error; /* errno where the kernel refused, else 0 */
};

static struct verdict of_kernel(int error)
{
    return error ? (struct verdict){RPC_E_KERNEL, -error} : (struct verdict){RPC_OK, 0};
}

static struct verdict hello(const void *request, void *answer)
{
    (void)request;
    struct rpc_hello *hello = answer;
    struct utsname system;
    if (uname(&system) == 0) {
        strncpy(hello->kernel, system.release, sizeof hello->kernel - 1);
    }
    hello->function_count = functions_count();
    hello->nic_count = switch_nic_count();
    return (struct verdict){RPC_OK, 0};
}

static struct verdict function(const void *request, void *answer)
{
    const struct rpc_index *index = request;
    return (struct verdict){functions_describe(index->index, answer) ? RPC_OK : RPC_E_RANGE, 0};
}

static struct verdict nic(const void *request, void *answer)
{
    const struct rpc_index *index = request;
    return (struct verdict){switch_describe_nic(index->index, answer) ? RPC_OK : RPC_E_RANGE, 0};
}

static struct verdict set_uplink(const void *request, void *answer)
{
    (void)answer;
    const struct rpc_uplink *uplink = request;
    const int error = switch_set_uplink(uplink->slot, uplink->mac);
    return error == -SWITCH_NO_PORT ? (struct verdict){RPC_E_NO_PORT, 0} : of_kernel(error);
}

static struct verdict set_jack(const void *request, void *answer)
{
    (void)answer;
    const struct rpc_jack *jack = request;
    if (jack->in_bridge > 1) {
        return (struct verdict){RPC_E_RANGE, 0};
    }
    const int error = switch_set_jack(jack->slot, jack->in_bridge == 1, jack->features);
    return error == -SWITCH_NO_PORT ? (struct verdict){RPC_E_NO_PORT, 0} : of_kernel(error);
}

static struct verdict end(const void *request, void *answer)
{
    (void)request;
    (void)answer;
    power_off_soon();
    return (struct verdict){RPC_OK, 0};
}

static const struct {
    uint16_t request_bytes, answer_bytes;
    struct verdict (*handle)(const void *request, void *answer);
} requests[RPC_TYPE_COUNT] = {
    [RPC_HELLO] = {0, sizeof(struct rpc_hello), hello},
    [RPC_FUNCTION] = {sizeof(struct rpc_index), sizeof(struct rpc_function), function},
    [RPC_NIC] = {sizeof(struct rpc_index), sizeof(struct rpc_nic), nic},
    [RPC_SET_UPLINK] = {sizeof(struct rpc_uplink), 0, set_uplink},
    [RPC_SET_JACK] = {sizeof(struct rpc_jack), 0, set_jack},
    [RPC_POWER_OFF] = {0, 0, end},
};

static struct verdict serve(const struct rpc_header *header, const void *payload, void *answer)
{
    if (header->version != RPC_VERSION) {
        return (struct verdict){RPC_E_VERSION, 0};
    }
    if (header->type >= RPC_TYPE_COUNT || !requests[header->type].handle) {
        return (struct verdict){RPC_E_TYPE, 0};
    }
    if (header->bytes != requests[header->type].request_bytes) {
        return (struct verdict){RPC_E_SIZE, 0};
    }
    return requests[header->type].handle(payload, answer);
}

size_t server_answer(const struct frame *request, struct frame *answer)
{
    /* A payload's structures want to lie aligned; the frame's header keeps them only at 4. */
    _Alignas(uint64_t) uint8_t asked[RPC_MAX_BYTES] = {0}, told[RPC_MAX_BYTES] = {0};
    memcpy(asked, request->payload, request->header.bytes);
    const struct verdict verdict = serve(&request->header, asked, told);

    *answer = (struct frame){.header = {.type = request->header.type,
                                        .sequence = request->header.sequence,
                                        .status = (uint16_t)verdict.status,
                                        .detail = (uint16_t)verdict.error}};
    if (verdict.status == RPC_OK) {
        answer->header.bytes = requests[request->header.type].answer_bytes;
        memcpy(answer->payload, told, answer->header.bytes);
    }
    return frame_seal(answer);
}

size_t server_changed(struct frame *frame)
{
    *frame = (struct frame){.header = {.type = RPC_CHANGED}};
    return frame_seal(frame);
}
