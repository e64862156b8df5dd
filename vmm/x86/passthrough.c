/* SPDX-License-Identifier: MIT */
#include "x86/passthrough.h"

#include "core/interrupt.h"
#include "core/vmm.h"
#include "dev/msix.h"
#include "mullion/machine.h"
#include "x86/paging.h"
#include "x86/pci_host.h"
#include "x86/tsc.h"

#define CONFIG_BYTES     256u /* mechanism 1 reaches no more: extended capabilities exist for nobody */
#define ALL              UINT32_MAX
#define VECTOR_FIRST     0x30u
#define TABLE_SPACING    0x10000ull /* 2048 entries, not page aligned, fit */
#define TABLE_BAR        7u
#define EXPRESS_CAN_FLR  BIT(28)
#define EXPRESS_FLR      BIT(15)
#define PM_STATE         3u /* D3hot, or the field */
#define PM_NO_SOFT_RESET BIT(3)
#define BRIDGE_BUSES     0x18u
#define BRIDGE_CONTROL   0x3cu
#define BRIDGE_RESET     BIT(22)
#define BUS_RESET_US     1000u

struct passed {
    struct pci_host_function *host;
    struct pci_bar bars[PCI_BARS];
    struct msix msix;
    uint32_t msix_at, pm_at, vector; /* capabilities (pm_at: 0 if it has none); host vector of the first entry */
    uint64_t table, table_bytes, trapped, trapped_bytes; /* guest-physical: the table, and the pages that hold it */
    uint64_t device, mapped;                             /* these pages in the box, and where the VMM sees them */
};

/* There is one owner at most; functions stay with it until it is destroyed. */
static const struct partition *owner;
static struct passed functions[MACHINE_SLOTS];
static uint32_t used, vectors_end = VECTOR_FIRST;
static uint64_t bars_end = MACHINE_HOST_BAR_BASE;

/* ---- configuration space ---- */

struct register_rule {
    uint8_t id, first, last; /* of the capability, 0: the header; registers in there */
    uint32_t shown, writable;
};

/* A capability without a rule for its first register is not known: it cannot be found, nor that register be written,
 * which holds the enable bits of MSI. What else no rule names is passed on: drivers keep registers of their devices
 * outside all capabilities (tg3, bnx2x) and in vendor-specific ones (mlx5). INTx, I/O, the ROM and the BARs are not the
 * box's. A function stays in D0, since on the way back it might lose its BARs, and who wakes the box is not the
 * guest's; it gets no FLR behind the VMM's back; sizes and links are settled between the firmware and the bridges
 * above, which leaves relaxed ordering, no snoop and the size of read requests. Errors seen are cleared by writing
 * ones. */
static const struct register_rule rules[] = {
    {0, PCI_ID, PCI_ID, ALL, 0},
    {0, PCI_COMMAND, PCI_COMMAND, 0xfffffffe, 0xf9000000 | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY},
    {0, PCI_CLASS, PCI_CLASS, ALL, 0},
    {0, PCI_HEADER, PCI_HEADER, 0x007fffff, 0},
    {0, PCI_SUBSYSTEM, PCI_SUBSYSTEM, ALL, 0},
    {0, PCI_BAR, PCI_INTERRUPT, 0, 0},
    {PCI_CAP_PM, 0, 0, 0x07ff0000, 0},
    {PCI_CAP_PM, 4, 4, PM_STATE | PM_NO_SOFT_RESET, 0},
    {PCI_CAP_VPD, 0, 0, 0xffff0000, 0xffff0000},
    {PCI_CAP_VENDOR, 0, 0, 0xffff0000, 0xffff0000},
    {PCI_CAP_EXPRESS, 0, 0, 0xffff0000, 0},
    {PCI_CAP_EXPRESS, 4, 4, ALL & ~(uint32_t)EXPRESS_CAN_FLR, 0},
    {PCI_CAP_EXPRESS, 8, 8, ALL, 0x000f7810},
    {PCI_CAP_EXPRESS, 12, 16, ALL, 0},
    {PCI_CAP_MSIX, 0, 0, 0, 0},
    {PCI_CAP_MSIX, 4, 8, ALL, 0},
};
static const struct register_rule hidden = {0}, passed_on = {.shown = ALL, .writable = ALL};

