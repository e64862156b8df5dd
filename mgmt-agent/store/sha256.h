/* SPDX-License-Identifier: MIT */
#ifndef STORE_SHA256_H
#define STORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u

/** SHA-256 (FIPS 180-4) of up to 1 KiB: for names, not for secrets. */
void sha256(const void *data, size_t bytes, uint8_t digest[SHA256_BYTES]);

#endif
