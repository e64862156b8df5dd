/* SPDX-License-Identifier: MIT */
#ifndef STORE_CRC32_H
#define STORE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/** @return the CRC-32 of IEEE 802.3 over what `crc` (0 at first) covers already and these bytes */
uint32_t crc32_add(uint32_t crc, const void *data, size_t bytes);

#endif
