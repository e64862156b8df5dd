/* SPDX-License-Identifier: MIT */
/* PCI functions given away, over a box of which only configuration space and one BAR exist. */
#include "x86/asm.h"

static void config_out(uint16_t port, uint32_t value, uint32_t bytes);
static uint32_t config_in(uint16_t port);

/* The real enumeration, with its port accesses led here. */
#define outb(port, value) config_out(port, value, 1)
#define outw(port, value) config_out(port, value, 2)
#define outl(port, value) config_out(port, value, 4)
#define inl               config_in
#include "x86/pci_host.c" // NOLINT(bugprone-suspicious-include)

#include "core/interrupt.h"
#include "core/platform.h"
#include "core/pool.h"
#include "dev/msix.h"
#include "inspect.h"
#include "mullion/machine.h"
#include "unit.h"
#include "x86/paging.h"
#include "x86/passthrough.h"
#include "x86/tsc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BRIDGE 0x0008u /* 00:01.0, to bus 1 */
#define NIC    0x0100u /* 01:00.0 */
#define TWIN   0x0101u /* 01:00.1, the same but for its reset */
#define PM     0x40u
#define MSI    0x50u
#define PCIE   0x60u
#define MSIX   0xa0u
#define VENDOR 0xb0u
#define AF     0xc0u
#define OWN    0xe0u /* registers of the device outside all capabilities */

#define NIC_BAR0  0x4000000000ull
#define NIC_BAR2  0xd0000000u
#define BAR_BYTES 0x20000u
#define TABLE     0x1800u /* in BAR 0: the second page is trapped */
#define ENTRIES   20u     /* more than the VMM keeps */
#define APIC_ID   5u

/* ---- a box ---- */

struct fake_function {
    uint16_t bdf;
    uint32_t registers[64], writable[64], cleared[64]; /* cleared: by writing ones */
};

struct access {
    uint16_t bdf;
    uint32_t reg, bytes, value;
};

static struct fake_function box[8];
static uint32_t box_count;
static uint32_t config_address;
static struct access written[256];
static unsigned written_count;

struct platform platform;
static struct partition partition, other;
static struct cpu cpu0 = {.apic_id = APIC_ID};
static uint8_t *device_page; /* what the VMM sees of the trapped page */
static hpa_t mapped_device;
static struct {
    uint64_t address;
    uint32_t data;
    unsigned count;
} delivered;

struct cpu *cpu_at(uint32_t index)
{
    (void)index;
    return &cpu0;
}

uint64_t tsc_from_us(uint64_t microseconds)
{
    return microseconds;
}

void interrupt_deliver_msi(const struct partition *p, uint64_t address, uint32_t data)
{
    assert_ptr_equal(p, &partition);
    delivered.address = address;
    delivered.data = data;
    delivered.count++;
}

int paging_map_device(uint64_t at, hpa_t device, uint64_t bytes)
{
    void *page = mmap((void *)at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                      0); // NOLINT
    if (page == MAP_FAILED)
        return -MULLION_E_POOL;
    device_page = page;
    mapped_device = device;
    return 0;
}

static struct fake_function *function_at(uint16_t bdf)
{
    for (uint32_t i = 0; i < box_count; i++)
        if (box[i].bdf == bdf)
            return &box[i];
    return NULL;
}

static void config_out(uint16_t port, uint32_t value, uint32_t bytes)
{
    struct fake_function *f = function_at((uint16_t)(config_address >> 8));
    if (port == 0xcf8)
        config_address = value;
    if (port == 0xcf8 || !f)
        return;
    assert_true(port >= 0xcfc && port + bytes <= 0xd00);
    uint32_t shift = 8u * (port - 0xcfcu), lanes = (uint32_t)bytes_mask(bytes) << shift,
             i = (config_address & 0xfc) / 4;
    assert_true(written_count < ARRAY_COUNT(written));
    written[written_count++] = (struct access){f->bdf, config_address & 0xfc, bytes, value};
    value <<= shift;
    uint32_t kept = f->registers[i] & ~(f->writable[i] & lanes);
    f->registers[i] = (kept | (value & f->writable[i] & lanes)) & ~(value & lanes & f->cleared[i]);
}

static uint32_t config_in(uint16_t port)
{
    assert_int_equal(port, 0xcfc);
    const struct fake_function *f = function_at((uint16_t)(config_address >> 8));
    return f ? f->registers[(config_address & 0xfc) / 4] : UINT32_MAX;
}

