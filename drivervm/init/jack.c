/* SPDX-License-Identifier: MIT */
#include "jack.h"

#include <stdio.h>
#include <stdlib.h>

#include "sysfs.h"

#define VIRTIO_VENDOR     0x1af4u
#define VIRTIO_NET        0x1041u
#define MULLION_SUBSYSTEM 0x0040u
#define SLOTS             256u

static bool is_jack[SLOTS];

static uint64_t number_of(uint32_t slot, const char *attribute)
{
    char path[80];
    snprintf(path, sizeof path, "bus/pci/devices/0000:00:%02x.%x/%s", slot >> 3, slot & 7u, attribute);
    return sysfs_number(path, 0);
}

static bool looks_like_jack(uint32_t slot, uint64_t subsystem)
{
    return number_of(slot, "vendor") == VIRTIO_VENDOR && number_of(slot, "device") == VIRTIO_NET &&
           number_of(slot, "subsystem_vendor") == VIRTIO_VENDOR &&
           number_of(slot, "subsystem_device") == subsystem;
}

void jack_find_all(void)
{
    const char *other = getenv("jack_subsystem");
    const uint64_t subsystem = other ? strtoull(other, NULL, 0) : MULLION_SUBSYSTEM;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        is_jack[slot] = looks_like_jack(slot, subsystem);
    }
}

bool jack_is_in(uint32_t slot)
{
    return slot < SLOTS && is_jack[slot];
}
