/* SPDX-License-Identifier: MIT */
/* Any frame at the filters in front of lwIP: what passes as a lease is one that a station can have. */
#include <stdlib.h>
#include <string.h>

#include "net/lease.h"
#include "net/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void check(const struct lease *lease, enum lease_verdict verdict)
{
    const uint8_t *gateway = lease->has_gateway ? lease->gateway : NULL;
    if (verdict == LEASE_GOOD &&
        (lease->address[0] == 0 || lease->address[0] == 127 || lease->address[0] >= 224 ||
         lease_address_problem(lease->address, lease->prefix, gateway) != NULL)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t address[4] = {10, 0, 2, 15};
    uint8_t question[PROBE_FRAME_BYTES];
    struct lease lease;
    struct probe probe;
    enum lease_verdict verdict = lease_check(data, size, mac, &lease);
    check(&lease, verdict);
    probe_start(&probe, mac, address, 0);
    probe_turn(&probe, 0, question);
    bool heard = probe_hears(&probe, data, size);
    if (heard != (probe.state == PROBE_TAKEN) || probe_hears(&probe, question, sizeof(question))) {
        abort();
    }
    return 0;
}
