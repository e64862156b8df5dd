/* SPDX-License-Identifier: MIT */
#include <sys/random.h>

#include "os/os.h"

int os_random(void *to, size_t bytes)
{
    return getrandom(to, bytes, 0) == (ssize_t)bytes ? 0 : -1;
}
