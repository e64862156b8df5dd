/* SPDX-License-Identifier: MIT */
/* The allow-lists as docs/hostile.md states them. */
#include "lists.h"
#include "hostile.h"
#include "mullion/machine.h"

struct range {
    uint32_t first, last;
};

static const struct range msrs[] = {
    {0x1b, 0x1b},             /* APIC_BASE */
    {0x8b, 0x8b},             /* microcode revision, constant */
    {0xfe, 0xfe},             /* MTRR capabilities, constant */
    {0x174, 0x176},           /* SYSENTER */
    {0x1a0, 0x1a0},           /* MISC_ENABLE, constant */
    {0x1d9, 0x1d9},           /* DEBUGCTL, constant */
    {0x277, 0x277},           /* PAT */
    {0x2ff, 0x2ff},           /* MTRR default type, without effect */
    {0x6e0, 0x6e0},           /* TSC deadline */
    {0x800, 0x8ff},           /* x2APIC: its gaps have rows of their own */
    {0x4b564d00, 0x4b564d01}, /* KVM clock */
    {0xc0000080, 0xc0000084}, /* EFER, STAR, LSTAR, CSTAR, SFMASK */
    {0xc0000100, 0xc0000103}, /* FS, GS, kernel GS base, TSC_AUX */
    {0xc0010010, 0xc0010010}, /* SYSCFG, constant */
    {0xc0010015, 0xc0010015}, /* HWCR, constant */
    {0xc001001a, 0xc001001a}, /* TOP_MEM, constant */
    {0xc001001d, 0xc001001d}, /* TOP_MEM2, constant */
    {0xc001001f, 0xc001001f}, /* north bridge configuration, constant */
    {0xc0010055, 0xc0010055}, /* interrupt pending message, constant */
    {0xc0011022, 0xc0011023}, /* data and bus unit configuration, constant */
    {0xc0011029, 0xc0011029}, /* DE_CFG, constant */
};

static const struct range ports[] = {
    {MACHINE_PORT_UART, MACHINE_PORT_UART + 7},
    {MACHINE_PORT_SLEEP_CONTROL, MACHINE_PORT_EVENT},
    {MACHINE_PORT_PCI_ADDRESS, MACHINE_PORT_PCI_DATA + 3},
};

static const struct range leaves[] = {
    {0x0, 0x2},
    {0x6, 0x7},
    {0xb, 0xb},
    {0xd, 0xd}, /* basic */
    {0x40000000, 0x40000001},
    {0x40000010, 0x40000010}, /* hypervisor: KVM clock, frequencies */
    {0x40000100, 0x40000100}, /* Mullion's own */
    {0x80000000, 0x80000008}, /* extended */
};

static bool overlaps(const struct range *ranges, size_t count, uint32_t first, uint32_t last)
{
    for (size_t i = 0; i < count; i++) {
        if (first <= ranges[i].last && last >= ranges[i].first) {
            return true;
        }
    }
    return false;
}

bool list_has_msr(uint32_t msr)
{
    return overlaps(msrs, ARRAY_COUNT(msrs), msr, msr);
}

bool list_has_port(uint32_t port, unsigned bytes)
{
    return overlaps(ports, ARRAY_COUNT(ports), port, port + bytes - 1);
}

bool list_has_leaf(uint32_t leaf)
{
    return overlaps(leaves, ARRAY_COUNT(leaves), leaf, leaf);
}
