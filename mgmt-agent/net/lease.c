/* SPDX-License-Identifier: MIT */
#include "net/lease.h"

#include <string.h>

#define ETHERNET_BYTES 14u
#define IP_MIN_BYTES   20u
#define IP_SOURCE      12u
#define UDP_BYTES      8u
#define PROTOCOL_UDP   17u
#define SERVER_PORT    67u
#define CLIENT_PORT    68u
#define FRAGMENT_BITS  0x3fffu /* more fragments, and the offset */
#define MIN_LEASE_S    60u
#define MAX_PREFIX     30u
#define MIN_PREFIX     8u
#define OPTION_KINDS   256u
#define DHCP_OFFER     2u
#define DHCP_ACK       5u
#define OVERLOAD_FILE  1u
#define OVERLOAD_NAME  2u

/* Places in a DHCP message. */
enum message {
    MESSAGE_OPERATION = 0,
    MESSAGE_EXCHANGE = 4,
    MESSAGE_YOUR_ADDRESS = 16,
    MESSAGE_HARDWARE = 28,
    MESSAGE_NAME = 44,
    MESSAGE_FILE = 108,
    MESSAGE_MAGIC = 236,
    MESSAGE_OPTIONS = 240,
};

enum option {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_LEASE_TIME = 51,
    OPTION_OVERLOAD = 52,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_END = 255,
};

struct options {
    const uint8_t *value[OPTION_KINDS];
    uint8_t bytes[OPTION_KINDS];
    bool twice, cut;
};

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- from the frame to the options ---- */

/* The UDP payload of a frame from a DHCP server's port to a client's; NULL: it is something else. A message
 * in fragments could not be seen whole here, and is cut off with them: see lease_check(). */
static const uint8_t *payload_of(const uint8_t *frame, size_t frame_bytes, size_t *bytes, bool *fragment,
                                 uint8_t sender[4])
{
    *fragment = false;
    if (frame_bytes < ETHERNET_BYTES + IP_MIN_BYTES + UDP_BYTES || read16(frame + 12) != 0x0800) {
        return NULL;
    }
    const uint8_t *ip = frame + ETHERNET_BYTES;
    size_t head = (size_t)(ip[0] & 15) * 4;
    size_t total = read16(ip + 2);
    if (ip[0] >> 4 != 4 || ip[9] != PROTOCOL_UDP || head < IP_MIN_BYTES ||
        total > frame_bytes - ETHERNET_BYTES || total < head + UDP_BYTES) {
        return NULL;
    }
    const uint8_t *udp = ip + head;
    *fragment = (read16(ip + 6) & FRAGMENT_BITS) != 0;
    if (*fragment || read16(udp) != SERVER_PORT || read16(udp + 2) != CLIENT_PORT) {
        return NULL;
    }
    memcpy(sender, ip + IP_SOURCE, 4);
    *bytes = total - head - UDP_BYTES;
    return udp + UDP_BYTES;
}

static void read_options(const uint8_t *at, const uint8_t *end, struct options *options)
{
    while (at < end && *at != OPTION_END) {
        if (*at == OPTION_PAD) {
            at++;
            continue;
        }
        if (end - at < 2 || end - at - 2 < at[1]) {
            options->cut = true;
            return;
        }
        options->twice = options->twice || options->value[*at] != NULL;
        options->value[*at] = at + 2;
        options->bytes[*at] = at[1];
        at += 2 + at[1];
    }
}

static bool has(const struct options *options, enum option kind, uint8_t bytes)
{
    return options->value[kind] != NULL && options->bytes[kind] == bytes;
}

static void read_all(const uint8_t *message, size_t bytes, struct options *options)
{
    memset(options, 0, sizeof(*options));
    read_options(message + MESSAGE_OPTIONS, message + bytes, options);
    uint8_t overload = has(options, OPTION_OVERLOAD, 1) ? *options->value[OPTION_OVERLOAD] : 0;
    if ((overload & OVERLOAD_FILE) != 0) {
        read_options(message + MESSAGE_FILE, message + MESSAGE_MAGIC, options);
    }
    if ((overload & OVERLOAD_NAME) != 0) {
        read_options(message + MESSAGE_NAME, message + MESSAGE_FILE, options);
    }
}

