/* SPDX-License-Identifier: MIT */
#include "core/core.h"

enum { FRAME_SCRUBBING = MULLION_OWNER_COUNT, SCRUB_EVENT_FRAMES = 32 };

static struct frame *frames;
static uint64_t frame_count, dirty_count, scrubbed_count, scrub_cursor;
static struct spinlock lock;

void frames_init(struct frame *table, uint64_t end) {
    frames = table;
    frame_count = end / FRAME_BYTES;
    dirty_count = scrub_cursor = 0;
    for (uint64_t i = 0; i < frame_count; i++) { frames[i] = (struct frame){MULLION_OWNER_RESERVED, 0}; }
}

static void set_owner(uint64_t index, enum mullion_owner owner, uint32_t partition) {
    dirty_count -= frames[index].owner == MULLION_OWNER_DIRTY;
    dirty_count += owner == MULLION_OWNER_DIRTY;
    frames[index] = (struct frame){(uint8_t)owner, (uint8_t)partition};
}

void frames_add_ram(uint64_t start, uint64_t bytes) {
    uint64_t end = align_down(start + bytes, FRAME_BYTES) / FRAME_BYTES;
    for (uint64_t i = align_up(start, FRAME_BYTES) / FRAME_BYTES; i < end && i < frame_count; i++) {
        set_owner(i, MULLION_OWNER_DIRTY, 0);
    }
}

void frames_reserve(uint64_t start, uint64_t bytes, enum mullion_owner owner) {
    uint64_t end = align_up(start + bytes, FRAME_BYTES) / FRAME_BYTES;
    for (uint64_t i = start / FRAME_BYTES; i < end && i < frame_count; i++) { set_owner(i, owner, 0); }
}

hpa_t frames_take(uint64_t bytes, uint64_t limit, enum mullion_owner owner, uint32_t partition) {
    uint64_t wanted = bytes / FRAME_BYTES, length = 0;
    uint64_t last = limit / FRAME_BYTES < frame_count ? limit / FRAME_BYTES : frame_count;
    for (uint64_t i = last; i-- > 1;) {
        length = frames[i].owner == MULLION_OWNER_DIRTY ? length + 1 : 0;
        if (length == wanted) {
            for (uint64_t j = i; j < i + wanted; j++) { set_owner(j, owner, partition); }
            return hpa(i * FRAME_BYTES);
        }
    }
    return hpa(0);
}

static int claim_error(struct frame frame) {
    switch ((unsigned)frame.owner) {
    case MULLION_OWNER_FREE: return 0;
    case MULLION_OWNER_DIRTY:
    case FRAME_SCRUBBING: return -MULLION_E_MEMORY_DIRTY;
    case MULLION_OWNER_RESERVED: return -MULLION_E_MEMORY_NOT_RAM;
    default: /* the VMM, modules, a partition */ return -MULLION_E_MEMORY_BUSY;
    }
}

static struct frame frame_at(uint64_t index) {
    return index < frame_count ? frames[index] : (struct frame){MULLION_OWNER_RESERVED, 0};
}

int frames_claim(hpa_t start, uint64_t bytes, uint32_t partition, uint64_t *failed, uint32_t *failed_owner) {
    uint64_t first = start.v / FRAME_BYTES, end = first + bytes / FRAME_BYTES;
    int error = 0;
    spin_lock(&lock);
    for (uint64_t i = first; i < end && error == 0; i++) {
        struct frame frame = frame_at(i);
        error = claim_error(frame);
        *failed = error != 0 ? i * FRAME_BYTES : 0;
        *failed_owner = (uint32_t)frame.owner << 16 | frame.partition;
    }
    for (uint64_t i = first; i < end && error == 0; i++) { set_owner(i, MULLION_OWNER_PARTITION, partition); }
    spin_unlock(&lock);
    return error;
}

void frames_release(hpa_t start, uint64_t bytes) {
    spin_lock(&lock);
    for (uint64_t i = start.v / FRAME_BYTES; i < (start.v + bytes) / FRAME_BYTES; i++) {
        ASSERT(frames[i].owner == MULLION_OWNER_PARTITION);
        set_owner(i, MULLION_OWNER_DIRTY, 0);
        scrub_cursor = i < scrub_cursor ? i : scrub_cursor;
    }
    spin_unlock(&lock);
}

/** Picks the lowest dirty frame and marks it as being scrubbed; frame_count if there is none. */
static uint64_t scrub_begin(void) {
    uint64_t index = frame_count;
    spin_lock(&lock);
    if (dirty_count > 0) {
        for (index = scrub_cursor; index < frame_count && frames[index].owner != MULLION_OWNER_DIRTY; index++) {}
        ASSERT(index < frame_count);
        set_owner(index, MULLION_OWNER_RESERVED, 0);
        frames[index].owner = FRAME_SCRUBBING;
        scrub_cursor = index + 1;
    }
    spin_unlock(&lock);
    return index;
}

bool frames_scrub_step(void) {
    if (__atomic_load_n(&dirty_count, __ATOMIC_RELAXED) == 0) { return false; }
    uint64_t index = scrub_begin();
    if (index == frame_count) { return false; }
    window_scrub(hpa(index * FRAME_BYTES));
    spin_lock(&lock);
    frames[index].owner = MULLION_OWNER_FREE;
    bool tell = dirty_count == 0 || ++scrubbed_count % SCRUB_EVENT_FRAMES == 0;
    spin_unlock(&lock);
    if (tell) { event_post(MULLION_EVENT_SCRUBBED); }
    return true;
}

static bool same_owner(struct frame a, struct frame b) { return a.owner == b.owner && a.partition == b.partition; }

int frames_info(struct mullion_memory_info *info) {
    int error = -MULLION_E_RANGE;
    uint64_t end = 0;
    spin_lock(&lock);
    for (uint32_t run = 0; end < frame_count && error != 0; run++) {
        uint64_t first = end;
        while (end < frame_count && same_owner(frames[end], frames[first])) { end++; }
        if (run != info->index) { continue; }
        uint32_t owner = frames[first].owner == FRAME_SCRUBBING ? MULLION_OWNER_DIRTY : frames[first].owner;
        *info = (struct mullion_memory_info){
            run, owner, frames[first].partition, 0, first * FRAME_BYTES, (end - first) * FRAME_BYTES};
        error = 0;
    }
    spin_unlock(&lock);
    return error;
}
