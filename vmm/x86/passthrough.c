/* SPDX-License-Identifier: MIT */
#include "core/core.h"
#include "dev/msix.h"

#define CONFIG_BYTES  256u /* mechanism 1 reaches no more: extended capabilities exist for nobody */
#define ALL           UINT32_MAX
#define TABLE_SPACING 0x10000ull /* 2048 entries, not page aligned, fit */
#define TABLE_BAR     7u

enum { EXPRESS_FLR = 1 << 15, EXPRESS_CAN_FLR = 1 << 28, PM_STATE = 3 /* D3hot, or the field */ };
enum { PM_NO_SOFT_RESET = 1 << 3, D3HOT_US = 10000, BRIDGE_BUSES = 0x18, VECTOR_FIRST = 0x30 };

struct passed {
    struct pci_host_function *host;
    struct pci_bar bars[PCI_BARS];
    struct msix msix;
    uint32_t msix_at, vector;                      /* capability; host vector of the first entry */
    uint64_t trapped, trapped_end, table, entries; /* guest-physical: pages, the table in them; the box's for the VMM */
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
    {0, PCI_COMMAND, PCI_COMMAND, 0xfffffffe, 0xf9000000 | PCI_COMMAND_MASTER},
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
    {PCI_CAP_EXPRESS, 40, 48, ALL, 0},
    {PCI_CAP_MSIX, 0, 0, 0, 0},
    {PCI_CAP_MSIX, 4, 8, ALL, 0},
    {PCI_CAP_AF, 4, 4, 0, 0},
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
    struct pci_host_capability in = {0};
    *link = reg == PCI_CAPABILITIES ? visible_from(host, 0) : 0;
    for (uint32_t i = 0; i < host->capability_count; i++) {
        struct pci_host_capability found = host->capabilities[i];
        if (found.at <= reg && found.at >= in.at) { in = found; }
        if (found.at == reg && rule_of(found.id, 0) != &hidden) { *link = found.id | visible_from(host, i + 1) << 8; }
    }
    return rule_of(in.id, reg - in.at);
}

static uint32_t config_read(void *device, uint32_t reg) {
    const struct passed *f = device;
    uint32_t bar = (reg - PCI_BAR) / 4, link, shown;
    if (reg >= CONFIG_BYTES) { return 0; }
    if (bar < PCI_BARS) { return pci_bar_read(&f->bars[bar]); }
    shown = look_up(f->host, reg, &link)->shown;
    if (reg == f->msix_at) { link |= (uint32_t)msix_control(&f->msix) << 16; }
    return (shown != 0 ? pci_host_read(f->host->info.bdf, reg) & shown : 0) | link;
}

/** A reset, the VMM's or the function's own, has switched decoding off and may have cleared what firmware settled. */
static void restore(const struct pci_host_function *host) {
    uint16_t bdf = host->info.bdf;
    uint32_t express = pci_host_find(host, PCI_CAP_EXPRESS);
    if ((pci_host_read(bdf, PCI_COMMAND) & PCI_COMMAND_MEMORY) != 0) { return; }
    for (uint32_t i = 0; i < PCI_BARS; i++) { pci_host_write(bdf, PCI_BAR + 4 * i, host->bars[i].value, ALL); }
    if (express != 0) { pci_host_write(bdf, express + PCI_EXPRESS_CONTROL, host->device_control, 0xffff); }
}

/** Other bits of the bytes written stay as they are. BARs that are mapped decode; INTx is nobody's. */
static void write_through(const struct passed *f, uint32_t reg, uint32_t value, uint32_t lanes, uint32_t writable) {
    uint16_t bdf = f->host->info.bdf;
    uint32_t bits = writable & lanes;
    value = (value & bits) | (writable == ALL ? 0 : pci_host_read(bdf, reg) & ~bits);
    if (reg == PCI_COMMAND) {
        restore(f->host);
        value |= (uint32_t)(PCI_COMMAND_NO_INTX | PCI_COMMAND_MEMORY);
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
        if (msix_raise(&f->msix, vector - f->vector)) { deliver(f, vector - f->vector); }
    }
}

static void deliver_unmasked(struct passed *f) {
    for (int entry; (entry = msix_unmasked(&f->msix)) >= 0;) { deliver(f, (uint32_t)entry); }
}

