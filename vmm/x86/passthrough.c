/* SPDX-License-Identifier: MIT */
#include "x86/passthrough.h"

#include "core/interrupt.h"
#include "core/platform.h"
#include "core/vmm.h"
#include "dev/msix.h"
#include "mullion/machine.h"
#include "x86/paging.h"
#include "x86/pci_host.h"

#define CONFIG_BYTES     256u /* mechanism 1 reaches no more: extended capabilities exist for nobody */
#define VECTOR_FIRST     0x30u
#define VECTOR_END       VECTOR_TIMER
#define TABLE_PAGES_MAX  9u /* 2048 entries, not page aligned */
#define TABLE_SPACING    0x10000ull
#define NO_BAR           7u /* of the three bits that name the BAR */
#define EXPRESS_CAN_FLR  BIT(28)
#define EXPRESS_FLR      BIT(15)
#define AF_CAN_FLR       BIT(25)
#define AF_FLR           1u
#define PM_STATE         3u
#define PM_D3_HOT        3u
#define PM_NO_SOFT_RESET BIT(3)
#define MSI_TARGET_MAX   0xffu
#define BRIDGE_BUSES     0x18u
#define BRIDGE_CONTROL   0x3cu
#define BRIDGE_RESET     BIT(22)

/** A function that has an owner; slots are of the owner's bus, and there is one owner at most. */
struct passed {
    const struct partition *owner;
    struct pci_host_function *host;
    struct pci_bar bars[PCI_BARS];
    uint32_t shown[CONFIG_BYTES / 4], writable[CONFIG_BYTES / 4]; /* which bits of the hardware's register */
    uint32_t links[CONFIG_BYTES / 4];                             /* identifiers and next pointers of capabilities */
    uint32_t msix_at, pm_at;                                      /* capabilities; pm_at: 0 if it has none */
    bool asleep;                                                  /* in D3hot, or may be */
    struct msix msix;
    uint8_t vectors[MSIX_MAX];
    uint64_t trapped, trapped_bytes; /* guest-physical pages with the table */
    uint64_t table, table_bytes;     /* the table in there */
    uint64_t mapped;                 /* where the VMM sees these pages */
};

static struct passed functions[MACHINE_SLOTS];
static struct {
    struct passed *f;
    uint8_t entry;
} vectors[VECTOR_END - VECTOR_FIRST];
static uint64_t bars_end = MACHINE_HOST_BAR_BASE;

/* ---- configuration space: what is shown, and what can be written ---- */

#define ALL UINT32_MAX

struct register_rule {
    uint8_t id; /* of the capability; 0: the header */
    uint8_t first, last;
    uint32_t when; /* the rule holds if these bits are set in the capability's first register */
    uint32_t shown, writable;
};

/* The first rule of a register counts. INTx, I/O, the ROM and the BARs are not the hardware's. What no rule names lies
 * outside all known capabilities, where drivers keep registers of their devices (tg3, bnx2x, mlx5): passed on. */
