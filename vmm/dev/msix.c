/* SPDX-License-Identifier: MIT */
#include "dev/msix.h"

#include "core/lib.h"

enum { CONTROL_ENABLE = 1 << 15, CONTROL_MASK = 1 << 14 };

void msix_reset(struct msix *msix, uint16_t count) {
    *msix = (struct msix){.count = count};
    for (unsigned i = 0; i < MSIX_MAX; i++) { msix->entries[i].masked = 1; }
}

uint16_t msix_control(const struct msix *msix) {
    int flags = (msix->enabled ? CONTROL_ENABLE : 0) | (msix->masked ? CONTROL_MASK : 0);
    return (uint16_t)(flags | (msix->count - 1));
}

void msix_set_control(struct msix *msix, uint16_t value) {
    msix->enabled = (value & CONTROL_ENABLE) != 0;
    msix->masked = (value & CONTROL_MASK) != 0;
}

static bool valid(const struct msix *msix, uint64_t offset, unsigned bytes) {
    return (bytes == 4 || bytes == 8) && offset % bytes == 0 && offset / MSIX_ENTRY_BYTES < msix->count;
}

uint64_t msix_table_read(const struct msix *msix, uint64_t offset, unsigned bytes) {
    uint64_t value = 0;
    if (valid(msix, offset, bytes)) { memcpy(&value, (const uint8_t *)msix->entries + offset, bytes); }
    return value;
}

void msix_table_write(struct msix *msix, uint64_t offset, unsigned bytes, uint64_t value) {
    if (!valid(msix, offset, bytes)) { return; }
    memcpy((uint8_t *)msix->entries + offset, &value, bytes);
    msix->entries[offset / MSIX_ENTRY_BYTES].masked &= 1;
}

uint64_t msix_pending(const struct msix *msix) { return msix->pending; }

bool msix_raise(struct msix *msix, unsigned index) {
    if (!msix->enabled || index >= msix->count) { return false; }
    bool masked = msix->masked || msix->entries[index].masked != 0;
    msix->pending |= (uint32_t)masked << index;
    return !masked;
}

int msix_unmasked(struct msix *msix) {
    for (unsigned i = 0; i < msix->count && msix->enabled && !msix->masked; i++) {
        if ((msix->pending >> i & 1) != 0 && msix->entries[i].masked == 0) {
            msix->pending &= ~(1u << i);
            return (int)i;
        }
    }
    return -1;
}
