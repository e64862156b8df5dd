/* SPDX-License-Identifier: MIT */
#include "functions.h"

#include <stdio.h>
#include <string.h>

#include "jack.h"
#include "kernel_log.h"
#include "sysfs.h"

#define MAX_FUNCTIONS 256u

static void path_of(char *path, size_t bytes, uint32_t slot, const char *attribute)
{
    snprintf(path, bytes, "bus/pci/devices/0000:00:%02x.%x/%s", slot >> 3, slot & 7u, attribute);
}

static uint32_t number_of(uint32_t slot, const char *attribute)
{
    char path[80];
    path_of(path, sizeof path, slot, attribute);
    return (uint32_t)sysfs_number(path, 0);
}

/* Slots of all functions but jacks and, in slot 0, the virtual machine's host bridge. */
static uint32_t find(bool is_there[MAX_FUNCTIONS])
{
    static char names[MAX_FUNCTIONS][32];
    const size_t named = sysfs_names("bus/pci/devices", names, MAX_FUNCTIONS);
    uint32_t count = 0;
    memset(is_there, 0, MAX_FUNCTIONS * sizeof is_there[0]);
    for (size_t i = 0; i < named; i++) {
        const int slot = sysfs_slot(names[i]);
        if (slot > 0 && !jack_is_in((uint32_t)slot)) {
            is_there[slot] = true;
            count++;
        }
    }
    return count;
}

uint32_t functions_count(void)
{
    bool is_there[MAX_FUNCTIONS];
    return find(is_there);
}

static void explain(uint32_t slot, struct rpc_function *answer)
{
    const char *reason = kernel_log_reason(slot);
    if (!answer->driver[0] && !reason[0]) {
        reason = "no driver";
    }
    snprintf(answer->reason, sizeof answer->reason, "%s", reason);
}

bool functions_describe(uint32_t index, struct rpc_function *answer)
{
    bool is_there[MAX_FUNCTIONS];
    if (index >= find(is_there)) {
        return false;
    }
    uint32_t slot = 0;
    for (uint32_t skip = index; !is_there[slot] || skip > 0; slot++) {
        skip -= is_there[slot];
    }
    char path[80];
    path_of(path, sizeof path, slot, "driver");
    answer->slot = slot;
    answer->vendor = (uint16_t)number_of(slot, "vendor");
    answer->device = (uint16_t)number_of(slot, "device");
    answer->class_code = number_of(slot, "class");
    sysfs_link_name(path, answer->driver, sizeof answer->driver);
    explain(slot, answer);
    return true;
}