static const struct register_rule rules[] = {
    {0, PCI_ID, PCI_ID, 0, ALL, 0},
    {0, PCI_COMMAND, PCI_COMMAND, 0, ALL & ~(uint32_t)PCI_COMMAND_IO,
     0xf9000000 | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY}, /* errors in the status are cleared by writing ones */
    {0, PCI_CLASS, PCI_CLASS, 0, ALL, 0},
    {0, PCI_HEADER, PCI_HEADER, 0, 0x007fffff, 0},
    {0, PCI_SUBSYSTEM, PCI_SUBSYSTEM, 0, ALL, 0},
    {0, PCI_BAR, PCI_INTERRUPT, 0, 0, 0},
    /* The function stays in D0: on the way back it might lose its BARs, and who wakes the box is not the guest's. */
    {PCI_CAP_PM, 0, 0, 0, 0x07ffffff, 0},
    {PCI_CAP_PM, 4, 4, 0, PM_STATE | PM_NO_SOFT_RESET, 0},
    /* No FLR behind the VMM's back; sizes and links are settled between firmware and the bridges above. Left: relaxed
     * ordering, no snoop, the size of read requests, and the errors seen. */
    {PCI_CAP_EXPRESS, 0, 0, 0, ALL, 0},
    {PCI_CAP_EXPRESS, 4, 4, 0, ALL & ~(uint32_t)EXPRESS_CAN_FLR, 0},
    {PCI_CAP_EXPRESS, 8, 8, 0, ALL, 0x000f7810},
    {PCI_CAP_EXPRESS, 12, 16, 0, ALL, 0},
    {PCI_CAP_EXPRESS, 20, 56, BIT(17), ALL, 0}, /* version 2 */
    {PCI_CAP_MSIX, 0, 0, 0, 0, 0},
    {PCI_CAP_MSIX, 4, 8, 0, ALL, 0},
    {PCI_CAP_MSI, 0, 8, 0, 0, 0},
    {PCI_CAP_MSI, 12, 12, BIT(23), 0, 0}, /* 64-bit addresses */
    {PCI_CAP_MSI, 12, 16, BIT(24), 0, 0}, /* masks */
    {PCI_CAP_MSI, 20, 20, BIT(23) | BIT(24), 0, 0},
    {PCI_CAP_AF, 0, 4, 0, 0, 0},
};

static const uint32_t visible_capabilities =
    BIT(PCI_CAP_PM) | BIT(PCI_CAP_VPD) | BIT(PCI_CAP_VENDOR) | BIT(PCI_CAP_EXPRESS) | BIT(PCI_CAP_MSIX);

static void apply_rules(struct passed *f, uint32_t id, uint32_t at, uint32_t header) {
    for (size_t i = ARRAY_COUNT(rules); i-- > 0;) {
        const struct register_rule *rule = &rules[i];
        bool holds = rule->id == id && (header & rule->when) == rule->when;
        for (uint32_t reg = at + rule->first; holds && reg <= at + rule->last && reg < CONFIG_BYTES; reg += 4) {
            f->shown[reg / 4] = rule->shown;
            f->writable[reg / 4] = rule->writable;
        }
    }
}

/** Known capabilities are linked to each other, the others cannot be found and lose their first register. */
static void filter_config(struct passed *f) {
    uint8_t at[PCI_CAPABILITIES_MAX];
    uint16_t bdf = f->host->info.bdf;
    uint32_t found = pci_host_capabilities(bdf, at);
    for (uint32_t i = 0; i < CONFIG_BYTES / 4; i++) { f->shown[i] = f->writable[i] = ALL; }
    apply_rules(f, 0, 0, 0);
    uint32_t next = 0;
    for (uint32_t i = found; i-- > 0;) {
        uint32_t header = pci_host_read(bdf, at[i]), id = header & 0xff;
        bool visible = id < 32 && (visible_capabilities & BIT(id)) != 0;
        f->writable[at[i] / 4] &= visible ? 0xffff0000 : 0;
        f->shown[at[i] / 4] = visible ? 0xffff0000 : 0;
        apply_rules(f, id, at[i], header);
        f->shown[at[i] / 4] &= 0xffff0000;
        if (visible) {
            f->links[at[i] / 4] = id | next << 8;
            next = at[i];
        }
    }
    f->links[PCI_CAPABILITIES / 4] = next;
}

static bool is_bar(uint32_t reg) { return reg >= PCI_BAR && reg < PCI_BAR + 4 * PCI_BARS; }

static uint32_t config_read(void *device, uint32_t reg) {
    const struct passed *f = device;
    if (reg >= CONFIG_BYTES) { return 0; }
    if (is_bar(reg)) { return pci_bar_read(&f->bars[(reg - PCI_BAR) / 4]); }
    uint32_t value = f->shown[reg / 4] == 0 ? 0 : pci_host_read(f->host->info.bdf, reg) & f->shown[reg / 4];
    return value | f->links[reg / 4] | (reg == f->msix_at ? (uint32_t)msix_control(&f->msix) << 16 : 0);
}

/* ---- interrupts ---- */

static void deliver(const struct passed *f, unsigned entry) {
    interrupt_deliver_msi(f->owner, f->msix.entries[entry].address, f->msix.entries[entry].data);
}

