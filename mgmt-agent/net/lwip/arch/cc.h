/* SPDX-License-Identifier: MIT */
/* What lwIP wants to know of its surroundings. */
#ifndef LWIP_ARCH_CC_H
#define LWIP_ARCH_CC_H

#include <stdint.h>

void net_library_failed(const char *text);
uint32_t net_random(void);

#define LWIP_PLATFORM_DIAG(text)
#define LWIP_PLATFORM_ASSERT(text) net_library_failed("lwIP: " text)
#define LWIP_RAND()                net_random()
#define LWIP_NO_INTTYPES_H         0
#define LWIP_NO_STDINT_H           0

#endif
