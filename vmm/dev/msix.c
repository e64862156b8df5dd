/* SPDX-License-Identifier: MIT */
#include "dev/msix.h"

#define CONTROL_ENABLE BIT(15)
#define CONTROL_MASK   BIT(14)

void msix_reset(struct msix *msix, uint16_t count) {
    *msix = (struct msix){.count = count};
    for (unsigned i = 0; i < MSIX_MAX; i++) { msix->entries[i].masked = true; }
}

uint16_t msix_control(const struct msix *msix) {
    uint64_t flags = (msix->enabled ? CONTROL_ENABLE : 0) | (msix->masked ? CONTROL_MASK : 0);
    return (uint16_t)(flags | (msix->count - 1u));
}

void msix_set_control(struct msix *msix, uint16_t value) {
    msix->enabled = (value & CONTROL_ENABLE) != 0;
    msix->masked = (value & CONTROL_MASK) != 0;
}

static bool valid(const struct msix *msix, uint64_t offset, unsigned bytes) {
    return (bytes == 4 || bytes == 8) && offset % bytes == 0 && offset / MSIX_ENTRY_BYTES < msix->count;
}

/** The entry's upper or lower half, as offset bit 3 says. */
static uint64_t half_of(const struct msix_entry *entry, uint64_t offset) {
    return (offset & 8) == 0 ? entry->address : entry->data | (entry->masked ? BIT(32) : 0);
}

uint64_t msix_table_read(const struct msix *msix, uint64_t offset, unsigned bytes) {
    if (!valid(msix, offset, bytes)) { return 0; }
    return half_of(&msix->entries[offset / MSIX_ENTRY_BYTES], offset) >> 8 * (offset & 4) & bytes_mask(bytes);
}

void msix_table_write(struct msix *msix, uint64_t offset, unsigned bytes, uint64_t value) {
    if (!valid(msix, offset, bytes)) { return; }
    struct msix_entry *entry = &msix->entries[offset / MSIX_ENTRY_BYTES];
    uint64_t lanes = bytes_mask(bytes) << 8 * (offset & 4);
    uint64_t half = (half_of(entry, offset) & ~lanes) | (value << 8 * (offset & 4) & lanes);
    if ((offset & 8) == 0) {
        entry->address = half;
    } else {
        entry->data = (uint32_t)half;
        entry->masked = (half & BIT(32)) != 0;
    }
}

uint64_t msix_pending(const struct msix *msix) {
    uint64_t bits = 0;
    for (unsigned i = 0; i < msix->count; i++) { bits |= msix->entries[i].pending ? BIT(i) : 0; }
    return bits;
}

bool msix_raise(struct msix *msix, unsigned index) {
    if (!msix->enabled || index >= msix->count) { return false; }
    struct msix_entry *entry = &msix->entries[index];
    entry->pending = msix->masked || entry->masked;
    return !entry->pending;
}

int msix_unmasked(struct msix *msix) {
    for (unsigned i = 0; i < msix->count && msix->enabled && !msix->masked; i++) {
        struct msix_entry *entry = &msix->entries[i];
        if (entry->pending && !entry->masked) {
            entry->pending = false;
            return (int)i;
        }
    }
    return -1;
}