static const struct register_rule *rule_of(uint32_t id, uint32_t offset) {
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (rules[i].id == id && offset >= rules[i].first && offset <= rules[i].last) { return &rules[i]; }
    }
    return offset == 0 ? &hidden : &passed_on;
}

/** The first known capability from the `i`-th on. */
static uint32_t visible_from(const struct pci_host_function *host, uint32_t i) {
    while (i < host->capability_count && rule_of(host->capabilities[i].id, 0) == &hidden) { i++; }
    return i < host->capability_count ? host->capabilities[i].at : 0;
}

/** The rule of a register; *link: identifier and next pointer if a known capability begins there. */
static const struct register_rule *look_up(const struct pci_host_function *host, uint32_t reg, uint32_t *link) {
    uint32_t id = 0, at = 0, next = 0;
    for (uint32_t i = 0; i < host->capability_count; i++) {
        const struct pci_host_capability *capability = &host->capabilities[i];
        if (capability->at > reg || capability->at < at) { continue; }
        id = capability->id;
        at = capability->at;
        next = i + 1;
    }
    const struct register_rule *rule = rule_of(id, reg - at);
    *link = id != 0 && reg == at && rule != &hidden ? id | visible_from(host, next) << 8 : 0;
    if (reg == PCI_CAPABILITIES) { *link = visible_from(host, 0); }
    return rule;
}

static bool is_bar(uint32_t reg) { return reg >= PCI_BAR && reg < PCI_BAR + 4 * PCI_BARS; }

static uint32_t config_read(void *device, uint32_t reg) {
    const struct passed *f = device;
    if (reg >= CONFIG_BYTES) { return 0; }
    if (is_bar(reg)) { return pci_bar_read(&f->bars[(reg - PCI_BAR) / 4]); }
    uint32_t link, shown = look_up(f->host, reg, &link)->shown;
    uint32_t control = reg == f->msix_at ? (uint32_t)msix_control(&f->msix) << 16 : 0;
    return (shown != 0 ? pci_host_read(f->host->info.bdf, reg) & shown : 0) | link | control;
}

/** A reset, the VMM's or the function's own, has switched decoding off and may have cleared the BARs. */
static void restore_bars(const struct pci_host_function *host) {
    if ((pci_host_read(host->info.bdf, PCI_COMMAND) & PCI_COMMAND_MEMORY) != 0) { return; }
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        pci_host_write(host->info.bdf, PCI_BAR + 4 * i, host->bars[i].value, ALL);
    }
}

/** Other bits of the bytes written stay as they are. */
static void write_through(const struct passed *f, uint32_t reg, uint32_t value, uint32_t lanes, uint32_t writable) {
    uint16_t bdf = f->host->info.bdf;
    uint32_t bits = writable & lanes;
    value = (value & bits) | (writable == ALL ? 0 : pci_host_read(bdf, reg) & ~bits);
    if (reg == PCI_COMMAND) {
        restore_bars(f->host);
        value |= (uint32_t)PCI_COMMAND_NO_INTX;
        lanes |= 0xffff;
    }
    if (bits != 0) { pci_host_write(bdf, reg, value, lanes); }
}

/* ---- interrupts ---- */

static void deliver(const struct passed *f, uint32_t entry) {
    interrupt_deliver_msi(owner, f->msix.entries[entry].address, f->msix.entries[entry].data);
}

void passthrough_interrupt(uint8_t vector) {
    for (struct passed *f = functions; f < functions + used; f++) {
        uint32_t entry = vector - f->vector;
        if (entry < f->msix.count && msix_raise(&f->msix, entry)) { deliver(f, entry); }
    }
}

static void deliver_unmasked(struct passed *f) {
    for (int entry = msix_unmasked(&f->msix); entry >= 0; entry = msix_unmasked(&f->msix)) {
        deliver(f, (uint32_t)entry);
    }
}

static void write_control(struct passed *f, uint16_t control) {
    msix_set_control(&f->msix, control);
    pci_host_write(f->host->info.bdf, f->msix_at, (uint32_t)control << 16, 0xffff0000);
    deliver_unmasked(f);
}

