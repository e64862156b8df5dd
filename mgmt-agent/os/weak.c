/* SPDX-License-Identifier: MIT */
/* For as long as there is no driver of the ports (os/port.c) and no source of random numbers (os/random.c). */
#include "os.h"
__attribute__((weak)) int os_random(void *to, size_t bytes)
{
    (void)to, (void)bytes;
    return -1;
}
__attribute__((weak)) int os_port_open_stream(uint32_t slot)
{
    (void)slot;
    return -1;
}
__attribute__((weak)) size_t os_port_write(uint32_t slot, const void *data, size_t bytes)
{
    (void)slot, (void)data, (void)bytes;
    return 0;
}
__attribute__((weak)) size_t os_port_read(uint32_t slot, void *data, size_t bytes)
{
    (void)slot, (void)data, (void)bytes;
    return 0;
}
