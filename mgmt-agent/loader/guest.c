/* SPDX-License-Identifier: MIT */
#include "loader/guest.h"

#include <stddef.h>

#include "mullion/machine.h"
#include "os/os.h"

struct guest guest_layout(uint64_t window_gpa, uint64_t bytes)
{
    uint64_t low = bytes < MACHINE_LOW_RAM_END ? bytes : MACHINE_LOW_RAM_END;
    return (struct guest){
        .window_gpa = window_gpa, .main_base = GUEST_MAIN_FLOOR, .main_end = low, .high_bytes = bytes - low};
}

struct guest guest_layout_identity(uint64_t window_gpa, uint64_t base, uint64_t bytes)
{
    return (struct guest){.window_gpa = window_gpa, .main_base = base, .main_end = base + bytes};
}

uint64_t guest_bytes(const struct guest *guest)
{
    return guest->main_end - guest->main_base + guest->high_bytes;
}

static int lies_in(uint64_t gpa, uint64_t bytes, uint64_t base, uint64_t length)
{
    return gpa >= base && gpa - base <= length && bytes <= length - (gpa - base);
}

void *guest_at(const struct guest *guest, uint64_t gpa, uint64_t bytes)
{
    if (!lies_in(gpa, bytes, 0, GUEST_MAIN_FLOOR) &&
        !lies_in(gpa, bytes, guest->main_base, guest->main_end - guest->main_base) &&
        !lies_in(gpa, bytes, MACHINE_HIGH_RAM_BASE, guest->high_bytes)) {
        return NULL;
    }
    return os_map(guest->window_gpa + gpa, bytes, OS_READ_WRITE);
}