void passthrough_interrupt(uint8_t vector) {
    if (vector < VECTOR_FIRST || vector >= VECTOR_END) { return; }
    struct passed *f = vectors[vector - VECTOR_FIRST].f;
    uint8_t entry = vectors[vector - VECTOR_FIRST].entry;
    if (f != NULL && msix_raise(&f->msix, entry)) { deliver(f, entry); }
}

static void deliver_unmasked(struct passed *f) {
    for (int entry = msix_unmasked(&f->msix); entry >= 0; entry = msix_unmasked(&f->msix)) {
        deliver(f, (unsigned)entry);
    }
}

static volatile uint32_t *mapped_at(const struct passed *f, uint64_t address) {
    return (volatile uint32_t *)(f->mapped + (address - f->trapped)); // NOLINT(performance-no-int-to-ptr)
}

/** The hardware's entry sends the VMM's own message to CPU 0, masked like the partition's. */
static void program(const struct passed *f, uint64_t entry) {
    volatile uint32_t *hardware = mapped_at(f, f->table + entry * MSIX_ENTRY_BYTES);
    hardware[3] = 1;
    hardware[0] = (uint32_t)(MSI_ADDRESS | cpu_at(0)->apic_id << 12);
    hardware[1] = 0;
    hardware[2] = f->vectors[entry];
    hardware[3] = f->msix.entries[entry].masked;
}

static void write_msix_control(struct passed *f, uint16_t control) {
    msix_set_control(&f->msix, control);
    pci_host_write(f->host->info.bdf, f->msix_at, (uint32_t)msix_control(&f->msix) << 16, 0xffff0000);
    deliver_unmasked(f);
}

static bool take_vectors(struct passed *f) {
    unsigned taken = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(vectors) && taken < f->msix.count; i++) {
        if (vectors[i].f == NULL) { f->vectors[taken++] = (uint8_t)(VECTOR_FIRST + i); }
    }
    return taken == f->msix.count;
}

/* ---- configuration space, written ---- */

/** A reset, the VMM's or the function's own, has switched decoding off and may have cleared the BARs. */
static void restore_bars(const struct passed *f) {
    uint16_t bdf = f->host->info.bdf;
    if ((pci_host_read(bdf, PCI_COMMAND) & PCI_COMMAND_MEMORY) != 0) { return; }
    for (uint32_t i = 0; i < PCI_BARS; i++) { pci_host_write(bdf, PCI_BAR + 4 * i, f->host->bars[i].value, ALL); }
}

/** The other bits of these bytes stay; what is cleared by writing ones is always writable. */
static void write_through(const struct passed *f, uint32_t reg, uint32_t value, uint32_t lanes) {
    uint16_t bdf = f->host->info.bdf;
    uint32_t bits = f->writable[reg / 4] & lanes;
    value = (value & bits) | (f->writable[reg / 4] == ALL ? 0 : pci_host_read(bdf, reg) & ~bits);
    if (reg == PCI_COMMAND) {
        restore_bars(f);
        value |= (uint32_t)PCI_COMMAND_NO_INTX;
        lanes |= 0xffff;
    }
    pci_host_write(bdf, reg, value, lanes);
}

static void config_write(void *device, uint32_t reg, uint32_t value, uint32_t lanes) {
    struct passed *f = device;
    if (reg >= CONFIG_BYTES) { return; }
    if (is_bar(reg)) {
        pci_bar_write(&f->bars[(reg - PCI_BAR) / 4], value, lanes);
    } else if (reg == f->msix_at) {
        uint32_t old = (uint32_t)msix_control(&f->msix) << 16;
        write_msix_control(f, (uint16_t)(((old & ~lanes) | (value & lanes)) >> 16));
    } else if ((f->writable[reg / 4] & lanes) != 0) {
        write_through(f, reg, value, lanes);
    }
}

static const struct pci_function_ops ops = {config_read, config_write};

/* ---- the pages with the MSI-X table ---- */