static void write_control(struct passed *f, uint16_t control) {
    msix_set_control(&f->msix, control);
    pci_host_write(f->host->info.bdf, f->msix_at, (uint32_t)control << 16, 0xffff0000);
    deliver_unmasked(f);
}

static void config_write(void *device, uint32_t reg, uint32_t value, uint32_t lanes) {
    struct passed *f = device;
    uint32_t bar = (reg - PCI_BAR) / 4, control = (uint32_t)msix_control(&f->msix) << 16, link;
    if (reg >= CONFIG_BYTES) { return; }
    if (bar < PCI_BARS) {
        pci_bar_write(&f->bars[bar], value, lanes);
    } else if (reg == f->msix_at) {
        write_control(f, (uint16_t)(((control & ~lanes) | (value & lanes)) >> 16));
    } else {
        write_through(f, reg, value, lanes, look_up(f->host, reg, &link)->writable);
    }
}

static const struct pci_function_ops ops = {config_read, config_write};

/* ---- the pages with the MSI-X table: nothing else is found there ---- */

static struct passed *trapping(const struct partition *p, uint64_t address) {
    for (struct passed *f = functions; f < functions + used && p == owner; f++) {
        if (address >= f->trapped && address < f->trapped_end) { return f; }
    }
    return NULL;
}

uint64_t passthrough_read(struct partition *p, uint64_t offset, unsigned bytes) {
    const struct passed *f = trapping(p, MACHINE_HOST_BAR_BASE + offset);
    return f != NULL ? msix_table_read(&f->msix, MACHINE_HOST_BAR_BASE + offset - f->table, bytes) : UINT64_MAX;
}

/** The box's entry sends a message of the VMM's own to CPU 0, and is masked like the partition's. */
void passthrough_write(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value) {
    struct passed *f = trapping(p, MACHINE_HOST_BAR_BASE + offset);
    uint64_t at = f != NULL ? MACHINE_HOST_BAR_BASE + offset - f->table : 0, entry = at / MSIX_ENTRY_BYTES;
    if (f == NULL || entry >= f->msix.count) { return; }
    msix_table_write(&f->msix, at, bytes, value);
    volatile uint32_t *hardware = (uint32_t *)f->entries + 4 * entry; // NOLINT(performance-no-int-to-ptr)
    hardware[3] = 1;
    hardware[0] = (uint32_t)MSI_ADDRESS | cpu_at(0)->apic_id << 12;
    hardware[1] = 0;
    hardware[2] = f->vector + (uint32_t)entry;
    hardware[3] = f->msix.entries[entry].masked;
    deliver_unmasked(f);
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

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high) {
    return value < low ? low : value > high ? high : value;
}

/** Maps what of a BAR is not trapped; the rest is the VMM's. */
static int map_bar(struct npt *npt, const struct passed *f, uint32_t bar) {
    uint64_t start = f->bars[bar].value, end = start + f->bars[bar].size, host = f->host->bars[bar].address;
    uint64_t hole = clamp(f->trapped, start, end), rest = clamp(f->trapped_end, start, end);
    int error = start < hole ? npt_map_device(npt, gpa(start), hpa(host), hole - start) : 0;
    if (error != 0 || rest == end) { return error; }
    return npt_map_device(npt, gpa(rest), hpa(host + (rest - start)), end - rest);
}

