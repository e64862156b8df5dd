/* SPDX-License-Identifier: MIT */
#include "core/core.h"

#define PTE_ADDRESS   0x000ffffffffff000ull
#define PDE32_ADDRESS 0xffc00000ull

enum { PTE_PRESENT = 1 << 0, PTE_LARGE = 1 << 7, PDPTR_LEGACY = 4 };

static bool read_entry(const struct partition *p, uint64_t table, uint64_t index, unsigned bytes, uint64_t *entry) {
    *entry = 0;
    return partition_read(p, gpa(table + index * bytes), entry, bytes) == 0 && (*entry & PTE_PRESENT) != 0;
}

/** 32-bit paging without PAE: 4 KiB and, with PSE, 4 MiB pages. */
static bool walk_legacy(const struct vcpu *vcpu, uint64_t linear, uint64_t *physical) {
    uint64_t entry, table = hvm->read(vcpu, HVM_CR3) & 0xfffff000;
    if (!read_entry(vcpu->partition, table, linear >> 22 & 1023, 4, &entry)) { return false; }
    if ((entry & PTE_LARGE) != 0 && (hvm->read(vcpu, HVM_CR4) & CR4_PSE) != 0) {
        *physical = (entry & PDE32_ADDRESS) | (entry >> 13 & 0xff) << 32 | (linear & 0x3fffff);
        return true;
    }
    if (!read_entry(vcpu->partition, entry & 0xfffff000, linear >> 12 & 1023, 4, &entry)) { return false; }
    *physical = (entry & 0xfffff000) | (linear & 0xfff);
    return true;
}

/** PAE (3 levels) and long mode (4 levels). */
static bool walk_pae(const struct vcpu *vcpu, uint64_t linear, bool long_mode, uint64_t *physical) {
    uint64_t table = hvm->read(vcpu, HVM_CR3) & (long_mode ? PTE_ADDRESS : 0xffffffe0);
    for (unsigned shift = long_mode ? 39 : 30;; shift -= 9) {
        uint64_t entry;
        uint64_t index = linear >> shift & (shift == 30 && !long_mode ? PDPTR_LEGACY - 1 : 511);
        if (!read_entry(vcpu->partition, table, index, 8, &entry)) { return false; }
        bool can_be_large = shift == 21 || (shift == 30 && long_mode);
        if (shift == 12 || (can_be_large && (entry & PTE_LARGE) != 0)) {
            uint64_t offset = BIT(shift) - 1;
            *physical = (entry & PTE_ADDRESS & ~offset) | (linear & offset);
            return true;
        }
        table = entry & PTE_ADDRESS;
    }
}

static bool walk(const struct vcpu *vcpu, uint64_t linear, uint64_t *physical) {
    *physical = linear;
    if ((hvm->read(vcpu, HVM_CR0) & CR0_PG) == 0) { return true; }
    if ((hvm->read(vcpu, HVM_CR4) & CR4_PAE) == 0) { return walk_legacy(vcpu, linear, physical); }
    return walk_pae(vcpu, linear, (hvm->read(vcpu, HVM_EFER) & EFER_LMA) != 0, physical);
}

/** Reads as many bytes as lie on mapped pages, at most INSN_MAX_BYTES. */
static size_t fetch(const struct vcpu *vcpu, uint64_t linear, uint8_t *bytes) {
    size_t have = 0;
    while (have < INSN_MAX_BYTES) {
        uint64_t physical;
        uint64_t in_page = PAGE_BYTES - (linear + have) % PAGE_BYTES;
        size_t step = in_page < INSN_MAX_BYTES - have ? (size_t)in_page : INSN_MAX_BYTES - have;
        if (!walk(vcpu, linear + have, &physical)) { break; }
        if (partition_read(vcpu->partition, gpa(physical), bytes + have, step) != 0) { break; }
        have += step;
    }
    return have;
}

int guest_decode(const struct vcpu *vcpu, struct insn *insn, uint64_t *linear) {
    uint8_t bytes[INSN_MAX_BYTES];
    struct hvm_code code = hvm->code(vcpu);
    *linear = hvm->read(vcpu, HVM_RIP);
    if (!code.long_mode) { *linear = (*linear + hvm->read(vcpu, HVM_CS_BASE)) & UINT32_MAX; }
    size_t have = fetch(vcpu, *linear, bytes);
    if (have == 0) { return -MULLION_E_BAD_ADDRESS; }
    enum insn_mode mode = code.long_mode ? INSN_MODE_64 : code.big ? INSN_MODE_32 : INSN_MODE_16;
    return insn_decode(bytes, have, mode, insn) == 0 ? 0 : -MULLION_E_RANGE;
}