/** @return the function of which `address` lies in a trapped page, as a whole and aligned, or NULL */
static struct passed *trapping(const struct partition *p, uint64_t address, unsigned bytes) {
    for (unsigned i = 0; i < MACHINE_SLOTS && address % bytes == 0; i++) {
        struct passed *f = &functions[i];
        if (f->owner == p && address >= f->trapped && address - f->trapped < f->trapped_bytes) { return f; }
    }
    return NULL;
}

static bool in_table(const struct passed *f, uint64_t address) {
    return address >= f->table && address - f->table < f->table_bytes;
}

uint64_t passthrough_read(const struct partition *p, uint64_t offset, unsigned bytes) {
    uint64_t address = MACHINE_HOST_BAR_BASE + offset;
    const struct passed *f = trapping(p, address, bytes);
    if (f == NULL) { return UINT64_MAX; }
    if (in_table(f, address)) { return msix_table_read(&f->msix, address - f->table, bytes); }
    volatile void *at = mapped_at(f, address);
    switch (bytes) {
    case 1: return *(volatile uint8_t *)at;
    case 2: return *(volatile uint16_t *)at;
    case 4: return *(volatile uint32_t *)at;
    default: return *(volatile uint64_t *)at;
    }
}

static void write_table(struct passed *f, uint64_t offset, unsigned bytes, uint64_t value) {
    msix_table_write(&f->msix, offset, bytes, value);
    if (offset / MSIX_ENTRY_BYTES < f->msix.count) {
        program(f, offset / MSIX_ENTRY_BYTES);
        deliver_unmasked(f);
    }
}

void passthrough_write(const struct partition *p, uint64_t offset, unsigned bytes, uint64_t value) {
    uint64_t address = MACHINE_HOST_BAR_BASE + offset;
    struct passed *f = trapping(p, address, bytes);
    if (f == NULL) { return; }
    if (in_table(f, address)) {
        write_table(f, address - f->table, bytes, value);
        return;
    }
    volatile void *at = mapped_at(f, address);
    switch (bytes) {
    case 1: *(volatile uint8_t *)at = (uint8_t)value; break;
    case 2: *(volatile uint16_t *)at = (uint16_t)value; break;
    case 4: *(volatile uint32_t *)at = (uint32_t)value; break;
    default: *(volatile uint64_t *)at = value; break;
    }
}

/* ---- resets ---- */

/** The bridge to this bus, or NULL for bus 0. */
static const struct mullion_pci_info *bridge_to(uint32_t bus) {
    for (uint32_t i = 0; i < pci_host_count() && bus != 0; i++) {
        const struct mullion_pci_info *info = &pci_host_function(i)->info;
        if (info->use == MULLION_PCI_BRIDGE && (pci_host_read(info->bdf, BRIDGE_BUSES) >> 8 & 0xff) == bus) {
            return info;
        }
    }
    return NULL;
}

/** Has everything below the bridge this owner? Other bridges there have none, and would lose what firmware set. */
static bool owns_all_below(const struct mullion_pci_info *bridge, uint32_t owner) {
    uint32_t buses = pci_host_read(bridge->bdf, BRIDGE_BUSES);
    for (uint32_t i = 0; i < pci_host_count(); i++) {
        const struct mullion_pci_info *info = &pci_host_function(i)->info;
        uint32_t bus = info->bdf >> 8;
        bool below = info->segment == 0 && bus >= (buses >> 8 & 0xff) && bus <= (buses >> 16 & 0xff);
        if (below && info->owner != owner) { return false; }
    }
    return true;
}

static void set_bus_reset(const struct mullion_pci_info *bridge, bool on) {
    uint32_t control = pci_host_read(bridge->bdf, BRIDGE_CONTROL) & ~(uint32_t)BRIDGE_RESET;
    pci_host_write(bridge->bdf, BRIDGE_CONTROL, control | (on ? (uint32_t)BRIDGE_RESET : 0), 0xffff0000);
}

