/* SPDX-License-Identifier: MIT */
/* Names and MAC addresses that stay the same over reboots and differ between boxes. */
#ifndef MODEL_IDENTITY_H
#define MODEL_IDENTITY_H

#include <stdint.h>

#include "model/address.h"
#include "store/state.h"

/** What all of it derives from. */
enum identity_source {
    IDENTITY_NONE = 0, /* not known yet */
    IDENTITY_UUID,     /* the SMBIOS UUID */
    IDENTITY_NIC,      /* the first network port's MAC address, for the UUID is blank */
    IDENTITY_FIXED,    /* neither is there: two such boxes on one network have the same addresses */
};

/** @return what the addresses derive from, for people: "the box's UUID" ... */
const char *identity_words(enum identity_source source);

/** Takes the UUID from the words of the site module's line, "uuid=..."; IDENTITY_NONE if it is blank or
 * missing. */
enum identity_source identity_from_words(const char *words, uint8_t seed[STATE_SEED_BYTES]);

/** Takes a port's MAC address. */
enum identity_source identity_from_mac(const uint8_t mac[ADDRESS_MAC_BYTES], uint8_t seed[STATE_SEED_BYTES]);

/** The MAC address of port `index` of the partition with this name: 02: and 40 bits of a hash. */
void identity_mac(const uint8_t seed[STATE_SEED_BYTES], const char *name, unsigned index,
                  uint8_t mac[ADDRESS_MAC_BYTES]);

/** The box's host name, if its site gives none that can be one: "mullion-1a2b3c". */
void identity_host_name(const uint8_t seed[STATE_SEED_BYTES], const char *site_name, char *name,
                        unsigned size);

#endif
