/* SPDX-License-Identifier: MIT */
#include "net/probe.h"

#include <string.h>

#define PROBES      3u
#define INTERVAL_MS 100u

/* An ARP packet for Ethernet and IPv4 behind its Ethernet header: RFC 826. */
enum arp {
    ETHERNET_TYPE = 12,
    ARP_FIXED = 14,
    ARP_OPERATION = 20,
    ARP_SENDER_MAC = 22,
    ARP_SENDER_IP = 28,
    ARP_TARGET_IP = 38,
    ARP_END = 42,
};

static const uint8_t type_arp[2] = {0x08, 0x06};
static const uint8_t fixed[6] = {0, 1, 0x08, 0, 6, 4}; /* Ethernet, IPv4, lengths of their addresses */

void probe_start(struct probe *probe, const uint8_t mac[6], const uint8_t address[4], uint64_t now_ms)
{
    *probe = (struct probe){.state = PROBE_ASKING, .next_ms = now_ms};
    memcpy(probe->mac, mac, sizeof(probe->mac));
    memcpy(probe->address, address, sizeof(probe->address));
}

static void write_question(const struct probe *probe, uint8_t frame[PROBE_FRAME_BYTES])
{
    memset(frame, 0, PROBE_FRAME_BYTES);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, probe->mac, 6);
    memcpy(frame + ETHERNET_TYPE, type_arp, sizeof(type_arp));
    memcpy(frame + ARP_FIXED, fixed, sizeof(fixed));
    frame[ARP_OPERATION + 1] = 1; /* request; a sender of 0.0.0.0 makes it a probe */
    memcpy(frame + ARP_SENDER_MAC, probe->mac, 6);
    memcpy(frame + ARP_TARGET_IP, probe->address, 4);
}

bool probe_turn(struct probe *probe, uint64_t now_ms, uint8_t frame[PROBE_FRAME_BYTES])
{
    if (probe->state != PROBE_ASKING || now_ms < probe->next_ms) {
        return false;
    }
    if (probe->asked == PROBES) {
        probe->state = PROBE_FREE;
        return false;
    }
    probe->asked++;
    probe->next_ms = now_ms + INTERVAL_MS;
    write_question(probe, frame);
    return true;
}

bool probe_hears(struct probe *probe, const uint8_t *frame, size_t bytes)
{
    static const uint8_t nobody[4];
    if (probe->state == PROBE_IDLE || bytes < ARP_END ||
        memcmp(frame + ETHERNET_TYPE, type_arp, sizeof(type_arp)) != 0 ||
        memcmp(frame + ARP_FIXED, fixed, sizeof(fixed)) != 0 ||
        memcmp(frame + ARP_SENDER_MAC, probe->mac, 6) == 0) {
        return false;
    }
    bool uses = memcmp(frame + ARP_SENDER_IP, probe->address, 4) == 0;
    bool probes = memcmp(frame + ARP_SENDER_IP, nobody, 4) == 0 &&
                  memcmp(frame + ARP_TARGET_IP, probe->address, 4) == 0;
    if (!uses && !(probes && probe->state == PROBE_ASKING)) {
        return false;
    }
    memcpy(probe->other, frame + ARP_SENDER_MAC, sizeof(probe->other));
    probe->state = probe->state == PROBE_ASKING ? PROBE_TAKEN : probe->state;
    return true;
}

uint64_t probe_deadline(const struct probe *probe)
{
    return probe->state == PROBE_ASKING ? probe->next_ms : PROBE_NEVER;
}