static void config_write(void *device, uint32_t reg, uint32_t value, uint32_t lanes) {
    struct passed *f = device;
    uint32_t link;
    if (reg >= CONFIG_BYTES) { return; }
    if (is_bar(reg)) {
        pci_bar_write(&f->bars[(reg - PCI_BAR) / 4], value, lanes);
    } else if (reg == f->msix_at) {
        uint32_t old = (uint32_t)msix_control(&f->msix) << 16;
        write_control(f, (uint16_t)(((old & ~lanes) | (value & lanes)) >> 16));
    } else {
        write_through(f, reg, value, lanes, look_up(f->host, reg, &link)->writable);
    }
}

static const struct pci_function_ops ops = {config_read, config_write};

/* ---- the pages with the MSI-X table ---- */

/** The function in whose trapped pages `address` lies, as a whole and aligned, or NULL. */
static struct passed *trapping(const struct partition *p, uint64_t address, unsigned bytes) {
    for (struct passed *f = functions; f < functions + used && p == owner && address % bytes == 0; f++) {
        if (address >= f->trapped && address - f->trapped < f->trapped_bytes) { return f; }
    }
    return NULL;
}

static volatile uint32_t *mapped_at(const struct passed *f, uint64_t address) {
    return (volatile uint32_t *)(f->mapped +
                                 (align_down(address, 4) - f->trapped)); // NOLINT(performance-no-int-to-ptr)
}

static bool in_table(const struct passed *f, uint64_t address) {
    return address >= f->table && address - f->table < f->table_bytes;
}

uint64_t passthrough_read(const struct partition *p, uint64_t offset, unsigned bytes) {
    uint64_t address = MACHINE_HOST_BAR_BASE + offset;
    const struct passed *f = trapping(p, address, bytes);
    if (f == NULL) { return UINT64_MAX; }
    if (in_table(f, address)) { return msix_table_read(&f->msix, address - f->table, bytes); }
    uint64_t low = mapped_at(f, address)[0], high = bytes == 8 ? mapped_at(f, address)[1] : 0;
    return (high << 32 | low) >> 8 * (address % 4);
}

/** The box's entry sends a message of the VMM's own to CPU 0, and is masked like the partition's. */
static void write_table(struct passed *f, uint64_t offset, unsigned bytes, uint64_t value) {
    uint64_t entry = offset / MSIX_ENTRY_BYTES;
    volatile uint32_t *hardware = mapped_at(f, f->table + entry * MSIX_ENTRY_BYTES);
    msix_table_write(&f->msix, offset, bytes, value);
    if (entry >= f->msix.count) { return; }
    hardware[3] = 1;
    hardware[0] = (uint32_t)MSI_ADDRESS | cpu_at(0)->apic_id << 12;
    hardware[1] = 0;
    hardware[2] = f->vector + (uint32_t)entry;
    hardware[3] = f->msix.entries[entry].masked;
    deliver_unmasked(f);
}

void passthrough_write(const struct partition *p, uint64_t offset, unsigned bytes, uint64_t value) {
    uint64_t address = MACHINE_HOST_BAR_BASE + offset;
    struct passed *f = trapping(p, address, bytes);
    if (f != NULL && in_table(f, address)) {
        write_table(f, address - f->table, bytes, value);
    } else if (f != NULL && bytes >= 4) { /* registers there are 32-bit: reading them narrowly harms nobody */
        mapped_at(f, address)[0] = (uint32_t)value;
        if (bytes == 8) { mapped_at(f, address)[1] = (uint32_t)(value >> 32); }
    }
}

/* ---- given ---- */

/** Virtual places, naturally aligned, above those of the functions before; 0 if the window is too small. */
static uint64_t place_bars(struct passed *f) {
    uint64_t end = bars_end;
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint64_t bytes = f->host->bars[i].bytes;
        if (bytes == 0) { continue; }
        end = align_up(end, bytes);
        f->bars[i] = (struct pci_bar){.value = (uint32_t)end, .size = (uint32_t)bytes};
        end += bytes;
        if (end > MACHINE_PCI_MMIO_END) { return 0; }
    }
    return end;
}

