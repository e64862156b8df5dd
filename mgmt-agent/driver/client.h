/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of the protocol to the driver VM: one request at a time, chosen by comparing what is
 * wanted of it with what it has confirmed. Every answer is hostile input. Bytes come and go through the
 * caller, and so does time.
 */
#ifndef DRIVER_CLIENT_H
#define DRIVER_CLIENT_H

#include "driver/rpc.h"
#include "mullion/machine.h"

#define CLIENT_MAX_FUNCTIONS MACHINE_SLOTS
#define CLIENT_MAX_NICS      32u

/** Whether the driver VM has brought a jack to the features wanted of it. */
enum jack_state {
    JACK_UNUSED = 0,
    JACK_TO_TELL,
    JACK_CONFIRMED,
    JACK_LINKED,  /* and the VMM has been told so */
    JACK_REFUSED, /* `status`, `detail` say why; told again with the next heartbeat */
};

struct client_jack {
    enum jack_state state;
    uint64_t features;
    uint16_t status, detail;
};

struct client {
    struct rpc_stream stream;
    uint8_t out[RPC_FRAME_BYTES]; /* the request that is being sent */
    size_t out_bytes, out_sent;
    uint32_t sequence;   /* of the last request */
    enum rpc_type asked; /* 0: nothing is being waited for */
    uint32_t asked_index;
    uint64_t deadline_ms, heartbeat_ms;
    uint64_t again_ms;     /* when the request is sent again: what crosses a link that goes down is lost */
    unsigned bad_in_a_row; /* answers that made no sense */
    uint64_t bad_frames;
    bool greeted;          /* it has answered since it was started */
    bool greet, power_off; /* requests to make */
    char kernel[64];
    uint32_t function_count, nic_count; /* told, within the limits above */
    uint32_t functions_read, nics_read;
    struct rpc_function functions[CLIENT_MAX_FUNCTIONS];
    struct rpc_nic nics[CLIENT_MAX_NICS]; /* slot 0: its answer made no sense */
    unsigned greetings;                   /* answers to RPC_HELLO: the lists are read anew after each */
    unsigned passes;                      /* times that all ports have been read */
    struct client_jack jacks[MACHINE_SLOTS];
    struct rpc_uplink uplink, uplink_told; /* wanted; confirmed */
    bool uplink_refused;
};

/** Begins anew with a driver VM that has just been started, or that an agent before this one knew. */
void client_begin(struct client *client, uint64_t now_ms, uint64_t patience_ms);

/** Prepares the next request if none is under way. @return true if there are bytes to send:
 * out[out_sent..out_bytes) */
bool client_step(struct client *client, uint64_t now_ms);

/** Takes in bytes that the driver VM has sent. */
void client_take(struct client *client, const uint8_t *data, size_t bytes, uint64_t now_ms);

/** @return whether it does not answer in time, or only nonsense */
bool client_is_lost(const struct client *client, uint64_t now_ms);

/** @return whether the ports that it has named are all known */
bool client_has_listed(const struct client *client);

/** @return true if the driver VM says that the uplink's cable is out */
bool client_uplink_is_cut(const struct client *client);

/** @return when client_step or client_is_lost may have something new to say */
uint64_t client_deadline(const struct client *client);

/** Wants a jack to have these features. */
void client_set_jack(struct client *client, uint32_t slot, uint64_t features);

/** Nobody is at the jack any more. */
void client_clear_jack(struct client *client, uint32_t slot);

/** Wants this port, and no other, in the bridge; NULL: none. */
void client_set_uplink(struct client *client, const struct rpc_nic *nic);

#endif
