/* SPDX-License-Identifier: MIT */
#include "fake_vmcs.h"

#include "unit.h"

#include <string.h>

enum { TYPE_SHIFT = 10, TYPE_READ_ONLY = 1, WIDTH_SHIFT = 13 };

static struct fake_vmcs all[FAKE_VMCS_COUNT];
static struct fake_vmcs *current;

void fake_vmcs_reset(void)
{
    memset(all, 0, sizeof all);
    current = NULL;
}

struct fake_vmcs *fake_vmcs_of(const void *page)
{
    assert_non_null(page);
    struct fake_vmcs *unused = NULL;
    for (size_t i = 0; i < FAKE_VMCS_COUNT; i++) {
        if (all[i].page == page)
            return &all[i];
        if (all[i].page == NULL && unused == NULL)
            unused = &all[i];
    }
    assert_non_null(unused);
    unused->page = page;
    return unused;
}

struct fake_vmcs *fake_vmcs_current(void)
{
    return current;
}

void fake_vmcs_set(enum vmcs_field field, uint64_t value)
{
    assert_non_null(current);
    current->fields[field] = value;
}

uint64_t vmcs_read(enum vmcs_field field)
{
    assert_non_null(current);
    assert_true((unsigned)field < FAKE_VMCS_FIELDS);
    return current->fields[field];
}

static unsigned width(enum vmcs_field field)
{
    static const unsigned bits[] = {16, 64, 32, 64};
    return bits[(unsigned)field >> WIDTH_SHIFT & 3];
}

void vmcs_write(enum vmcs_field field, uint64_t value)
{
    assert_true(((unsigned)field >> TYPE_SHIFT & 3) != TYPE_READ_ONLY);
    if (width(field) < 64 && value >> width(field) != 0)
        fail_msg("field 0x%x has %u bits: 0x%lx", (unsigned)field, width(field), value);
    assert_non_null(current);
    current->writes++;
    current->fields[field] = value;
}

void vmcs_clear(const void *page)
{
    struct fake_vmcs *vmcs = fake_vmcs_of(page);
    vmcs->clears++;
    vmcs->launched = false;
    current = current == vmcs ? NULL : current;
}

void vmcs_load(const void *page)
{
    current = fake_vmcs_of(page);
}