/** @return false if the table lies outside the BARs */
static bool find_table(struct passed *f) {
    uint32_t control = pci_host_read(f->host->info.bdf, f->msix_at) >> 16;
    uint32_t place = pci_host_read(f->host->info.bdf, f->msix_at + 4), bar = place & TABLE_BAR;
    uint32_t count = (control & 0x7ff) + 1, offset = place & ~TABLE_BAR;
    msix_reset(&f->msix, (uint16_t)(count < MSIX_MAX ? count : MSIX_MAX));
    f->table_bytes = count * MSIX_ENTRY_BYTES;
    if (bar >= PCI_BARS || offset + f->table_bytes > f->bars[bar].size) { return false; }
    f->table = f->bars[bar].value + offset;
    f->trapped = align_down(f->table, PAGE_BYTES);
    f->trapped_bytes = align_up(f->table + f->table_bytes, PAGE_BYTES) - f->trapped;
    f->device = f->host->bars[bar].address + (f->trapped - f->bars[bar].value);
    f->mapped = DEVICE_BASE + f->host->info.index * TABLE_SPACING;
    return true;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high) {
    return value < low ? low : value > high ? high : value;
}

/** Maps what of the BARs is not trapped; the rest is the VMM's. */
static int map_bars(struct npt *npt, const struct passed *f) {
    int error = paging_map_device(f->mapped, hpa(f->device), f->trapped_bytes);
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint64_t start = f->bars[i].value, end = start + f->bars[i].size, host = f->host->bars[i].address;
        uint64_t hole = clamp(f->trapped, start, end), rest = clamp(f->trapped + f->trapped_bytes, start, end);
        if (error == 0 && start < hole) { error = npt_map(npt, gpa(start), hpa(host), hole - start, true); }
        if (error == 0 && rest < end) { error = npt_map(npt, gpa(rest), hpa(host + (rest - start)), end - rest, true); }
    }
    return error;
}

/** Firmware may have left bridges closed on the way to a function that it had no use for. */
static void open_bridges(uint32_t bus) {
    for (uint32_t i = 0; i < pci_host_count(); i++) {
        const struct mullion_pci_info *info = &pci_host_function(i)->info;
        if (info->use != MULLION_PCI_BRIDGE) { continue; }
        uint32_t buses = pci_host_read(info->bdf, BRIDGE_BUSES), first = buses >> 8 & 0xff, last = buses >> 16 & 0xff;
        uint32_t command = pci_host_read(info->bdf, PCI_COMMAND) | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
        if (first != 0 && bus >= first && bus <= last) { pci_host_write(info->bdf, PCI_COMMAND, command, 0xffff); }
    }
}

static int check_assign(const struct partition *p, const struct mullion_pci_assign *request) {
    if (request->zero != 0) { return -MULLION_E_NOT_ZERO; }
    bool in_range = request->slot > 0 && request->slot < MACHINE_SLOTS && request->index < pci_host_count();
    if (!in_range) { return -MULLION_E_RANGE; }
    if (p->state != MULLION_STATE_DEFINED || !p->shares_cpu0) { return -MULLION_E_STATE; }
    if (p->pci.slots[request->slot].ops != NULL) { return -MULLION_E_SLOT_BUSY; }
    const struct mullion_pci_info *info = &pci_host_function(request->index)->info;
    if (info->owner != 0) { return -MULLION_E_PCI_BUSY; }
    return info->use != MULLION_PCI_USABLE || cpu_at(0)->apic_id > UINT8_MAX ? -MULLION_E_PCI_UNUSABLE : 0;
}

int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request) {
    int error = check_assign(p, request);
    if (error != 0) { return error; }
    struct passed *f = &functions[used];
    *f = (struct passed){.host = pci_host_function(request->index), .vector = vectors_end};
    f->msix_at = pci_host_find(f->host, PCI_CAP_MSIX);
    f->pm_at = pci_host_find(f->host, PCI_CAP_PM);
    uint64_t end = place_bars(f);
    if (end != 0 && !find_table(f)) { return -MULLION_E_PCI_UNUSABLE; }
    if (end == 0 || vectors_end + f->msix.count > VECTOR_TIMER) { return -MULLION_E_PCI_ROOM; }
    error = map_bars(&p->npt, f);
    if (error != 0) {
        npt_unmap(&p->npt, gpa(bars_end), end - bars_end);
        return error;
    }
    f->host->info.owner = p->id;
    f->host->info.slot = request->slot;
    p->pci.slots[request->slot] = (struct pci_slot){&ops, f};
    open_bridges(f->host->info.bdf >> 8);
    owner = p;
    used++;
    vectors_end += f->msix.count;
    bars_end = end;
    return passthrough_wake(p);
}

