/* SPDX-License-Identifier: MIT */
/* Memory: addresses outside the map, devices reached by odd instructions, page tables that point astray. */
#include "hostile.h"
#include "mullion/machine.h"

#define PAGE_LARGE   0x200000ull
#define PAGE_FLAGS   0x87ull
#define WINDOW_BASE  (512ull << 30)
#define HOLE         (MACHINE_LOW_RAM_END + 0x10000000ull)
#define XAPIC_WINDOW 0xfee00000ull
#define TOP_OF_48    0xfffffff000ull
#define KEPT_BASE    0x2000000ull
#define KEPT_BYTES   0x1000000ull
#define KEPT_FACTOR  0x9e3779b97f4a7c15ull

void *window_map(uint64_t gpa)
{
    pd_window[0] = (gpa & ~(PAGE_LARGE - 1)) | PAGE_FLAGS;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW_BASE) : "memory");
    return (void *)(WINDOW_BASE + (gpa & (PAGE_LARGE - 1)));
}

/* Each word of RAM is made of its own address, so that no page passes for another. */
void memory_keep(void)
{
    for (uint64_t page = KEPT_BASE; page < KEPT_BASE + KEPT_BYTES; page += PAGE_LARGE) {
        volatile uint64_t *words = window_map(page);
        for (uint64_t i = 0; i < PAGE_LARGE / sizeof *words; i++) {
            words[i] = (page + i * sizeof *words) * KEPT_FACTOR;
        }
    }
}

uint64_t memory_wrong(void)
{
    uint64_t wrong = 0;
    for (uint64_t page = KEPT_BASE; page < KEPT_BASE + KEPT_BYTES; page += PAGE_LARGE) {
        const volatile uint64_t *words = window_map(page);
        for (uint64_t i = 0; i < PAGE_LARGE / sizeof *words; i++) {
            wrong += words[i] == (page + i * sizeof *words) * KEPT_FACTOR ? 0u : 1u;
        }
    }
    return wrong;
}

static void read_at(uint64_t gpa)
{
    (void)*(volatile uint32_t *)window_map(gpa);
}

static void write_at(uint64_t gpa)
{
    *(volatile uint32_t *)window_map(gpa) = 0x12345678;
}

static void row_mmio_read(void)
{
    read_at(HOLE);
}

static void row_mmio_write(void)
{
    write_at(HOLE);
}

static void row_mmio_xapic(void)
{
    write_at(XAPIC_WINDOW + 0x300);
}

static void row_mmio_top(void)
{
    read_at(TOP_OF_48);
}

static void row_mmio_beyond_ram(void)
{
    write_at(MACHINE_HIGH_RAM_BASE + (1ull << 34));
}

static void row_mmio_bar_window(void)
{
    static const uint64_t places[] = {MACHINE_PORT_BAR_BASE, MACHINE_HOST_BAR_BASE, MACHINE_PCI_MMIO_END - 8};
    unsigned answers = 0;
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        volatile uint32_t *at = window_map(places[i]);
        answers += *at != 0xffffffffu ? 1u : 0u;
        *at = 0;
    }
    report(answers == 0 ? "ignored" : "answered", "answers=%u", answers);
}

static void row_mmio_flash(void)
{
    read_at(0xfffffff0ull);
}

static void row_mmio_locked(void)
{
    __asm__ volatile("lock incl (%0)" : : "r"(window_map(MACHINE_IOAPIC_BASE)) : "memory");
}

static void row_mmio_string(void)
{
    static uint8_t from[64];
    void *to = window_map(MACHINE_IOAPIC_BASE);
    const void *source = from;
    uint64_t count = sizeof from;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(count) : : "memory");
}

static void row_mmio_execute(void)
{
    __asm__ volatile("call *%0" : : "r"(window_map(MACHINE_IOAPIC_BASE)) : "memory");
}

static void row_jump_unmapped(void)
{
    __asm__ volatile("call *%0" : : "r"(window_map(HOLE)) : "memory");
}

