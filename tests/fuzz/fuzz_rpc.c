/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as answers of the driver VM: no access outside of anything, and what is taken over is in its
 * ranges. The first byte of each piece says what it is: raw bytes, or the payload of a well-formed answer to
 * the request at hand.
 */
#include <stdlib.h>
#include <string.h>

#include "driver/client.h"
#include "driver/uplink.h"
#include "store/crc32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct client client;

static void check_text(const char *text, size_t size)
{
    if (memchr(text, 0, size) == NULL) {
        abort();
    }
    for (; *text != 0; text++) {
        if (*text < ' ' || *text > '~') {
            abort();
        }
    }
}

static void check(void)
{
    if (client.function_count > CLIENT_MAX_FUNCTIONS || client.nic_count > CLIENT_MAX_NICS ||
        client.functions_read > CLIENT_MAX_FUNCTIONS || client.nics_read > CLIENT_MAX_NICS) {
        abort();
    }
    check_text(client.kernel, sizeof(client.kernel));
    for (unsigned i = 0; i < CLIENT_MAX_NICS; i++) {
        const struct rpc_nic *nic = &client.nics[i];
        if (nic->slot >= MACHINE_SLOTS || nic->carrier > 1 || nic->in_bridge > 1) {
            abort();
        }
        check_text(nic->name, sizeof(nic->name));
        check_text(nic->driver, sizeof(nic->driver));
    }
    for (unsigned i = 0; i < CLIENT_MAX_FUNCTIONS; i++) {
        if (client.functions[i].slot >= MACHINE_SLOTS) {
            abort();
        }
        check_text(client.functions[i].reason, sizeof(client.functions[i].reason));
        check_text(client.functions[i].driver, sizeof(client.functions[i].driver));
    }
}

/* Sends the request that is due, as the caller does. */
static void send_all(uint64_t now_ms)
{
    if (client_step(&client, now_ms)) {
        client.out_sent = client.out_bytes;
    }
}

/* A frame around the payload that the checks of frames do not refuse. */
static void answer(uint8_t status, const uint8_t *payload, size_t bytes, uint64_t now_ms)
{
    uint8_t frame[RPC_FRAME_BYTES];
    struct rpc_header header;
    bytes = bytes < RPC_MAX_BYTES ? bytes : RPC_MAX_BYTES;
    size_t total = rpc_write(frame, client.asked, client.sequence, payload, bytes);
    memcpy(&header, frame, sizeof(header));
    header.status = status;
    header.crc32 = 0;
    memcpy(frame, &header, sizeof(header));
    header.crc32 = crc32_add(0, frame, total);
    memcpy(frame, &header, sizeof(header));
    client_take(&client, frame, total, now_ms);
}

static void uplink_check(uint64_t now_ms)
{
    static struct uplink uplink;
    struct site site = {.dhcp = true};
    struct uplink_view view = {.site = &site, .now_ms = now_ms};
    const struct rpc_nic *nic = uplink_choose(&uplink, &view, &client);
    if (nic != NULL && (nic < client.nics || nic >= client.nics + client.nics_read || nic->slot == 0)) {
        abort();
    }
    client_set_uplink(&client, nic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t now_ms = 1;
    memset(&client, 0, sizeof(client));
    client_set_jack(&client, 8, 1);
    client_begin(&client, now_ms, 1000);
    while (size >= 2 && !client_is_lost(&client, now_ms)) {
        size_t bytes = data[1] < size - 2 ? data[1] : size - 2;
        send_all(now_ms);
        if (data[0] % 4 == 0) {
            client_take(&client, data + 2, bytes, now_ms);
        } else {
            answer(data[0] % 4 == 1 ? RPC_OK : data[0] / 4, data + 2, bytes, now_ms);
        }
        check();
        uplink_check(now_ms);
        now_ms += data[0];
        data += bytes + 2;
        size -= bytes + 2;
    }
    return 0;
}
