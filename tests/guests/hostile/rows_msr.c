/* SPDX-License-Identifier: MIT */
/* MSRs: every number outside the list, and the values that listed ones refuse. */
#include "hostile.h"
#include "lists.h"

#define UNEXPECTED_SHOWN 8
#define ALL_ONES         (~0ull)
#define EFER_OFFERED     0xd01ull /* SCE, LME, LMA, NXE */

static const struct {
    uint32_t first, last;
} walks[] = {
    {0x0, 0x1fff},
    {0x40000000, 0x400000ff},
    {0x4b564d00, 0x4b564dff},
    {0xc0000000, 0xc0001fff},
    {0xc0010000, 0xc0011fff},
};

static void msr_read_drop(uint64_t msr)
{
    (void)msr_read((uint32_t)msr);
}

static void msr_write_zero(uint64_t msr)
{
    msr_write((uint32_t)msr, 0);
}

static void msr_write_ones(uint64_t msr)
{
    msr_write((uint32_t)msr, ALL_ONES);
}

static bool refused(uint32_t msr, bool writing)
{
    if (!writing) {
        return attempt(msr_read_drop, msr) == VECTOR_GP;
    }
    const bool zero = attempt(msr_write_zero, msr) == VECTOR_GP;
    return attempt(msr_write_ones, msr) == VECTOR_GP && zero;
}

static void walk(bool writing)
{
    unsigned asked = 0;
    unsigned unexpected = 0;
    for (size_t w = 0; w < ARRAY_COUNT(walks); w++) {
        for (uint32_t msr = walks[w].first; msr <= walks[w].last; msr++) {
            if (list_has_msr(msr)) {
                continue;
            }
            asked++;
            if (!refused(msr, writing) && unexpected++ < UNEXPECTED_SHOWN) {
                print("# unlisted MSR %x answers\n", msr);
            }
        }
    }
    report(unexpected == 0 ? "#GP" : "answered", "asked=%u unexpected=%u", asked, unexpected);
}

static void row_msr_read(void)
{
    walk(false);
}

static void row_msr_write(void)
{
    walk(true);
}

struct refusal {
    uint32_t msr;
    uint64_t value;
};

static const struct refusal *refusal_now;

static void refusal_try(uint64_t unused)
{
    (void)unused;
    msr_write(refusal_now->msr, refusal_now->value);
}

/* Every write of the table has to end in #GP. */
static void refusals_run(const struct refusal *table, size_t count)
{
    unsigned accepted = 0;
    for (size_t i = 0; i < count; i++) {
        refusal_now = &table[i];
        if (attempt(refusal_try, 0) != VECTOR_GP) {
            accepted++;
            print("# MSR %x takes %lx\n", table[i].msr, table[i].value);
        }
    }
    report(accepted == 0 ? "#GP" : "accepted", "writes=%lu accepted=%u", count, accepted);
}

static void row_efer_reserved(void)
{
    struct refusal table[64];
    size_t count = 0;
    const uint64_t efer = msr_read(MSR_EFER);
    for (unsigned bit = 0; bit < 64; bit++) {
        if ((EFER_OFFERED >> bit & 1) == 0) {
            table[count++] = (struct refusal){MSR_EFER, efer | 1ull << bit};
        }
    }
    refusals_run(table, count);
}

static void row_efer_svme(void)
{
    const struct refusal table[] = {{MSR_EFER, msr_read(MSR_EFER) | 1ull << 12}};
    refusals_run(table, ARRAY_COUNT(table));
}

static void row_efer_lme(void)
{
    const struct refusal table[] = {{MSR_EFER, msr_read(MSR_EFER) & ~(1ull << 8)}};
    refusals_run(table, ARRAY_COUNT(table));
}

static void row_pat_reserved(void)
{
    static const struct refusal table[] = {{0x277, 2}, {0x277, 3ull << 56}, {0x277, 8ull << 8}};
    refusals_run(table, ARRAY_COUNT(table));
}

static void row_kvmclock_address(void)
{
    static const uint64_t addresses[] = {0xd0000001ull, 0xe0000001ull, 0xfee00001ull, 0xfffffffffff001ull,
                                         ~0ull};
    unsigned faults = 0;
    for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
        for (uint32_t msr = 0x4b564d00; msr <= 0x4b564d01; msr++) {
            const struct refusal one = {msr, addresses[i]};
            refusal_now = &one;
            faults += attempt(refusal_try, 0) == VECTOR_GP ? 1u : 0u;
        }
    }
    msr_write(0x4b564d01, 0);
    report(faults == 2 * ARRAY_COUNT(addresses) ? "#GP" : "accepted", "faults=%u", faults);
}

const struct row rows_msr[] = {
    {"msr-read", row_msr_read, false},
    {"msr-write", row_msr_write, false},
    {"efer-reserved", row_efer_reserved, false},
    {"efer-svme", row_efer_svme, false},
    {"efer-lme", row_efer_lme, false},
    {"pat-reserved", row_pat_reserved, false},
    {"kvmclock-address", row_kvmclock_address, false},
};
const size_t rows_msr_count = ARRAY_COUNT(rows_msr);