static uint32_t *reg_of(uint16_t bdf, uint32_t reg)
{
    return &function_at(bdf)->registers[reg / 4];
}

static struct fake_function *plug(uint16_t bdf, uint32_t id)
{
    struct fake_function *f = &box[box_count++];
    *f = (struct fake_function){.bdf = bdf};
    f->registers[PCI_ID / 4] = id;
    f->registers[PCI_CLASS / 4] = 0x02000003;
    f->writable[PCI_COMMAND / 4] = 0x0547;
    f->cleared[PCI_COMMAND / 4] = 0xf9000000;
    return f;
}

static void plug_nic(uint16_t bdf, uint32_t place)
{
    struct fake_function *f = plug(bdf, 0x15218086);
    uint32_t *r = f->registers, *w = f->writable;
    r[PCI_COMMAND / 4] = (uint32_t)PCI_STATUS_CAPS | 0xf9000007;
    r[PCI_HEADER / 4] = 0x00800010;
    r[4] = 0x0000000c | place; /* BAR 0 and 1: 64 bits, above 4 GiB */
    r[5] = (uint32_t)(NIC_BAR0 >> 32);
    r[6] = NIC_BAR2 | place; /* BAR 2: 32 bits */
    r[7] = 0x0000e001;       /* BAR 3: I/O */
    w[4] = w[6] = ~(BAR_BYTES - 1);
    w[5] = UINT32_MAX;
    w[7] = 0xffffffe0;
    r[0x2c / 4] = 0x00018086;
    r[0x30 / 4] = 0xd8000001;
    r[PCI_CAPABILITIES / 4] = PM;
    r[PCI_INTERRUPT / 4] = 0x0000010b;
    r[PM / 4] = 0xfe030000 | MSI << 8 | PCI_CAP_PM;
    w[PM / 4 + 1] = 0x00000103;
    r[MSI / 4] = 0x00800000 | PCIE << 8 | 0x05;
    w[MSI / 4] = 0x00710000;
    r[PCIE / 4] = 0x00020000 | MSIX << 8 | PCI_CAP_EXPRESS;
    r[PCIE / 4 + 1] = 0x10008cc2;
    r[PCIE / 4 + 2] = 0x000f2810;
    w[PCIE / 4 + 2] = 0x00007fff; /* FLR is no state */
    w[PCIE / 4 + 10] = UINT32_MAX;
    f->cleared[PCIE / 4 + 2] = 0x000f0000;
    r[MSIX / 4] = (ENTRIES - 1) << 16 | VENDOR << 8 | PCI_CAP_MSIX;
    w[MSIX / 4] = 0xc0000000;
    r[MSIX / 4 + 1] = TABLE;
    r[MSIX / 4 + 2] = 0x3000;
    r[VENDOR / 4] = 0x00100000 | AF << 8 | PCI_CAP_VENDOR;
    w[VENDOR / 4 + 1] = UINT32_MAX;
    r[AF / 4] = 0x03060013;
    w[OWN / 4] = UINT32_MAX;
}

static void scan_again(void)
{
    count = written_count = 0;
    memset(functions, 0, sizeof(functions));
    pci_host_scan();
}

static void look_again(void)
{
    scan_again();
    written_count = 0;
}

static int start(void **state)
{
    (void)state;
    static uint8_t pool[64 * PAGE_BYTES] __attribute__((aligned(4096)));
    box_count = 0;
    memset(&delivered, 0, sizeof(delivered));
    plug(0, 0x29c08086)->registers[PCI_CLASS / 4] = 0x06000000;
    struct fake_function *bridge = plug(BRIDGE, 0x000c1b36);
    bridge->registers[PCI_HEADER / 4] = 0x00010000;
    bridge->registers[0x18 / 4] = 0x00010100;
    plug_nic(NIC, 0);
    plug_nic(TWIN, 0x100000);
    static const struct boot_ram ram = {0x100000, 0x7ff00000};
    platform = (struct platform){.phys_bits = 40};
    platform.boot.ram[0] = ram;
    platform.boot.ram_count = 1;
    look_again();
    pool_init(pool, sizeof(pool));
    partition = (struct partition){.id = 3, .state = MULLION_STATE_DEFINED, .shares_cpu0 = true};
    return npt_create(&partition.npt, 64, true);
}

static int stop(void **state)
{
    (void)state;
    passthrough_release(&partition);
    npt_destroy(&partition.npt);
    return 0;
}