/* Loads and stores that the decoder knows, at odd offsets and widths, on both devices that live in memory. */
static void row_mmio_device_walk(void)
{
    for (uint64_t offset = 0; offset < MACHINE_IOAPIC_BYTES; offset += 4) {
        volatile uint8_t *at = window_map(MACHINE_IOAPIC_BASE + offset);
        (void)*(volatile uint32_t *)at;
        (void)*(volatile uint16_t *)(at + 1);
        *(volatile uint16_t *)(at + 2) = 0xffff;
        (void)*at;
    }
    for (uint64_t offset = 0; offset < MACHINE_ECAM_BYTES; offset += 0x404) {
        volatile uint8_t *at = window_map(MACHINE_ECAM_BASE + offset);
        (void)*(volatile uint64_t *)at;
        *(volatile uint32_t *)at = 0xffffffff;
    }
    const uint32_t id = *(volatile uint32_t *)window_map(MACHINE_ECAM_BASE);
    report(id != 0xffffffff && id != 0 ? "ignored" : "changed", "host bridge=%x", id);
}

/* Redirection entries with every delivery mode and foreign destinations, then an edge on the UART's pin. */
static void row_ioapic_modes(void)
{
    volatile uint32_t *select = window_map(MACHINE_IOAPIC_BASE);
    volatile uint32_t *data = select + 4;
    const uint64_t before = interrupt_count[2];
    for (uint32_t mode = 1; mode < 8; mode++) {
        *select = 0x10 + 2 * MACHINE_GSI_UART + 1;
        *data = mode << 24 | 0xff000000u;
        *select = 0x10 + 2 * MACHINE_GSI_UART;
        *data = 0x50u | mode << 8;
        port_out8(MACHINE_PORT_UART + 4, 0x0b);
        port_out8(MACHINE_PORT_UART + 1, 2);
        timer_sleep(100000);
        port_out8(MACHINE_PORT_UART + 1, 0);
    }
    *select = 0x10 + 2 * MACHINE_GSI_UART;
    *data = 0x10000;
    report(interrupt_count[2] == before ? "ignored" : "delivered", "nmi=%lu", interrupt_count[2] - before);
}

static void cr3_set(uint64_t cr3)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

static void row_page_table_outside(void)
{
    cr3_set(HOLE);
    (void)*(volatile uint8_t *)&pml4;
}

static void row_page_table_device(void)
{
    pml4[2] = MACHINE_IOAPIC_BASE | 7;
    cr3_set((uint64_t)pml4);
    (void)*(volatile uint8_t *)(1024ull << 30);
}

static void row_split_lock(void)
{
    static uint8_t lines[128] __attribute__((aligned(64)));
    for (unsigned i = 0; i < 100000; i++) {
        __asm__ volatile("lock incl %0" : "+m"(*(volatile uint32_t *)(lines + 62)));
    }
    report("harmless", "locks=100000");
}

const struct row rows_memory[] = {
    {"mmio-read", row_mmio_read, true},
    {"mmio-write", row_mmio_write, true},
    {"mmio-xapic", row_mmio_xapic, true},
    {"mmio-top", row_mmio_top, true},
    {"mmio-beyond-ram", row_mmio_beyond_ram, true},
    {"mmio-bar-window", row_mmio_bar_window, false},
    {"mmio-flash", row_mmio_flash, true},
    {"mmio-locked", row_mmio_locked, true},
    {"mmio-string", row_mmio_string, true},
    {"mmio-execute", row_mmio_execute, true},
    {"jump-unmapped", row_jump_unmapped, true},
    {"mmio-device-walk", row_mmio_device_walk, false},
    {"ioapic-modes", row_ioapic_modes, false},
    {"page-table-outside", row_page_table_outside, true},
    {"page-table-device", row_page_table_device, true},
    {"split-lock", row_split_lock, false},
};
const size_t rows_memory_count = ARRAY_COUNT(rows_memory);
