/* SPDX-License-Identifier: MIT */
/*
 * The protocol between the agent and the driver VM, over the byte channel of a console link. The agent asks,
 * the driver VM answers each request once, in order, with the same type and sequence number; RPC_CHANGED
 * alone comes unasked. A frame is a header and at most RPC_MAX_BYTES of payload, little-endian. Whoever reads
 * a frame that does not check skips one byte and looks for the next magic. Neither side trusts the other:
 * every count and index is checked.
 */
#ifndef MULLION_DRIVER_RPC_H
#define MULLION_DRIVER_RPC_H

#include <stdint.h>

#define RPC_MAGIC     0x4c4c554du /* "MULL" */
#define RPC_VERSION   1u
#define RPC_MAX_BYTES 512u

/** What a frame is; the payload of a request, and that of its answer. */
enum rpc_type {
    RPC_HELLO = 1,      /* none: rpc_hello */
    RPC_FUNCTION = 2,   /* rpc_index: rpc_function */
    RPC_NIC = 3,        /* rpc_index: rpc_nic; the box's own ports, without jacks */
    RPC_SET_UPLINK = 4, /* rpc_uplink: none */
    RPC_SET_JACK = 5,   /* rpc_jack: none */
    RPC_POWER_OFF = 6,  /* none: none, then it powers off */
    RPC_CHANGED = 7,    /* unasked, sequence 0, no payload: a carrier or the list of ports has changed */
    RPC_TYPE_COUNT = 8,
};

enum rpc_status {
    RPC_OK = 0,
    RPC_E_VERSION = 1, /* the header's version is not RPC_VERSION */
    RPC_E_TYPE = 2,    /* unknown request */
    RPC_E_SIZE = 3,    /* wrong size of the payload */
    RPC_E_RANGE = 4,   /* index past the end */
    RPC_E_NO_PORT = 5, /* no network port in this slot */
    RPC_E_KERNEL = 6,  /* the kernel refused; rpc_header.detail is its errno */
    RPC_STATUS_COUNT = 7,
};

/** Before each payload. */
struct rpc_header {
    uint32_t magic;
    uint8_t version, type;
    uint16_t bytes;          /* of the payload */
    uint32_t sequence;       /* chosen by the agent; 0 for RPC_CHANGED */
    uint16_t status, detail; /* answers: enum rpc_status, errno; requests: 0 */
    uint32_t crc32;          /* IEEE 802.3, over header (this field 0) and payload */
};

struct rpc_hello {
    uint32_t function_count, nic_count;
    char kernel[64]; /* `uname -r`, zero-terminated, as all text here */
};

struct rpc_index {
    uint32_t index;
};

/** A PCI function of the driver VM's bus that is neither a jack nor the host bridge. */
struct rpc_function {
    uint32_t slot; /* device << 3 | function */
    uint16_t vendor, device;
    uint32_t class_code;
    char driver[32];  /* empty: none is bound */
    char reason[128]; /* why none is bound, or what a bound one misses; empty: all is well */
};

/** A physical network port. */
struct rpc_nic {
    uint32_t slot, in_bridge, carrier, speed_mbps; /* 0 or 1; speed 0 = unknown */
    uint8_t mac[6], zero[2];
    char driver[32], name[16];
    uint64_t received_frames, received_bytes, sent_frames, sent_bytes, dropped;
};

/** The one port that joins the bridge to the outside; any other is taken out first. */
struct rpc_uplink {
    uint32_t slot; /* 0: none */
    uint32_t zero;
    uint8_t mac[6], zero2[2]; /* in case a slot has several ports; 0: the first */
};

/** Brings a jack to the feature set that the partition at its other end has negotiated. */
struct rpc_jack {
    uint32_t slot, in_bridge; /* in_bridge: 0 or 1 */
    uint64_t features;        /* virtio-net feature bits */
};

#endif
