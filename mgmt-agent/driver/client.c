/* SPDX-License-Identifier: MIT */
#include "driver/client.h"

#include <string.h>

#include "driver/answer.h"

#define ANSWER_MS    20000u /* so long may an answer take on a busy box */
#define HEARTBEAT_MS 10000u
#define AGAIN_MS     2000u
#define BAD_LIMIT    8u

void client_begin(struct client *client, uint64_t now_ms, uint64_t patience_ms)
{
    uint32_t sequence = client->sequence;
    struct rpc_uplink uplink = client->uplink;
    struct client_jack jacks[MACHINE_SLOTS];
    memcpy(jacks, client->jacks, sizeof(jacks));
    memset(client, 0, sizeof(*client));
    client->sequence = sequence;
    client->uplink = uplink;
    for (unsigned i = 0; i < MACHINE_SLOTS; i++) {
        if (jacks[i].state != JACK_UNUSED) {
            client_set_jack(client, i, jacks[i].features);
        }
    }
    client->greet = true;
    client->deadline_ms = now_ms + patience_ms;
}

/* ---- requests
 * ---------------------------------------------------------------------------------------------------- */

static void ask(struct client *client, enum rpc_type type, uint32_t index, const void *payload, size_t bytes)
{
    client->sequence = client->sequence == UINT32_MAX ? 1 : client->sequence + 1;
    client->out_bytes = rpc_write(client->out, type, client->sequence, payload, bytes);
    client->out_sent = 0;
    client->asked = type;
    client->asked_index = index;
}

static void ask_jack(struct client *client, uint32_t slot)
{
    struct rpc_jack jack = {.slot = slot, .in_bridge = 1, .features = client->jacks[slot].features};
    ask(client, RPC_SET_JACK, slot, &jack, sizeof(jack));
}

static uint32_t jack_to_tell(const struct client *client)
{
    for (uint32_t slot = 0; slot < MACHINE_SLOTS; slot++) {
        if (client->jacks[slot].state == JACK_TO_TELL) {
            return slot;
        }
    }
    return MACHINE_SLOTS;
}

static void ask_index(struct client *client, enum rpc_type type, uint32_t index)
{
    struct rpc_index wanted = {.index = index};
    ask(client, type, index, &wanted, sizeof(wanted));
}

static bool uplink_differs(const struct client *client)
{
    return !client->uplink_refused &&
           memcmp(&client->uplink, &client->uplink_told, sizeof(client->uplink)) != 0;
}

/* The most urgent request; jacks come before what is only read, because a guest waits for its link. */
static void choose(struct client *client)
{
    uint32_t jack = jack_to_tell(client);
    if (client->greet) {
        ask(client, RPC_HELLO, 0, NULL, 0);
    } else if (client->power_off) {
        ask(client, RPC_POWER_OFF, 0, NULL, 0);
    } else if (jack < MACHINE_SLOTS) {
        ask_jack(client, jack);
    } else if (uplink_differs(client)) {
        ask(client, RPC_SET_UPLINK, 0, &client->uplink, sizeof(client->uplink));
    } else if (client->nics_read < client->nic_count) {
        ask_index(client, RPC_NIC, client->nics_read);
    } else if (client->functions_read < client->function_count) {
        ask_index(client, RPC_FUNCTION, client->functions_read);
    }
}

static void beat(struct client *client)
{
    client->greet = true;
    client->uplink_refused = false;
    for (unsigned i = 0; i < MACHINE_SLOTS; i++) {
        if (client->jacks[i].state == JACK_REFUSED) {
            client->jacks[i].state = JACK_TO_TELL;
        }
    }
}

/* The same frame once more, so that the answer to either is good. */
static void ask_again(struct client *client, uint64_t now_ms)
{
    client->out_sent = 0;
    client->again_ms = now_ms + AGAIN_MS;
}

bool client_step(struct client *client, uint64_t now_ms)
{
    if (client->asked == 0 && client->greeted && now_ms >= client->heartbeat_ms) {
        beat(client);
    }
    if (client->asked == 0) {
        choose(client);
        if (client->asked != 0 && client->greeted) {
            client->deadline_ms = now_ms + ANSWER_MS;
        }
        client->again_ms = now_ms + AGAIN_MS;
    } else if (client->out_sent == client->out_bytes && now_ms >= client->again_ms) {
        ask_again(client, now_ms);
    }
    return client->out_sent < client->out_bytes;
}

bool client_is_lost(const struct client *client, uint64_t now_ms)
{
    bool waiting = client->asked != 0 || !client->greeted;
    return (waiting && now_ms >= client->deadline_ms) || client->bad_in_a_row >= BAD_LIMIT;
}

bool client_has_listed(const struct client *client)
{
    return client->greeted && client->nics_read == client->nic_count &&
           (client->nic_count > 0 || client->functions_read == client->function_count);
}

uint64_t client_deadline(const struct client *client)
{
    bool waiting = client->asked != 0 || !client->greeted;
    bool sent = client->out_sent == client->out_bytes; /* else the port's next event is waited for */
    uint64_t next = sent && client->again_ms < client->deadline_ms ? client->again_ms : client->deadline_ms;
    return waiting ? next : client->heartbeat_ms;
}

void client_set_jack(struct client *client, uint32_t slot, uint64_t features)
{
    client->jacks[slot] = (struct client_jack){.state = JACK_TO_TELL, .features = features};
}