/* ---- judgement ---- */

static uint32_t mask_of(unsigned prefix)
{
    return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

/* @return the prefix's length, 0 if ones and zeros are mixed */
static uint8_t prefix_of(uint32_t mask)
{
    for (uint8_t prefix = MIN_PREFIX; prefix <= MAX_PREFIX; prefix++) {
        if (mask == mask_of(prefix)) {
            return prefix;
        }
    }
    return 0;
}

static bool is_station(uint32_t address, uint32_t mask)
{
    return (address & ~mask) != 0 && (address & ~mask) != ~mask;
}

const char *lease_address_problem(const uint8_t address[4], unsigned prefix, const uint8_t *gateway)
{
    uint32_t ip = read32(address);
    if (prefix < MIN_PREFIX || prefix > MAX_PREFIX) {
        return "the subnet mask makes no sense";
    }
    uint32_t mask = mask_of(prefix);
    if (address[0] == 0 || address[0] == 127 || address[0] >= 224) {
        return "the address is none that a station can have";
    }
    if (!is_station(ip, mask)) {
        return "the address is the network's own or its broadcast address";
    }
    if (gateway == NULL) {
        return NULL;
    }
    uint32_t router = read32(gateway);
    if ((router & mask) != (ip & mask) || !is_station(router, mask)) {
        return "the gateway lies outside the network";
    }
    return router == ip ? "the gateway has the same address" : NULL;
}

static const char *judge(const uint8_t *message, const struct options *options, struct lease *lease)
{
    memcpy(lease->address, message + MESSAGE_YOUR_ADDRESS, 4);
    if (options->cut || options->twice) {
        return options->cut ? "an option is cut off" : "an option is there twice";
    }
    if (!has(options, OPTION_SERVER, 4) || !has(options, OPTION_MASK, 4)) {
        return "it names no subnet mask or no server";
    }
    if (!has(options, OPTION_LEASE_TIME, 4) || read32(options->value[OPTION_LEASE_TIME]) < MIN_LEASE_S) {
        return "the lease is shorter than a minute";
    }
    lease->prefix = prefix_of(read32(options->value[OPTION_MASK]));
    uint8_t router_bytes = options->bytes[OPTION_ROUTER];
    lease->has_gateway = options->value[OPTION_ROUTER] != NULL;
    if (lease->has_gateway && (router_bytes == 0 || router_bytes % 4 != 0)) {
        return "the list of gateways is malformed";
    }
    if (lease->has_gateway) {
        memcpy(lease->gateway, options->value[OPTION_ROUTER], 4);
    }
    return lease_address_problem(lease->address, lease->prefix, lease->has_gateway ? lease->gateway : NULL);
}

enum lease_verdict lease_check(const uint8_t *frame, size_t bytes, const uint8_t mac[6], struct lease *lease)
{
    static struct options options;
    size_t message_bytes;
    *lease = (struct lease){.why = NULL};
    const uint8_t *message = payload_of(frame, bytes, &message_bytes, &lease->is_fragment, lease->server);
    if (lease->is_fragment) { /* nothing that the agent speaks over UDP needs them */
        return LEASE_REFUSED;
    }
    if (message == NULL || message_bytes < MESSAGE_OPTIONS ||
        memcmp(message + MESSAGE_HARDWARE, mac, 6) != 0) {
        return LEASE_NONE;
    }
    read_all(message, message_bytes, &options);
    uint8_t type = has(&options, OPTION_TYPE, 1) ? *options.value[OPTION_TYPE] : 0;
    if (type != DHCP_OFFER && type != DHCP_ACK) {
        return LEASE_NONE;
    }
    lease->is_offer = type == DHCP_OFFER;
    lease->exchange = read32(message + MESSAGE_EXCHANGE);
    lease->why = judge(message, &options, lease);
    return lease->why != NULL ? LEASE_REFUSED : LEASE_GOOD;
}
