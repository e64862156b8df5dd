/* SPDX-License-Identifier: MIT */
#include "model/identity.h"

#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#define DIGEST_BYTES  32u
#define LOCAL_UNICAST 0x02u
#define LABEL_CHARS   "abcdefghijklmnopqrstuvwxyz0123456789-"

const char *identity_words(enum identity_source source)
{
    static const char *const words[] = {
        [IDENTITY_NONE] = "not known yet: the driver VM has not named a network port",
        [IDENTITY_UUID] = "the box's UUID",
        [IDENTITY_NIC] = "the first network port's MAC address, for the box has no UUID",
        [IDENTITY_FIXED] = "nothing: the box has neither UUID nor network port",
    };
    return (unsigned)source <= IDENTITY_FIXED ? words[source] : "?";
}

/* What boards say that were never given a UUID of their own; the second and third are one number in both byte
 * orders. */
static bool is_blank(const uint8_t uuid[STATE_SEED_BYTES])
{
    static const char *const known[] = {
        "00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "12345678-1234-5678-90ab-cddeefaabbcc", "fefefefe-fefe-fefe-fefe-fefefefefefe"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint8_t other[STATE_SEED_BYTES];
        if (address_read_uuid(known[i], other) && memcmp(uuid, other, sizeof(other)) == 0) {
            return true;
        }
    }
    return false;
}

enum identity_source identity_from_words(const char *words, uint8_t seed[STATE_SEED_BYTES])
{
    static const char key[] = "uuid=";
    if (strncmp(words, key, sizeof(key) - 1) != 0) {
        return IDENTITY_NONE;
    }
    return address_read_uuid(words + sizeof(key) - 1, seed) && !is_blank(seed) ? IDENTITY_UUID
                                                                               : IDENTITY_NONE;
}

enum identity_source identity_from_mac(const uint8_t mac[ADDRESS_MAC_BYTES], uint8_t seed[STATE_SEED_BYTES])
{
    memset(seed, 0, STATE_SEED_BYTES);
    memcpy(seed, mac, ADDRESS_MAC_BYTES);
    return IDENTITY_NIC;
}

/* SHA-256 of seed, name with its end, and number. */
static void digest_make(const uint8_t seed[STATE_SEED_BYTES], const char *name, unsigned index,
                        uint8_t digest[DIGEST_BYTES])
{
    uint8_t text[STATE_SEED_BYTES + MULLION_NAME_BYTES + 1] = {0};
    size_t length = strnlen(name, MULLION_NAME_BYTES - 1) + 1;
    memcpy(text, seed, STATE_SEED_BYTES);
    memcpy(text + STATE_SEED_BYTES, name, length - 1);
    text[STATE_SEED_BYTES + length] = (uint8_t)index;
    mbedtls_sha256(text, STATE_SEED_BYTES + length + 1, digest, 0); /* it cannot fail in software */
}

void identity_mac(const uint8_t seed[STATE_SEED_BYTES], const char *name, unsigned index,
                  uint8_t mac[ADDRESS_MAC_BYTES])
{
    uint8_t digest[DIGEST_BYTES];
    digest_make(seed, name, index, digest);
    mac[0] = LOCAL_UNICAST;
    memcpy(mac + 1, digest, ADDRESS_MAC_BYTES - 1);
}

void identity_host_name(const uint8_t seed[STATE_SEED_BYTES], const char *site_name, char *name,
                        unsigned size)
{
    uint8_t digest[DIGEST_BYTES];
    size_t length = strlen(site_name);
    bool plain = length > 0 && strspn(site_name, LABEL_CHARS) == length;
    if (plain && site_name[0] != '-' && site_name[length - 1] != '-') { /* RFC 1123, 2.1 */
        snprintf(name, size, "%s", site_name);
        return;
    }
    digest_make(seed, "host", 0, digest);
    snprintf(name, size, "mullion-%02x%02x%02x", digest[0], digest[1], digest[2]);
}