/* ---- taken ---- */

/** The bridge to the function's bus if all functions there have its owner, else NULL; a bridge among them has none. */
static const struct mullion_pci_info *own_bridge(const struct mullion_pci_info *of) {
    const struct mullion_pci_info *bridge = NULL;
    for (uint32_t i = 0; i < pci_host_count(); i++) {
        const struct mullion_pci_info *info = &pci_host_function(i)->info;
        bool neighbour = info->segment == 0 && info->bdf >> 8 == of->bdf >> 8;
        if (neighbour && info->owner != of->owner) { return NULL; }
        bool above = info->use == MULLION_PCI_BRIDGE &&
                     (pci_host_read(info->bdf, BRIDGE_BUSES) >> 8 & 0xff) == (uint32_t)of->bdf >> 8;
        bridge = above ? info : bridge;
    }
    return of->bdf >> 8 == 0 ? NULL : bridge;
}

static void reset_bus(uint16_t bridge) {
    uint32_t control = pci_host_read(bridge, BRIDGE_CONTROL);
    uint64_t end = rdtsc() + tsc_from_us(BUS_RESET_US);
    pci_host_write(bridge, BRIDGE_CONTROL, control | (uint32_t)BRIDGE_RESET, 0xffff0000);
    while (rdtsc() < end) { cpu_pause(); }
    pci_host_write(bridge, BRIDGE_CONTROL, control & ~(uint32_t)BRIDGE_RESET, 0xffff0000);
}

/** Nobody waits here until it is over: see PCI_ASSIGN in abi.h. @return false: there is no way */
static bool reset(const struct passed *f) {
    uint16_t bdf = f->host->info.bdf;
    uint32_t express = pci_host_find(f->host, PCI_CAP_EXPRESS);
    const struct mullion_pci_info *bridge = own_bridge(&f->host->info);
    if (express != 0 && (pci_host_read(bdf, express + 4) & EXPRESS_CAN_FLR) != 0) {
        pci_host_write(bdf, express + 8, pci_host_read(bdf, express + 8) | (uint32_t)EXPRESS_FLR, 0xffff);
    } else if (f->pm_at != 0 && (pci_host_read(bdf, f->pm_at + 4) & PM_NO_SOFT_RESET) == 0) {
        pci_host_write(bdf, f->pm_at + 4, PM_STATE, 0xff);
    } else if (bridge != NULL) {
        reset_bus(bridge->bdf);
    } else {
        return false;
    }
    return true;
}

void passthrough_quiesce(const struct partition *p) {
    for (struct passed *f = functions; f < functions + used && p == owner; f++) {
        uint16_t bdf = f->host->info.bdf;
        pci_host_write(bdf, PCI_COMMAND, pci_host_read(bdf, PCI_COMMAND) & ~(uint32_t)PCI_COMMAND_MASTER, 0xffff);
        (void)pci_host_read(bdf, PCI_COMMAND); /* its answer comes behind all that the function has written */
        msix_reset(&f->msix, f->msix.count);
        write_control(f, 0);
        f->host->info.use = reset(f) ? MULLION_PCI_USABLE : MULLION_PCI_NO_RESET;
    }
}

int passthrough_wake(const struct partition *p) {
    int error = 0;
    for (struct passed *f = functions; f < functions + used && p == owner; f++) {
        if (f->pm_at != 0) { pci_host_write(f->host->info.bdf, f->pm_at + 4, 0, 0xff); }
        error = f->host->info.use != MULLION_PCI_USABLE ? -MULLION_E_PCI_UNUSABLE : error;
    }
    return error;
}

void passthrough_release(const struct partition *p) {
    if (p != owner) { return; }
    for (uint32_t i = 0; i < used; i++) { functions[i].host->info.owner = functions[i].host->info.slot = 0; }
    owner = NULL;
    used = 0;
    vectors_end = VECTOR_FIRST;
    bars_end = MACHINE_HOST_BAR_BASE;
}