static uint32_t index_of(uint16_t bdf)
{
    for (uint32_t i = 0; i < pci_host_count(); i++)
        if (pci_host_function(i)->info.bdf == bdf)
            return i;
    return UINT32_MAX;
}

static int assign(uint16_t bdf, uint32_t slot)
{
    struct mullion_pci_assign request = {.id = 3, .slot = slot, .index = index_of(bdf)};
    return passthrough_assign(&partition, &request);
}

static void assign_nic(void)
{
    assert_int_equal(assign(NIC, 8), 0);
    written_count = 0;
}

static uint32_t get(uint32_t reg)
{
    return (uint32_t)pci_ecam_read(&partition.pci, 8ull << 12 | reg, 4);
}

static void put(uint32_t reg, unsigned bytes, uint32_t value)
{
    pci_ecam_write(&partition.pci, 8ull << 12 | reg, bytes, value);
}

static enum mullion_pci_use use_of(uint16_t bdf)
{
    look_again();
    return pci_host_function(index_of(bdf))->info.use;
}

/* ---- who can be given away ---- */

static void a_function_with_msix_and_whole_pages_is_usable(void **state)
{
    (void)state;
    assert_int_equal(use_of(NIC), MULLION_PCI_USABLE);
    assert_int_equal(use_of(BRIDGE), MULLION_PCI_BRIDGE);
    assert_int_equal(use_of(0), MULLION_PCI_NO_MSIX);
}

static void a_chain_of_capabilities_that_is_a_circle_ends(void **state)
{
    (void)state;
    *reg_of(NIC, PCIE) = 0x00020000 | PM << 8 | PCI_CAP_EXPRESS;
    assert_int_equal(use_of(NIC), MULLION_PCI_NO_MSIX);
}

static void bars_without_a_place_of_their_own_make_a_function_unusable(void **state)
{
    (void)state;
    static const struct {
        uint32_t low, high, size;
    } bad[] = {
        {0x0000000c, 0, BAR_BYTES},          /* left at 0 */
        {0x4000000c, 0, BAR_BYTES},          /* RAM */
        {0xfee0000c, 0, BAR_BYTES},          /* the local APICs */
        {0xd000080c, 0, 0x800},              /* half a page */
        {0x0000000c, 0x00000100, BAR_BYTES}, /* beyond 40 bits */
        {0xb00e000c, 0, BAR_BYTES},          /* configuration space of bus 0 */
    };
    platform.acpi.ecam[0] = (struct acpi_ecam){.base = 0xb0000000};
    platform.acpi.ecam_count = 1;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        *reg_of(NIC, PCI_BAR) = bad[i].low;
        *reg_of(NIC, PCI_BAR + 4) = bad[i].high;
        function_at(NIC)->writable[PCI_BAR / 4] = ~(bad[i].size - 1);
        assert_int_equal(use_of(NIC), MULLION_PCI_SMALL_BAR);
    }
}

static void bars_are_sized_with_decoding_off_and_left_as_they_were(void **state)
{
    (void)state;
    const struct fake_function before = *function_at(NIC);
    scan_again();
    assert_memory_equal(before.registers, function_at(NIC)->registers, sizeof(before.registers));
    bool decoding = true;
    unsigned ones = 0;
    for (unsigned i = 0; i < written_count; i++) {
        if (written[i].reg == PCI_COMMAND)
            decoding = (written[i].value & 3) != 0;
        ones += written[i].value == UINT32_MAX;
        assert_true(written[i].reg == PCI_COMMAND || !decoding);
    }
    assert_int_equal(ones, 2 * PCI_BARS);
    assert_true(decoding);
    const struct pci_host_bar *bar = pci_host_function(index_of(NIC))->bars;
    assert_true(bar[0].address == NIC_BAR0 && bar[0].bytes == BAR_BYTES);
    assert_true(bar[1].bytes == 0 && bar[3].bytes == 0);
    assert_true(bar[2].address == NIC_BAR2 && bar[2].bytes == BAR_BYTES);
}

