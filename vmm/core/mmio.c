/* SPDX-License-Identifier: MIT */
/* Memory-mapped devices of a partition: an allow-list by table. An access elsewhere outside RAM stops the
 * partition. */
#include "core/core.h"

struct mmio_row {
    uint64_t base, bytes;
    uint64_t (*read)(struct partition *p, uint64_t offset, unsigned bytes);
    void (*write)(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value);
};

static uint64_t read_ioapic(struct partition *p, uint64_t offset, unsigned bytes) {
    return ioapic_read(&p->ioapic, offset);
}

static void write_ioapic(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value) {
    struct ioapic_message message;
    if (bytes == 4 && ioapic_write(&p->ioapic, offset, (uint32_t)value, &message)) {
        interrupt_deliver_message(p, &message);
    }
}

static uint64_t read_ecam(struct partition *p, uint64_t offset, unsigned bytes) {
    return pci_ecam_read(&p->pci, offset, bytes);
}

static void write_ecam(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value) {
    pci_ecam_write(&p->pci, offset, bytes, value);
}

static const struct mmio_row rows[] = {
    {MACHINE_IOAPIC_BASE, MACHINE_IOAPIC_BYTES, read_ioapic, write_ioapic},
    {MACHINE_ECAM_BASE, MACHINE_ECAM_BYTES, read_ecam, write_ecam},
    {MACHINE_PORT_BAR_BASE, (MACHINE_SLOTS * MACHINE_PORT_BAR_BYTES), ports_read, ports_write},
    {MACHINE_HOST_BAR_BASE, MACHINE_PCI_MMIO_END - MACHINE_HOST_BAR_BASE, passthrough_read, passthrough_write},
};

static const struct mmio_row *row_of(uint64_t address) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (address >= rows[i].base && address - rows[i].base < rows[i].bytes) { return &rows[i]; }
    }
    return NULL;
}

static uint64_t register_value(const struct vcpu *vcpu, const struct insn *insn) {
    return insn->gpr == RSP ? hvm->read(vcpu, HVM_RSP) : vcpu->gpr[insn->gpr];
}

static uint64_t source_value(const struct vcpu *vcpu, const struct insn *insn) {
    uint64_t value = register_value(vcpu, insn) >> (insn->high_byte ? 8 : 0);
    return (insn->has_immediate ? insn->immediate : value) & bytes_mask(insn->access_bytes);
}

/** A register of 4 or 8 bytes is written whole, a smaller one keeps the rest. */
static void load_register(struct vcpu *vcpu, const struct insn *insn, uint64_t value) {
    unsigned shift = insn->high_byte ? 8 : 0;
    uint64_t mask = bytes_mask(insn->register_bytes) << shift;
    uint64_t kept = insn->register_bytes < 4 ? register_value(vcpu, insn) & ~mask : 0;
    uint64_t sign = BIT(8 * insn->access_bytes - 1);
    value &= bytes_mask(insn->access_bytes);
    value = insn->sign_extend ? (value ^ sign) - sign : value;
    value = kept | (value << shift & mask);
    if (insn->gpr == RSP) {
        hvm->write(vcpu, HVM_RSP, value);
    } else {
        vcpu->gpr[insn->gpr] = value;
    }
}

static void emulate(struct vcpu *vcpu, const struct mmio_row *row, const struct insn *insn) {
    uint64_t offset = vcpu->exit.gpa - row->base;
    spin_lock(&vcpu->partition->device_lock);
    if (insn->kind == INSN_MOV_STORE) {
        row->write(vcpu->partition, offset, insn->access_bytes, source_value(vcpu, insn));
    } else if (insn->kind == INSN_MOV_LOAD) {
        load_register(vcpu, insn, row->read(vcpu->partition, offset, insn->access_bytes));
    }
    spin_unlock(&vcpu->partition->device_lock);
    hvm->skip(vcpu, insn->length);
}

void exit_mmio(struct vcpu *vcpu) {
    const struct mmio_row *row = row_of(vcpu->exit.gpa);
    if (row == NULL || vcpu->exit.is_fetch) {
        partition_end(vcpu, MULLION_REASON_MMIO_UNMAPPED, vcpu->exit.gpa);
        return;
    }
    struct insn insn;
    uint64_t linear;
    int error = guest_decode(vcpu, &insn, &linear);
    enum insn_kind wanted = vcpu->exit.is_write ? INSN_MOV_STORE : INSN_MOV_LOAD;
    bool inside = error == 0 && vcpu->exit.gpa - row->base + insn.access_bytes <= row->bytes;
    if (error == -MULLION_E_BAD_ADDRESS) {
        partition_end(vcpu, MULLION_REASON_BAD_PAGE_TABLE, linear);
    } else if (error != 0 || insn.kind != wanted || !inside) {
        partition_end(vcpu, MULLION_REASON_MMIO_INSTRUCTION, vcpu->exit.gpa);
    } else {
        emulate(vcpu, row, &insn);
    }
}