void client_clear_jack(struct client *client, uint32_t slot)
{
    client->jacks[slot] = (struct client_jack){.state = JACK_UNUSED};
}

void client_set_uplink(struct client *client, const struct rpc_nic *nic)
{
    memset(&client->uplink, 0, sizeof(client->uplink));
    if (nic != NULL) {
        client->uplink.slot = nic->slot;
        memcpy(client->uplink.mac, nic->mac, sizeof(nic->mac));
    }
    client->uplink_refused = false;
}

bool client_uplink_is_cut(const struct client *client)
{
    for (uint32_t i = 0; i < client->nics_read; i++) {
        const struct rpc_nic *nic = &client->nics[i];
        if (memcmp(nic->mac, client->uplink.mac, sizeof(nic->mac)) == 0) {
            return nic->carrier == 0;
        }
    }
    return false;
}

/* ---- answers: false if they make no sense
 * ------------------------------------------------------------------------ */

/* An index past the end is no nonsense: the list has become shorter meanwhile. */
static bool is_past_end(const struct rpc_frame *frame)
{
    return frame->header.status == RPC_E_RANGE && answer_is_empty(frame);
}

static bool take_hello(struct client *client, const struct rpc_frame *frame)
{
    struct rpc_hello hello;
    if (!answer_hello(frame, &hello)) {
        return false;
    }
    client->function_count = hello.function_count;
    client->nic_count = hello.nic_count;
    client->functions_read = 0;
    client->nics_read = 0;
    memcpy(client->kernel, hello.kernel, sizeof(client->kernel));
    client->greeted = true;
    client->greetings++;
    client->greet = false;
    return true;
}

static bool take_function(struct client *client, const struct rpc_frame *frame)
{
    struct rpc_function *function = &client->functions[client->asked_index];
    bool good = answer_function(frame, function) || is_past_end(frame);
    client->functions_read = client->asked_index + 1;
    return good;
}

static bool take_nic(struct client *client, const struct rpc_frame *frame)
{
    bool good = answer_nic(frame, &client->nics[client->asked_index]) || is_past_end(frame);
    client->nics_read = client->asked_index + 1;
    client->passes += client->nics_read == client->nic_count ? 1 : 0;
    return good;
}

static bool take_uplink(struct client *client, const struct rpc_frame *frame)
{
    client->uplink_refused = frame->header.status != RPC_OK;
    if (!client->uplink_refused) {
        /* What was asked, which need not be what is wanted by now. */
        memcpy(&client->uplink_told, client->out + sizeof(struct rpc_header), sizeof(client->uplink_told));
    }
    return answer_is_empty(frame);
}

static bool take_jack(struct client *client, const struct rpc_frame *frame)
{
    struct rpc_jack asked;
    struct client_jack *jack = &client->jacks[client->asked_index];
    memcpy(&asked, client->out + sizeof(struct rpc_header), sizeof(asked));
    if (jack->state == JACK_TO_TELL && jack->features == asked.features) {
        jack->state = frame->header.status == RPC_OK ? JACK_CONFIRMED : JACK_REFUSED;
        jack->status = frame->header.status;
        jack->detail = frame->header.detail;
    }
    return answer_is_empty(frame);
}

static bool take_power_off(struct client *client, const struct rpc_frame *frame)
{
    client->power_off = false;
    return answer_is_empty(frame);
}

static bool take_answer(struct client *client, const struct rpc_frame *frame)
{
    static bool (*const takers[RPC_TYPE_COUNT])(struct client *, const struct rpc_frame *) = {
        [RPC_HELLO] = take_hello,       [RPC_FUNCTION] = take_function, [RPC_NIC] = take_nic,
        [RPC_SET_UPLINK] = take_uplink, [RPC_SET_JACK] = take_jack,     [RPC_POWER_OFF] = take_power_off,
    };
    return takers[client->asked](client, frame);
}

/* An answer to an older request is no fault: it was sent again, or an agent before this one had asked. */
static bool is_late(const struct client *client, const struct rpc_frame *frame)
{
    return client->sequence - frame->header.sequence <= UINT32_MAX / 2;
}

static void take_frame(struct client *client, const struct rpc_frame *frame, uint64_t now_ms)
{
    bool whole = client->out_sent == client->out_bytes;
    if (answer_is_change(frame)) {
        client->heartbeat_ms = now_ms;
        client->again_ms = client->greeted ? client->again_ms : now_ms; /* it is up now */
    } else if (client->asked != 0 && whole && frame->header.type == (uint8_t)client->asked &&
               frame->header.sequence == client->sequence) {
        bool good = answer_has_status(frame) && take_answer(client, frame);
        client->bad_in_a_row = good ? 0 : client->bad_in_a_row + 1;
        client->bad_frames += good ? 0 : 1;
        client->heartbeat_ms =
            client->asked == RPC_HELLO && good ? now_ms + HEARTBEAT_MS : client->heartbeat_ms;
        client->asked = 0;
    } else {
        client->bad_frames += is_late(client, frame) ? 0 : 1;
    }
}

void client_take(struct client *client, const uint8_t *data, size_t bytes, uint64_t now_ms)
{
    struct rpc_frame frame;
    while (bytes > 0) {
        size_t taken = rpc_feed(&client->stream, data, bytes);
        data += taken;
        bytes -= taken;
        while (rpc_next(&client->stream, &frame)) {
            take_frame(client, &frame, now_ms);
        }
    }
}
