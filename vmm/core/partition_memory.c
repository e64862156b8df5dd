/* SPDX-License-Identifier: MIT */
#include "core/core.h"
#include "dev/ram.h"

static bool overlaps(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
    return a < b + b_bytes && b < a + a_bytes;
}

static bool is_ram_place(uint64_t at, uint64_t bytes) {
    uint64_t end = at + bytes;
    return end > at && (end <= MACHINE_LOW_RAM_END || (at >= MACHINE_HIGH_RAM_BASE && end <= platform.window_gpa));
}

static int check_guest_range(const struct partition *p, const struct mullion_partition_add_memory *request) {
    if ((request->gpa | request->hpa | request->bytes) % FRAME_BYTES != 0 || request->bytes == 0) {
        return -MULLION_E_MEMORY_ALIGN;
    }
    if (request->hpa + request->bytes < request->hpa) { return -MULLION_E_MEMORY_NOT_RAM; }
    if (p->range_count == MULLION_MAX_RANGES) { return -MULLION_E_RANGE_LIMIT; }
    if (!is_ram_place(request->gpa, request->bytes)) { return -MULLION_E_GPA_OVERLAP; }
    for (const struct memory_range *r = p->ranges; r < p->ranges + p->range_count; r++) {
        if (overlaps(request->gpa, request->bytes, r->gpa.v, r->bytes)) { return -MULLION_E_GPA_OVERLAP; }
    }
    return 0;
}

int partition_add_memory(struct mullion_partition_add_memory *request) {
    struct partition *p = partition_find(request->id);
    if (p->state != MULLION_STATE_DEFINED || p->start_count != 0) { return -MULLION_E_STATE; }
    int error = check_guest_range(p, request);
    if (error != 0) { return error; }
    error = frames_claim(hpa(request->hpa), request->bytes, p->id, &request->failed_hpa, &request->failed_owner);
    if (error != 0) { return error; }
    error = npt_map(&p->npt, gpa(request->gpa), hpa(request->hpa), request->bytes, true);
    if (error != 0) {
        frames_release(hpa(request->hpa), request->bytes);
        return error;
    }
    p->ranges[p->range_count++] = (struct memory_range){gpa(request->gpa), hpa(request->hpa), request->bytes};
    return 0;
}

bool partition_translate(const struct partition *p, gpa_t address, hpa_t *to, uint64_t *left) {
    for (const struct memory_range *range = p->ranges; range < p->ranges + p->range_count; range++) {
        uint64_t offset = address.v - range->gpa.v;
        if (address.v >= range->gpa.v && offset < range->bytes) {
            *to = hpa(range->hpa.v + offset);
            *left = range->bytes - offset;
            return true;
        }
    }
    return false;
}

bool ram_contains(const struct partition *p, uint64_t at, uint64_t bytes) {
    hpa_t host;
    for (uint64_t left; bytes != 0; bytes -= left, at += left) {
        if (!partition_translate(p, gpa(at), &host, &left)) { return false; }
        left = left < bytes ? left : bytes;
    }
    return true;
}

/** Bytes from `at` that lie in one frame, at most `wanted`; ram_contains() found the range good. */
static size_t piece(const struct partition *p, uint64_t at, size_t wanted, hpa_t *host) {
    uint64_t left;
    bool is_ram = partition_translate(p, gpa(at), host, &left);
    ASSERT(is_ram);
    uint64_t in_frame = FRAME_BYTES - host->v % FRAME_BYTES;
    uint64_t bytes = left < in_frame ? left : in_frame;
    return wanted < bytes ? wanted : (size_t)bytes;
}

/** One way: `to` or `from` is NULL. */
static void transfer(const struct partition *p, uint64_t at, uint8_t *to, const uint8_t *from, size_t bytes) {
    hpa_t host;
    for (size_t done = 0, step; done < bytes; done += step) {
        step = piece(p, at + done, bytes - done, &host);
        if (to != NULL) { window_read(host, to + done, step); }
        if (from != NULL) { window_write(host, from + done, step); }
    }
}

void ram_read(const struct partition *p, uint64_t from, void *to, size_t bytes) { transfer(p, from, to, NULL, bytes); }

void ram_write(const struct partition *p, uint64_t to, const void *from, size_t bytes) {
    transfer(p, to, NULL, from, bytes);
}

void ram_copy(const struct partition *to, uint64_t to_at, const struct partition *from, uint64_t from_at,
              size_t bytes) {
    hpa_t source, target;
    for (size_t done = 0, step; done < bytes; done += step) {
        step = piece(from, from_at + done, bytes - done, &source);
        step = piece(to, to_at + done, step, &target);
        window_copy(target, source, step);
    }
}

int partition_read(const struct partition *p, gpa_t from, void *to, size_t bytes) {
    if (!ram_contains(p, from.v, bytes)) { return -MULLION_E_BAD_ADDRESS; }
    ram_read(p, from.v, to, bytes);
    window_close();
    return 0;
}

int partition_write(const struct partition *p, gpa_t to, const void *from, size_t bytes) {
    if (!ram_contains(p, to.v, bytes)) { return -MULLION_E_BAD_ADDRESS; }
    ram_write(p, to.v, from, bytes);
    window_close();
    return 0;
}