static void other_segments_are_found_by_ecam_and_lose_bus_mastering(void **state)
{
    (void)state;
    static const uint64_t at = 0x20000000;
    uint8_t *ecam = mmap((void *)at, 2 << 20, PROT_READ | PROT_WRITE, // NOLINT
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    assert_ptr_not_equal(ecam, MAP_FAILED);
    memset(ecam, 0xff, 2 << 20);
    memset(ecam + 0x118000, 0, 4096); /* bus 1, device 3 */
    uint32_t *registers = (uint32_t *)(ecam + 0x118000);
    registers[PCI_ID / 4] = 0x15218086;
    registers[PCI_COMMAND / 4] = 0x00100407;
    platform.acpi.ecam[0] = (struct acpi_ecam){at, 2, 1, 1};
    platform.acpi.ecam[1] = (struct acpi_ecam){BIT(32), 3, 0, 1}; /* out of reach */
    platform.acpi.ecam_count = 2;
    uint32_t before = pci_host_count();
    look_again();
    assert_int_equal(pci_host_count(), before + 1);
    const struct mullion_pci_info *info = &pci_host_function(before)->info;
    assert_int_equal(info->segment, 2);
    assert_int_equal(info->bdf, 0x0118);
    assert_int_equal(info->vendor, 0x8086);
    assert_int_equal(info->use, MULLION_PCI_SEGMENT);
    assert_int_equal(registers[PCI_COMMAND / 4], 0x0403);
    assert_int_equal(munmap(ecam, 2 << 20), 0);
}

static void a_request_that_cannot_be_met_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(assign(NIC, 0), -MULLION_E_RANGE);
    assert_int_equal(assign(NIC, MACHINE_SLOTS), -MULLION_E_RANGE);
    assert_int_equal(assign(0x1234, 8), -MULLION_E_RANGE);
    assert_int_equal(assign(BRIDGE, 8), -MULLION_E_PCI_UNUSABLE);
    partition.shares_cpu0 = false;
    assert_int_equal(assign(NIC, 8), -MULLION_E_STATE);
    partition.shares_cpu0 = true;
    partition.state = MULLION_STATE_STOPPED;
    assert_int_equal(assign(NIC, 8), -MULLION_E_STATE);
    partition.state = MULLION_STATE_DEFINED;
    *reg_of(NIC, MSIX + 4) = BAR_BYTES - 16; /* the table does not fit its BAR */
    assert_int_equal(assign(NIC, 8), -MULLION_E_PCI_UNUSABLE);
    *reg_of(NIC, MSIX + 4) = TABLE;
    uint32_t pages = partition.npt.pages;
    partition.npt.page_limit = pages + 1;
    assert_int_equal(assign(NIC, 8), -MULLION_E_POOL);
    assert_int_equal(partition.npt.pages, pages);
    assert_null(partition.pci.slots[8].ops);
    partition.npt.page_limit = 64;
    assert_int_equal(assign(NIC, 8), 0);
}

static void a_function_and_a_slot_are_given_once(void **state)
{
    (void)state;
    assign_nic();
    assert_int_equal(assign(NIC, 9), -MULLION_E_PCI_BUSY);
    assert_int_equal(assign(TWIN, 8), -MULLION_E_SLOT_BUSY);
    assert_int_equal(assign(TWIN, 9), 0);
    struct mullion_pci_info info = {.index = index_of(TWIN)};
    pci_host_info(&info);
    assert_int_equal(info.owner, 3);
    assert_int_equal(info.slot, 9);
    passthrough_release(&other);
    assert_int_equal(assign(TWIN, 10), -MULLION_E_PCI_BUSY);
    passthrough_release(&partition);
    pci_host_info(&info);
    assert_int_equal(info.owner, 0);
}

static void a_bar_larger_than_the_window_finds_no_room(void **state)
{
    (void)state;
    for (uint32_t bits = 29; bits <= 32; bits++) {
        function_at(NIC)->writable[PCI_BAR / 4] = (uint32_t) ~(BIT(bits) - 1);
        assert_int_equal(use_of(NIC), MULLION_PCI_USABLE);
        assert_int_equal(assign(NIC, 8), -MULLION_E_PCI_ROOM);
    }
}

