/* SPDX-License-Identifier: MIT */
/* I/O ports of a partition: an allow-list by table. A port outside it reads as all ones and ignores writes.
 */
#include "core/core.h"

/* Read and write with the partition's device lock held. */
struct port_row {
    uint16_t first, last;
    uint32_t (*read)(struct vcpu *vcpu, uint16_t port, unsigned bytes);
    void (*write)(struct vcpu *vcpu, uint16_t port, unsigned bytes, uint32_t value);
};

static void uart_line_changed(struct partition *p) {
    if (uart_edge(&p->uart)) { partition_interrupt_pin(p, MACHINE_GSI_UART); }
}

static uint32_t read_uart(struct vcpu *vcpu, uint16_t port, unsigned bytes) {
    uint8_t value = uart_read(&vcpu->partition->uart, port - MACHINE_PORT_UART);
    uart_line_changed(vcpu->partition);
    return value;
}

static void write_uart(struct vcpu *vcpu, uint16_t port, unsigned bytes, uint32_t value) {
    struct partition *p = vcpu->partition;
    uint64_t before = p->uart.output_next;
    uart_write(&p->uart, port - MACHINE_PORT_UART, (uint8_t)value);
    uart_line_changed(p);
    if (p->uart.output_next != before) { event_post_console(p->id); }
}

static uint32_t read_power(struct vcpu *vcpu, uint16_t port, unsigned bytes) {
    return power_read(&vcpu->partition->power, port);
}

static void write_power(struct vcpu *vcpu, uint16_t port, unsigned bytes, uint32_t value) {
    switch (power_write(&vcpu->partition->power, port, (uint8_t)value)) {
    case POWER_NOTHING: break;
    case POWER_OFF: partition_end(vcpu, MULLION_REASON_POWER_OFF, 0); break;
    case POWER_RESET: partition_end(vcpu, MULLION_REASON_RESET, 0); break;
    }
}

static uint32_t read_pci(struct vcpu *vcpu, uint16_t port, unsigned bytes) {
    return pci_port_read(&vcpu->partition->pci, port, bytes);
}

static void write_pci(struct vcpu *vcpu, uint16_t port, unsigned bytes, uint32_t value) {
    pci_port_write(&vcpu->partition->pci, port, bytes, value);
}

static uint32_t read_ones(struct vcpu *vcpu, uint16_t port, unsigned bytes) { return UINT32_MAX; }

static void write_notify(struct vcpu *vcpu, uint16_t port, unsigned bytes, uint32_t value) {
    ports_notify(vcpu->partition, port - MACHINE_PORT_NOTIFY, value);
}

/* The first row that holds the whole access counts: a byte at 0xcf9 is no access to PCI's address register. */
static const struct port_row rows[] = {
    {MACHINE_PORT_UART, MACHINE_PORT_UART + 7, read_uart, write_uart},
    {MACHINE_PORT_SLEEP_CONTROL, MACHINE_PORT_EVENT, read_power, write_power},
    {POWER_PORT_CF9, POWER_PORT_CF9, read_pci, write_power},
    {MACHINE_PORT_PCI_ADDRESS, MACHINE_PORT_PCI_DATA + 3, read_pci, write_pci},
    {MACHINE_PORT_NOTIFY, MACHINE_PORT_NOTIFY + MACHINE_SLOTS *MACHINE_PORT_NOTIFY_BYTES - 1, read_ones, write_notify},
};

static const struct port_row *row_of(uint16_t port, unsigned bytes) {
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (port >= rows[i].first && port + bytes - 1u <= rows[i].last) { return &rows[i]; }
    }
    return NULL;
}

/** IN writes AL, AX or EAX; a 32-bit result clears the upper half of RAX. */
static void set_result(struct vcpu *vcpu, unsigned bytes, uint32_t value) {
    uint64_t kept = bytes == 4 ? 0 : vcpu->gpr[RAX] & ~bytes_mask(bytes);
    vcpu->gpr[RAX] = kept | (value & bytes_mask(bytes));
}

static uint32_t access(struct vcpu *vcpu, const struct port_row *row) {
    const struct vcpu_exit *exit = &vcpu->exit;
    uint32_t value = (uint32_t)(vcpu->gpr[RAX] & bytes_mask(exit->port_bytes));
    spin_lock(&vcpu->partition->device_lock);
    if (exit->port_in) {
        value = row->read(vcpu, exit->port, exit->port_bytes);
    } else {
        row->write(vcpu, exit->port, exit->port_bytes, value);
    }
    spin_unlock(&vcpu->partition->device_lock);
    return value;
}

void exit_port(struct vcpu *vcpu) {
    const struct vcpu_exit *exit = &vcpu->exit;
    const struct port_row *row = row_of(exit->port, exit->port_bytes);
    vcpu->counters.refused_ports += row == NULL || exit->port_string;
    if (exit->port_string) { /* string forms would need guest memory operands: no device here wants them */
        vcpu_fault(vcpu, VECTOR_GP, true, 0);
    } else if (exit_skip(vcpu)) {
        uint32_t value = row == NULL ? UINT32_MAX : access(vcpu, row);
        if (exit->port_in) { set_result(vcpu, exit->port_bytes, value); }
    }
}