/** What takes its time is over, or is ended, in end_reset(): the VMM does not wait. @return false: there is no way */
static bool begin_reset(struct passed *f) {
    uint16_t bdf = f->host->info.bdf;
    const struct mullion_pci_info *bridge = bridge_to(bdf >> 8);
    uint32_t express = pci_host_find(bdf, PCI_CAP_EXPRESS), af = pci_host_find(bdf, PCI_CAP_AF);
    f->asleep = false;
    if (express != 0 && (pci_host_read(bdf, express + 4) & EXPRESS_CAN_FLR) != 0) {
        pci_host_write(bdf, express + 8, pci_host_read(bdf, express + 8) | (uint32_t)EXPRESS_FLR, 0xffff);
    } else if (af != 0 && (pci_host_read(bdf, af) & AF_CAN_FLR) != 0) {
        pci_host_write(bdf, af + 4, AF_FLR, 0xff);
    } else if (f->pm_at != 0 && (pci_host_read(bdf, f->pm_at + 4) & PM_NO_SOFT_RESET) == 0) {
        pci_host_write(bdf, f->pm_at + 4, PM_D3_HOT, 0xff);
        f->asleep = true;
    } else if (bridge != NULL && owns_all_below(bridge, f->owner->id)) {
        set_bus_reset(bridge, true);
    } else {
        return false;
    }
    return true;
}

static void end_reset(const struct passed *f) {
    const struct mullion_pci_info *bridge = bridge_to(f->host->info.bdf >> 8);
    if (bridge != NULL) { set_bus_reset(bridge, false); }
    if (f->asleep) { pci_host_write(f->host->info.bdf, f->pm_at + 4, 0, 0xff); }
}

/* ---- given and taken ---- */

/** Virtual places, naturally aligned, above those of the functions before. */
static bool place_bars(struct passed *f, uint64_t *end) {
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint64_t bytes = f->host->bars[i].bytes;
        if (bytes == 0) { continue; }
        if (bytes > MACHINE_PCI_MMIO_END - MACHINE_HOST_BAR_BASE) { return false; }
        f->bars[i] = (struct pci_bar){.value = (uint32_t)align_up(*end, bytes), .size = (uint32_t)bytes};
        *end = f->bars[i].value + bytes;
        if (*end > MACHINE_PCI_MMIO_END) { return false; }
    }
    return true;
}

static bool find_table(struct passed *f) {
    uint16_t bdf = f->host->info.bdf;
    f->msix_at = pci_host_find(bdf, PCI_CAP_MSIX);
    uint32_t count = (pci_host_read(bdf, f->msix_at) >> 16 & 0x7ff) + 1, where = pci_host_read(bdf, f->msix_at + 4);
    msix_reset(&f->msix, (uint16_t)(count < MSIX_MAX ? count : MSIX_MAX));
    uint32_t bar = where & NO_BAR;
    uint64_t offset = where & ~NO_BAR;
    f->table_bytes = count * MSIX_ENTRY_BYTES;
    if (bar >= PCI_BARS || offset + f->table_bytes > f->bars[bar].size) { return false; }
    f->table = f->bars[bar].value + offset;
    f->trapped = align_down(f->table, PAGE_BYTES);
    f->trapped_bytes = align_up(f->table + f->table_bytes, PAGE_BYTES) - f->trapped;
    return true;
}

static int map_piece(struct npt *npt, const struct passed *f, uint32_t i, uint64_t from, uint64_t to) {
    uint64_t host = f->host->bars[i].address + (from - f->bars[i].value);
    return from < to ? npt_map(npt, gpa(from), hpa(host), to - from, true) : 0;
}

/** The trapped pages are the VMM's, the rest of the BARs the guest's. */
static int map_bars(struct npt *npt, struct passed *f) {
    int error = 0;
    f->mapped = DEVICE_BASE + f->host->info.index * TABLE_SPACING;
    for (uint32_t i = 0; i < PCI_BARS && error == 0; i++) {
        uint64_t start = f->bars[i].value, end = start + f->bars[i].size;
        bool traps = f->trapped >= start && f->trapped < end;
        error = map_piece(npt, f, i, start, traps ? f->trapped : end);
        if (traps && error == 0) {
            hpa_t device = hpa(f->host->bars[i].address + (f->trapped - start));
            error = paging_map_device(f->mapped, device, f->trapped_bytes);
            error = error == 0 ? map_piece(npt, f, i, f->trapped + f->trapped_bytes, end) : error;
        }
    }
    return error;
}

