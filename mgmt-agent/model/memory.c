/* SPDX-License-Identifier: MIT */
#include "model/memory.h"

#include <stddef.h>

#include "mullion/machine.h"

/* A run of frames that nobody owns, clean or dirty. */
struct span {
    uint64_t hpa, bytes;
};

static bool is_available(const struct mullion_memory_info *run)
{
    return run->owner == MULLION_OWNER_FREE || run->owner == MULLION_OWNER_DIRTY;
}

/* The available span that begins at runs[*at] or later, adjacent runs joined; advances *at. */
static struct span span_next(const struct mullion_memory_info *runs, unsigned count, unsigned *at)
{
    struct span span = {0, 0};
    for (; *at < count; ++*at) {
        const struct mullion_memory_info *run = &runs[*at];
        bool joins = is_available(run) && (span.bytes == 0 || run->hpa == span.hpa + span.bytes);
        if (!joins && span.bytes > 0) {
            return span;
        }
        if (joins) {
            span.hpa = span.bytes == 0 ? run->hpa : span.hpa;
            span.bytes += run->bytes;
        }
    }
    return span;
}

/* The lowest span of at least `bytes`. */
static struct span span_fitting(const struct mullion_memory_info *runs, unsigned count, uint64_t bytes)
{
    for (unsigned at = 0; at < count;) {
        struct span span = span_next(runs, count, &at);
        if (span.bytes >= bytes) {
            return span;
        }
    }
    return (struct span){0, 0};
}

static bool is_taken(const struct span *taken, unsigned count, uint64_t hpa)
{
    for (unsigned i = 0; i < count; i++) {
        if (taken[i].hpa == hpa) {
            return true;
        }
    }
    return false;
}

/* The largest span not taken yet, the lowest among equals. */
static struct span span_largest(const struct mullion_memory_info *runs, unsigned count,
                                const struct span *taken, unsigned taken_count)
{
    struct span best = {0, 0};
    for (unsigned at = 0; at < count;) {
        struct span span = span_next(runs, count, &at);
        if (span.bytes > best.bytes && !is_taken(taken, taken_count, span.hpa)) {
            best = span;
        }
    }
    return best;
}

static void sort(struct span *spans, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct span moved = spans[i];
        unsigned k = i;
        for (; k > 0 && spans[k - 1].hpa > moved.hpa; k--) {
            spans[k] = spans[k - 1];
        }
        spans[k] = moved;
    }
}

/* Picks spans for `bytes`; their number, 0 if there is not enough, MULLION_MAX_RANGES + 1 if that is too
 * many. */
static unsigned spans_pick(const struct mullion_memory_info *runs, unsigned run_count, uint64_t bytes,
                           struct span spans[MULLION_MAX_RANGES])
{
    spans[0] = span_fitting(runs, run_count, bytes);
    unsigned count = spans[0].bytes > 0 ? 1 : 0;
    if (count == 1) {
        spans[0].bytes = bytes;
        return 1;
    }
    for (uint64_t left = bytes; left > 0;) {
        struct span span = span_largest(runs, run_count, spans, count);
        if (span.bytes == 0) {
            return 0;
        }
        if (count == MULLION_MAX_RANGES) {
            return MULLION_MAX_RANGES + 1;
        }
        span.bytes = span.bytes < left ? span.bytes : left;
        left -= span.bytes;
        spans[count++] = span;
    }
    sort(spans, count);
    return count;
}

/* Appends a range at the next free guest-physical address, stepping over the hole below 4 GiB. */
static int range_append(struct memory_choice *choice, uint64_t *gpa, struct span span)
{
    while (span.bytes > 0) {
        if (*gpa == MACHINE_LOW_RAM_END) {
            *gpa = MACHINE_HIGH_RAM_BASE;
        }
        if (choice->count == MULLION_MAX_RANGES) {
            return -MULLION_E_RANGE_LIMIT;
        }
        uint64_t room = *gpa < MACHINE_LOW_RAM_END ? MACHINE_LOW_RAM_END - *gpa : UINT64_MAX;
        uint64_t part = span.bytes < room ? span.bytes : room;
        choice->ranges[choice->count].gpa = *gpa;
        choice->ranges[choice->count].hpa = span.hpa;
        choice->ranges[choice->count].bytes = part;
        choice->count++;
        *gpa += part;
        span.hpa += part;
        span.bytes -= part;
    }
    return 0;
}

static bool touches_dirty(const struct mullion_memory_info *runs, unsigned count, struct span span)
{
    for (unsigned i = 0; i < count; i++) {
        if (runs[i].owner == MULLION_OWNER_DIRTY && runs[i].hpa < span.hpa + span.bytes &&
            span.hpa < runs[i].hpa + runs[i].bytes) {
            return true;
        }
    }
    return false;
}

int memory_choose(const struct mullion_memory_info *runs, unsigned run_count, uint64_t bytes,
                  struct memory_choice *choice)
{
    struct span spans[MULLION_MAX_RANGES];
    unsigned count = spans_pick(runs, run_count, bytes, spans);
    *choice = (struct memory_choice){.count = 0};
    if (count == 0) {
        return -MULLION_E_MEMORY_BUSY;
    }
    if (count > MULLION_MAX_RANGES) {
        return -MULLION_E_RANGE_LIMIT;
    }
    uint64_t gpa = 0;
    for (unsigned i = 0; i < count; i++) {
        choice->dirty = choice->dirty || touches_dirty(runs, run_count, spans[i]);
        int error = range_append(choice, &gpa, spans[i]);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

int memory_choose_block(const struct mullion_memory_info *runs, unsigned run_count, uint64_t bytes,
                        uint64_t *hpa, bool *dirty)
{
    struct span span = span_fitting(runs, run_count, bytes);
    if (span.bytes == 0 || span.hpa + bytes > MACHINE_LOW_RAM_END) {
        return -MULLION_E_MEMORY_BUSY;
    }
    span.bytes = bytes;
    *hpa = span.hpa;
    *dirty = touches_dirty(runs, run_count, span);
    return 0;
}