static int map_bars(struct npt *npt, struct passed *f) {
    uint32_t control = pci_host_read(f->host->info.bdf, f->msix_at) >> 16;
    uint32_t place = pci_host_read(f->host->info.bdf, f->msix_at + 4), bar = place & TABLE_BAR;
    uint32_t count = (control & 0x7ff) + 1, offset = place & ~TABLE_BAR, bytes = count * MSIX_ENTRY_BYTES;
    if (bar >= PCI_BARS || offset + bytes > f->bars[bar].size) { return -MULLION_E_PCI_UNUSABLE; }
    msix_reset(&f->msix, (uint16_t)(count < MSIX_MAX ? count : MSIX_MAX));
    if (f->vector + f->msix.count > VECTOR_TIMER) { return -MULLION_E_PCI_ROOM; }
    f->table = f->bars[bar].value + offset;
    f->trapped = align_down(f->table, PAGE_BYTES);
    f->trapped_end = align_up(f->table + bytes, PAGE_BYTES);
    uint64_t at = DEVICE_BASE + f->host->info.index * TABLE_SPACING;
    uint64_t device = f->host->bars[bar].address + (f->trapped - f->bars[bar].value);
    f->entries = at + offset % PAGE_BYTES;
    int error = paging_map_device(at, hpa(device), f->trapped_end - f->trapped);
    for (uint32_t i = 0; i < PCI_BARS && error == 0; i++) { error = map_bar(npt, f, i); }
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

/** By FLR, which goes on while nobody waits for it here (see PCI_ASSIGN in abi.h), else by way of D3hot, in which
 * firmware may have left it, too. @return false: it has no way */
static bool reset(const struct pci_host_function *host) {
    uint16_t bdf = host->info.bdf;
    uint32_t express = pci_host_find(host, PCI_CAP_EXPRESS), pm = pci_host_find(host, PCI_CAP_PM);
    if (pm != 0) { pci_host_write(bdf, pm + 4, 0, 0xff); }
    if (express != 0 && (pci_host_read(bdf, express + 4) & EXPRESS_CAN_FLR) != 0) {
        uint32_t control = pci_host_read(bdf, express + PCI_EXPRESS_CONTROL) | (uint32_t)EXPRESS_FLR;
        pci_host_write(bdf, express + PCI_EXPRESS_CONTROL, control, 0xffff);
        return true;
    }
    if (pm == 0 || (pci_host_read(bdf, pm + 4) & PM_NO_SOFT_RESET) != 0) { return false; }
    pci_host_write(bdf, pm + 4, PM_STATE, 0xff);
    for (uint64_t end = rdtsc() + tsc_from_us(D3HOT_US); rdtsc() < end;) { cpu_pause(); }
    pci_host_write(bdf, pm + 4, 0, 0xff);
    return true;
}

/** Firmware may have left the function receiving, into memory that is somebody else's now: it is reset here, too. */
int passthrough_assign(struct partition *p, const struct mullion_pci_assign *request) {
    int error = check_assign(p, request);
    if (error != 0) { return error; }
    struct passed *f = &functions[used];
    *f = (struct passed){.host = pci_host_function(request->index), .vector = vectors_end};
    f->msix_at = pci_host_find(f->host, PCI_CAP_MSIX);
    uint64_t end = place_bars(f);
    if (end == 0) { return -MULLION_E_PCI_ROOM; }
    error = map_bars(&p->npt, f);
    if (error != 0) {
        npt_unmap(&p->npt, gpa(bars_end), end - bars_end);
        return error;
    }
    f->host->info.owner = p->id;
    f->host->info.slot = request->slot;
    p->pci.slots[request->slot] = (struct pci_slot){&ops, f};
    open_bridges(f->host->info.bdf >> 8);
    (void)reset(f->host);
    owner = p;
    used++;
    vectors_end += f->msix.count;
    bars_end = end;
    return 0;
}

/* ---- taken ---- */

void passthrough_quiesce(const struct partition *p) {
    for (struct passed *f = functions; f < functions + used && p == owner; f++) {
        uint16_t bdf = f->host->info.bdf;
        pci_host_write(bdf, PCI_COMMAND, pci_host_read(bdf, PCI_COMMAND) & ~(uint32_t)PCI_COMMAND_MASTER, 0xffff);
        (void)pci_host_read(bdf, PCI_COMMAND); /* its answer comes behind all that the function has written */
        msix_reset(&f->msix, f->msix.count);
        write_control(f, 0);
        if (!reset(f->host)) { f->host->info.use = MULLION_PCI_NO_RESET; }
    }
}

int passthrough_check_reset(const struct partition *p) {
    for (const struct passed *f = functions; f < functions + used && p == owner; f++) {
        if (f->host->info.use != MULLION_PCI_USABLE) { return -MULLION_E_PCI_UNUSABLE; }
    }
    return 0;
}

void passthrough_release(const struct partition *p) {
    if (p != owner) { return; }
    for (uint32_t i = 0; i < used; i++) { functions[i].host->info.owner = functions[i].host->info.slot = 0; }
    owner = NULL;
    used = 0;
    vectors_end = VECTOR_FIRST;
    bars_end = MACHINE_HOST_BAR_BASE;
}