/** All that can fail; what it leaves in the partition's tables is taken out again. */
static int prepare(struct partition *p, struct passed *f) {
    uint64_t end = bars_end;
    if (!place_bars(f, &end)) { return -MULLION_E_PCI_ROOM; }
    if (!find_table(f) || cpu_at(0)->apic_id > MSI_TARGET_MAX) { return -MULLION_E_PCI_UNUSABLE; }
    if (!take_vectors(f)) { return -MULLION_E_PCI_ROOM; }
    int error = map_bars(&p->npt, f);
    if (error != 0) {
        npt_unmap(&p->npt, gpa(bars_end), end - bars_end);
        return error;
    }
    bars_end = end;
    return 0;
}

static int check_assign(const struct partition *p, const struct mullion_pci_assign *request) {
    if (request->zero != 0) { return -MULLION_E_NOT_ZERO; }
    if (request->slot == 0 || request->slot >= MACHINE_SLOTS || request->index >= pci_host_count()) {
        return -MULLION_E_RANGE;
    }
    if (p->state != MULLION_STATE_DEFINED || !p->shares_cpu0) { return -MULLION_E_STATE; }
    if (p->pci.slots[request->slot].ops != NULL) { return -MULLION_E_SLOT_BUSY; }
    const struct mullion_pci_info *info = &pci_host_function(request->index)->info;
    if (info->use != MULLION_PCI_USABLE) { return -MULLION_E_PCI_UNUSABLE; }
    return info->owner != 0 ? -MULLION_E_PCI_BUSY : 0;
}

int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request) {
    int error = check_assign(p, request);
    if (error != 0) { return error; }
    struct passed *f = &functions[request->slot];
    *f = (struct passed){.host = pci_host_function(request->index)};
    error = prepare(p, f);
    if (error != 0) { return error; }
    f->owner = p;
    f->pm_at = pci_host_find(f->host->info.bdf, PCI_CAP_PM);
    f->asleep = f->pm_at != 0;
    f->host->info.owner = p->id;
    f->host->info.slot = request->slot;
    for (unsigned i = 0; i < f->msix.count; i++) {
        vectors[f->vectors[i] - VECTOR_FIRST].f = f;
        vectors[f->vectors[i] - VECTOR_FIRST].entry = (uint8_t)i;
    }
    end_reset(f);
    filter_config(f);
    p->pci.slots[request->slot] = (struct pci_slot){&ops, f};
    return 0;
}

void passthrough_quiesce(const struct partition *p) {
    for (struct passed *f = functions; f < functions + MACHINE_SLOTS; f++) {
        if (f->owner != p) { continue; }
        uint16_t bdf = f->host->info.bdf;
        pci_host_write(bdf, PCI_COMMAND, pci_host_read(bdf, PCI_COMMAND) & ~(uint32_t)PCI_COMMAND_MASTER, 0xffff);
        msix_reset(&f->msix, f->msix.count);
        write_msix_control(f, 0);
        f->host->info.use = begin_reset(f) ? MULLION_PCI_USABLE : MULLION_PCI_NO_RESET;
    }
}

int passthrough_wake(const struct partition *p) {
    int error = 0;
    for (const struct passed *f = functions; f < functions + MACHINE_SLOTS; f++) {
        if (f->owner != p) { continue; }
        end_reset(f);
        error = f->host->info.use != MULLION_PCI_USABLE ? -MULLION_E_PCI_UNUSABLE : error;
    }
    return error;
}

void passthrough_release(const struct partition *p) {
    for (struct passed *f = functions; f < functions + MACHINE_SLOTS; f++) {
        if (f->owner != p) { continue; }
        for (unsigned i = 0; i < f->msix.count; i++) { vectors[f->vectors[i] - VECTOR_FIRST].f = NULL; }
        f->owner = NULL;
        f->host->info.owner = f->host->info.slot = 0;
        bars_end = MACHINE_HOST_BAR_BASE; /* there is one owner at most */
    }
}