static void bridges_on_the_way_are_opened(void **state)
{
    (void)state;
    plug(0x0010, 0x000c1b36)->registers[PCI_HEADER / 4] = 0x00010000; /* 00:02.0, to buses 2 and 3 */
    *reg_of(0x0010, 0x18) = 0x00030200;
    look_again();
    assign_nic();
    assert_int_equal(*reg_of(BRIDGE, PCI_COMMAND), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(*reg_of(0x0010, PCI_COMMAND), 0);
    assert_int_equal(*reg_of(0, PCI_COMMAND), 0);
}

/* ---- configuration space ---- */

static void header_registers_are_shown_without_io_rom_and_intx(void **state)
{
    (void)state;
    assign_nic();
    assert_int_equal(get(PCI_ID), 0x15218086);
    assert_int_equal(get(PCI_CLASS), 0x02000003);
    assert_int_equal(get(PCI_SUBSYSTEM), 0x00018086);
    assert_int_equal(get(PCI_BAR + 12), 0);
    assert_int_equal(get(0x30), 0);
    assert_int_equal(get(PCI_INTERRUPT), 0);
    assert_int_equal(get(PCI_COMMAND) & PCI_COMMAND_IO, 0);
    assert_int_equal(get(0x100), 0); /* no extended capability */
    put(0x100, 4, UINT32_MAX);
    put(0x30, 4, UINT32_MAX);
    put(PCI_INTERRUPT, 4, UINT32_MAX);
    put(PCI_ID, 4, UINT32_MAX);
    assert_int_equal(written_count, 0);
}

static void known_capabilities_are_linked_around_the_others(void **state)
{
    (void)state;
    assign_nic();
    assert_int_equal(get(PCI_CAPABILITIES), PM);
    assert_int_equal(get(PM), 0x06030000 | PCIE << 8 | PCI_CAP_PM); /* no PME */
    assert_int_equal(get(PCIE) & 0xffff, MSIX << 8 | PCI_CAP_EXPRESS);
    assert_int_equal(get(MSIX), 0x000f0000 | VENDOR << 8 | PCI_CAP_MSIX); /* 16 entries */
    assert_int_equal(get(VENDOR), 0x00100000 | PCI_CAP_VENDOR);           /* the last one */
    assert_int_equal(get(MSI), 0);
    assert_int_equal(get(AF), 0);
}

static void neither_msi_nor_power_states_nor_an_flr_can_be_asked_for(void **state)
{
    (void)state;
    assign_nic();
    put(MSI, 4, UINT32_MAX);
    put(PM + 4, 2, 3);
    put(AF, 4, UINT32_MAX);
    put(AF + 4, 4, UINT32_MAX);
    put(PCIE + 40, 4, UINT32_MAX);
    assert_int_equal(written_count, 0);
    assert_int_equal(get(PCIE + 4) & BIT(28), 0);
    put(PCIE + 8, 2, 0xffff);
    assert_int_equal(*reg_of(NIC, PCIE + 8), 0x000f7810);
}

static void commands_reach_the_function_but_for_io_and_intx(void **state)
{
    (void)state;
    assign_nic();
    *reg_of(NIC, PCI_COMMAND) &= 0xffff0001;
    put(PCI_COMMAND, 2, 0x0141); /* its BARs are mapped: it decodes them, whatever is written */
    assert_int_equal(*reg_of(NIC, PCI_COMMAND) & 0xffff, 0x0403);
    put(PCI_COMMAND, 1, 0x06); /* the disable of INTx lies in the other byte */
    assert_int_equal(*reg_of(NIC, PCI_COMMAND) & 0xffff, 0x0407);
    assert_int_equal(*reg_of(NIC, PCI_COMMAND) >> 16, 0xf910); /* errors stay to be read */
    put(PCI_COMMAND, 4, 0x80000002);
    assert_int_equal(*reg_of(NIC, PCI_COMMAND), 0x79100403);
}

static void errors_seen_are_cleared_only_by_who_writes_them(void **state)
{
    (void)state;
    assign_nic();
    put(PCIE + 8, 2, 0x5810);
    assert_int_equal(*reg_of(NIC, PCIE + 8), 0x000f5810);
    put(PCIE + 10, 2, 0x0003);
    assert_int_equal(*reg_of(NIC, PCIE + 8), 0x000c5810);
}

static void registers_of_the_device_are_written_in_the_width_given(void **state)
{
    (void)state;
    assign_nic();
    put(OWN, 4, 0x11223344);
    put(OWN + 1, 1, 0xaa);
    put(OWN + 2, 2, 0xbbcc);
    put(VENDOR + 4, 4, 0x55667788);
    assert_int_equal(*reg_of(NIC, OWN), 0xbbccaa44);
    assert_int_equal(get(OWN), 0xbbccaa44);
    assert_int_equal(*reg_of(NIC, VENDOR + 4), 0x55667788);
    assert_int_equal(written_count, 4);
    assert_int_equal(written[1].bytes, 1);
    assert_int_equal(written[2].bytes, 2);
}

/* ---- BARs ---- */

static uint64_t host_of(uint64_t address)
{
    hpa_t to = hpa(0);
    bool writable = false;
    return npt_translate(&partition.npt, gpa(address), &to, &writable) && writable ? to.v : 0;
}

static void bars_have_32_bits_and_tell_their_sizes(void **state)
{
    (void)state;
    assign_nic();
    assert_int_equal(get(PCI_BAR), MACHINE_HOST_BAR_BASE);
    assert_int_equal(get(PCI_BAR + 4), 0);
    assert_int_equal(get(PCI_BAR + 8), MACHINE_HOST_BAR_BASE + BAR_BYTES);
    put(PCI_BAR, 4, UINT32_MAX);
    assert_int_equal(get(PCI_BAR), ~(BAR_BYTES - 1));
    put(PCI_BAR, 4, 0xc0000000);
    assert_int_equal(get(PCI_BAR), MACHINE_HOST_BAR_BASE);
    assert_int_equal(written_count, 0);
}

static void bars_are_mapped_but_for_the_pages_with_the_table(void **state)
{
    (void)state;
    assign_nic();
    assert_int_equal(assign(TWIN, 9), 0);
    uint64_t base = MACHINE_HOST_BAR_BASE;
    assert_true(host_of(base) == NIC_BAR0);
    assert_true(host_of(base + 0x1000) == 0);
    assert_true(host_of(base + 0x2000) == NIC_BAR0 + 0x2000);
    assert_true(host_of(base + BAR_BYTES - 1) == NIC_BAR0 + BAR_BYTES - 1);
    assert_true(host_of(base + BAR_BYTES) == NIC_BAR2);
    assert_true(host_of(base + 2 * BAR_BYTES) == NIC_BAR0 + 0x100000);
    assert_true(host_of(base + 2 * BAR_BYTES + 0x1000) == 0);
    assert_true(mapped_device.v == NIC_BAR0 + 0x101000);
    assert_true(host_of(base + 4 * BAR_BYTES) == 0);
}

static void what_a_function_lost_in_a_reset_of_its_own_is_put_back(void **state)
{
    (void)state;
    assign_nic();
    const struct fake_function before = *function_at(NIC);
    *reg_of(NIC, PCI_COMMAND) &= 0xffff0000;
    for (unsigned i = 4; i < 10; i++)
        function_at(NIC)->registers[i] &= ~function_at(NIC)->writable[i];
    *reg_of(NIC, PCIE + 8) = 0x00002000;
    put(PCI_COMMAND, 2, 6);
    assert_memory_equal(&before.registers[4], &function_at(NIC)->registers[4], 4 * 6);
    assert_int_equal(*reg_of(NIC, PCIE + 8) & 0xffff, 0x2810);     /* sizes */
    assert_int_equal(written[written_count - 1].reg, PCI_COMMAND); /* last: no BAR moves while it decodes */
}

/* ---- interrupts ---- */

#define TABLE_AT(entry) (TABLE + (entry)*16u)

static const uint32_t *hardware_entry(unsigned entry)
{
    return (const uint32_t *)(device_page + (TABLE & 0xfff) + (size_t)entry * 16);
}

static void write_entry(unsigned entry, uint32_t address, uint32_t data, uint32_t masked)
{
    passthrough_write(&partition, TABLE_AT(entry), 8, address);
    passthrough_write(&partition, TABLE_AT(entry) + 8, 4, data);
    passthrough_write(&partition, TABLE_AT(entry) + 12, 4, masked);
}

static void the_box_gets_messages_of_the_vmms_own(void **state)
{
    (void)state;
    assign_nic();
    write_entry(1, 0xfee00000, 0x41, 0);
    assert_int_equal(hardware_entry(1)[0], 0xfee00000 | APIC_ID << 12);
    assert_int_equal(hardware_entry(1)[1], 0);
    assert_int_equal(hardware_entry(1)[2], 0x31);
    assert_int_equal(hardware_entry(1)[3], 0);
    assert_true(passthrough_read(&partition, TABLE_AT(1) + 8, 4) == 0x41);
    write_entry(1, 0xfee00000, 0x41, 1);
    assert_int_equal(hardware_entry(1)[3], 1);
    write_entry(MSIX_MAX, 0xfee00000, 0x41, 0); /* the VMM keeps no more */
    assert_int_equal(hardware_entry(MSIX_MAX)[2], 0);
}

static void an_interrupt_goes_where_the_partitions_entry_says(void **state)
{
    (void)state;
    assign_nic();
    assert_int_equal(assign(TWIN, 9), 0);
    uint64_t second = 2 * BAR_BYTES;
    passthrough_write(&partition, second + TABLE_AT(2), 8, 0xfee00000);
    passthrough_write(&partition, second + TABLE_AT(2) + 8, 8, 0x52);
    pci_ecam_write(&partition.pci, 9ull << 12 | (MSIX + 2), 2, 0x8000);
    assert_int_equal(*reg_of(TWIN, MSIX) >> 16, 0x8000 | (ENTRIES - 1));
    passthrough_interrupt(0x30 + 16 + 2);
    assert_int_equal(delivered.count, 1);
    assert_true(delivered.address == 0xfee00000);
    assert_int_equal(delivered.data, 0x52);
    passthrough_interrupt(0x30 + 2);  /* the first function's: MSI-X is off there */
    passthrough_interrupt(0x30 + 32); /* nobody's */
    passthrough_interrupt(VECTOR_KICK);
    passthrough_interrupt(0x20);
    assert_int_equal(delivered.count, 1);
}

static void an_interrupt_that_came_while_masked_is_delivered_afterwards(void **state)
{
    (void)state;
    assign_nic();
    put(MSIX + 2, 2, 0x8000);
    write_entry(0, 0xfee00000, 0x41, 1);
    passthrough_interrupt(0x30);
    assert_int_equal(delivered.count, 0);
    write_entry(0, 0xfee00000, 0x41, 0);
    assert_int_equal(delivered.count, 1);
    put(MSIX + 2, 2, 0xc000);
    passthrough_interrupt(0x30);
    assert_int_equal(delivered.count, 1);
    put(MSIX + 2, 2, 0x8000);
    assert_int_equal(delivered.count, 2);
}

static void beside_the_table_a_trapped_page_is_empty(void **state)
{
    (void)state;
    assign_nic();
    static const uint64_t beside[] = {TABLE - 8, TABLE + MSIX_MAX * 16, TABLE + ENTRIES * 16, 0x1ffe};
    for (size_t i = 0; i < ARRAY_COUNT(beside); i++) {
        passthrough_write(&partition, beside[i], 4, UINT32_MAX);
        assert_true(passthrough_read(&partition, beside[i], 4) == 0);
    }
    static const uint8_t nothing[PAGE_BYTES];
    assert_memory_equal(device_page, nothing, PAGE_BYTES);
}

static void accesses_to_no_trapped_page_read_ones(void **state)
{
    (void)state;
    assign_nic();
    assert_true(passthrough_read(&partition, 0, 4) == UINT64_MAX);
    assert_true(passthrough_read(&partition, 0x2000, 4) == UINT64_MAX);
    assert_true(passthrough_read(&partition, 4 * BAR_BYTES, 4) == UINT64_MAX);
    assert_true(passthrough_read(&other, TABLE, 4) == UINT64_MAX);
    passthrough_write(&other, TABLE, 4, 0);
    assert_int_equal(hardware_entry(0)[2], 0);
}

/* ---- resets ---- */

static unsigned first_write(uint16_t bdf, uint32_t reg)
{
    for (unsigned i = 0; i < written_count; i++)
        if (written[i].bdf == bdf && written[i].reg == reg)
            return i;
    return UINT32_MAX;
}

static void dma_ends_before_anything_else(void **state)
{
    (void)state;
    assign_nic();
    put(PCI_COMMAND, 2, 6);
    put(MSIX + 2, 2, 0x8000);
    write_entry(0, 0xfee00000, 0x41, 0);
    written_count = 0;
    passthrough_quiesce(&other);
    assert_int_equal(written_count, 0);
    passthrough_quiesce(&partition);
    assert_int_equal(first_write(NIC, PCI_COMMAND), 0);
    assert_int_equal(written[0].value & PCI_COMMAND_MASTER, 0);
    assert_int_equal(first_write(NIC, MSIX), 1);
    assert_int_equal(*reg_of(NIC, MSIX) >> 30, 0);
    passthrough_interrupt(0x30);
    assert_int_equal(delivered.count, 0);
    assert_true(passthrough_read(&partition, TABLE + 8, 8) == BIT(32)); /* as after power-up */
}

/* FLR is written, nothing else changes and no error is forgotten. */
static unsigned function_level_resets(void)
{
    unsigned resets = 0;
    for (unsigned i = 0; i < written_count; i++)
        resets += written[i].reg == PCIE + 8 && written[i].value == 0xa810 && written[i].bytes == 2;
    return resets;
}

static void a_function_level_reset_is_first_choice_before_and_after_an_owner(void **state)
{
    (void)state;
    assert_int_equal(assign(NIC, 8), 0);
    assert_int_equal(function_level_resets(), 1);
    passthrough_quiesce(&partition);
    assert_int_equal(function_level_resets(), 2);
    assert_int_equal(*reg_of(NIC, PCIE + 8), 0x000f2810);
    assert_int_equal(passthrough_check_reset(&partition), 0);
}

static unsigned journeys_by_d3hot(void)
{
    unsigned journeys = 0;
    for (unsigned i = 1; i < written_count; i++)
        journeys += written[i].reg == PM + 4 && written[i].value == 0 && written[i - 1].reg == PM + 4 &&
                    written[i - 1].value == 3;
    return journeys;
}

static void d3hot_is_second_choice(void **state)
{
    (void)state;
    *reg_of(NIC, PCIE + 4) = 0;
    *reg_of(NIC, PM + 4) = 3; /* where the firmware left it */
    assert_int_equal(assign(NIC, 8), 0);
    assert_int_equal(journeys_by_d3hot(), 1);
    passthrough_quiesce(&partition);
    assert_int_equal(journeys_by_d3hot(), 2);
    assert_int_equal(*reg_of(NIC, PM + 4) & 3, 0);
    assert_int_equal(passthrough_check_reset(&partition), 0);
}

static void what_cannot_be_reset_is_not_given_away_again(void **state)
{
    (void)state;
    *reg_of(NIC, PCIE + 4) = 0;
    *reg_of(NIC, PM + 4) = 8;
    assign_nic();
    passthrough_quiesce(&partition);
    assert_int_equal(passthrough_check_reset(&partition), -MULLION_E_PCI_UNUSABLE);
    assert_int_equal(pci_host_function(index_of(NIC))->info.use, MULLION_PCI_NO_RESET);
    passthrough_release(&partition);
    partition.pci.slots[8] = (struct pci_slot){0};
    assert_int_equal(assign(NIC, 8), -MULLION_E_PCI_UNUSABLE);
}

static void a_new_owner_begins_with_an_empty_window(void **state)
{
    (void)state;
    assign_nic();
    passthrough_quiesce(&partition);
    passthrough_release(&partition);
    partition.pci.slots[8] = (struct pci_slot){0};
    npt_destroy(&partition.npt);
    assert_int_equal(npt_create(&partition.npt, 64, true), 0);
    assign_nic();
    assert_int_equal(get(PCI_BAR), MACHINE_HOST_BAR_BASE);
    write_entry(0, 0xfee00000, 0x41, 0);
    assert_int_equal(hardware_entry(0)[2], 0x30);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_function_with_msix_and_whole_pages_is_usable),
        TEST(a_chain_of_capabilities_that_is_a_circle_ends),
        TEST(bars_without_a_place_of_their_own_make_a_function_unusable),
        TEST(bars_are_sized_with_decoding_off_and_left_as_they_were),
        TEST(other_segments_are_found_by_ecam_and_lose_bus_mastering),
        TEST(a_request_that_cannot_be_met_changes_nothing),
        TEST(a_function_and_a_slot_are_given_once),
        TEST(a_bar_larger_than_the_window_finds_no_room),
        TEST(bridges_on_the_way_are_opened),
        TEST(header_registers_are_shown_without_io_rom_and_intx),
        TEST(known_capabilities_are_linked_around_the_others),
        TEST(neither_msi_nor_power_states_nor_an_flr_can_be_asked_for),
        TEST(commands_reach_the_function_but_for_io_and_intx),
        TEST(errors_seen_are_cleared_only_by_who_writes_them),
        TEST(registers_of_the_device_are_written_in_the_width_given),
        TEST(bars_have_32_bits_and_tell_their_sizes),
        TEST(bars_are_mapped_but_for_the_pages_with_the_table),
        TEST(what_a_function_lost_in_a_reset_of_its_own_is_put_back),
        TEST(the_box_gets_messages_of_the_vmms_own),
        TEST(an_interrupt_goes_where_the_partitions_entry_says),
        TEST(an_interrupt_that_came_while_masked_is_delivered_afterwards),
        TEST(beside_the_table_a_trapped_page_is_empty),
        TEST(accesses_to_no_trapped_page_read_ones),
        TEST(dma_ends_before_anything_else),
        TEST(a_function_level_reset_is_first_choice_before_and_after_an_owner),
        TEST(d3hot_is_second_choice),
        TEST(what_cannot_be_reset_is_not_given_away_again),
        TEST(a_new_owner_begins_with_an_empty_window),
    };
    return cmocka_run_group_tests_name("passthrough", tests, NULL, NULL);
}
