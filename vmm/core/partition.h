/* SPDX-License-Identifier: MIT */
/* Partitions and their vCPUs: what they own, and the life of a partition. */
#pragma once

#include "core/spinlock.h"
#include "dev/ioapic.h"
#include "dev/pci.h"
#include "dev/power.h"
#include "dev/uart.h"
#include "dev/x2apic.h"
#include "mullion/abi.h"
#include "x86/cpu.h"
#include "x86/fpu.h"
#include "x86/npt.h"

#define PARTITION_POOL_PAGES 512u /* a partition's budget of the VMM's pool, in pages */

struct partition;

/** Index into vcpu.gpr, in the order of the instruction encoding. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };

/** What a vCPU does when it is not parked. */
enum vcpu_activity { VCPU_WAIT_SIPI, VCPU_ACTIVE, VCPU_HALTED };

/* Bits of vcpu.requests, set by any CPU. */
#define VCPU_REQUEST_INIT BIT(1)
#define VCPU_REQUEST_SIPI BIT(2)
#define VCPU_REQUEST_NMI  BIT(3)

/** An event to deliver at the next entry. */
struct vcpu_event {
    enum { EVENT_NONE, EVENT_EXCEPTION, EVENT_NMI, EVENT_INTERRUPT } kind;
    uint8_t vector;
    bool has_error;
    uint32_t error;
};

/** The last exit, in vendor-neutral words; the back end fills what its reason calls for. */
struct vcpu_exit {
    uint64_t code, next_rip; /* as the hardware numbers it; 0: the hardware did not tell */
    uint64_t gpa;            /* MULLION_EXIT_MMIO */
    bool is_write, is_fetch; /* is_fetch: or no plain data access: a page-table walk, the delivery of an event */
    uint16_t port;           /* MULLION_EXIT_PORT */
    uint8_t port_bytes;
    bool port_in, port_string;
    uint8_t vector, control; /* MULLION_EXIT_EXCEPTION; MULLION_EXIT_CR_WRITE: register number */
};

struct vcpu {
    uint64_t gpr[GPR_COUNT]; /* RSP is kept by the back end */
    struct partition *partition;
    struct cpu *cpu;
    void *vendor; /* VMCB or VMCS */
    uint32_t index;
    enum vcpu_activity activity;
    bool halted_for_good; /* halted with interrupts off */
    uint64_t requests;    /* VCPU_REQUEST_ bits, atomic */
    uint8_t sipi_page;
    bool fresh, nmi_blocked; /* fresh: the registers in `fpu` must be cleared at the next entry */
    uint64_t nmi_iret_rip;   /* where the NMI handler's IRET stands, once it is about to run; 0 before */
    struct vcpu_event event;
    struct vcpu_exit exit;
    enum mullion_exit exit_reason;
    struct x2apic apic;
    uint64_t mtrr_def_type, clock_msr, wall_clock_msr; /* the latter: KVM's SYSTEM_TIME_NEW and WALL_CLOCK_NEW */
    uint64_t last_exit_tsc, idle_since_exit;           /* ticks idle since: not counted as a stay in the VMM */
    uint64_t idle_since;                               /* TSC up to which idle time is counted, 0 = not idle */
    struct mullion_partition_counters counters;
    bool waiting; /* agent: EVENT_WAIT has not returned yet */
    gpa_t wait_request;
    uint64_t wait_deadline;
    struct fpu_state fpu; /* while another vCPU's registers are in the CPU */
};

struct memory_range {
    gpa_t gpa;
    hpa_t hpa;
    uint64_t bytes;
};

struct partition {
    uint32_t id;
    char name[MULLION_NAME_BYTES];
    struct spinlock state_lock;
    enum mullion_partition_state state;
    enum mullion_stop_reason reason;
    uint32_t reason_vcpu;
    uint64_t reason_detail, reason_rip, start_count, start_tsc;
    uint32_t vcpu_count, range_count;
    bool shares_cpu0; /* the driver VM */
    struct vcpu *vcpus[MULLION_MAX_VCPUS];
    struct memory_range ranges[MULLION_MAX_RANGES];
    struct npt npt;
    struct spinlock device_lock; /* uart, ioapic, pci */
    struct ioapic ioapic;
    struct pci_bus pci;
    struct power power;
    struct uart uart;
    uint64_t ports_notified[2]; /* ports.c, atomic: slots whose rx, tx queue was notified */
    uint32_t ports_turn;        /* likewise: 64 * queue + slot that comes first in the next round */
    uint64_t ports_due;         /* TSC at which a port wants to be looked at */
};

/** The partition with this identifier, or NULL. */
struct partition *partition_find(uint32_t id);

/** PARTITION_CREATE: checks the whole request, then claims; see abi.h for errors. */
int partition_create(struct mullion_partition_create *request);

/** Boot only: makes partition 0 with one vCPU on CPU 0. */
struct partition *partition_create_agent(void);

int partition_add_memory(struct mullion_partition_add_memory *request);
int partition_start(struct partition *p, const struct mullion_partition_start *entry);
typedef int partition_action(struct partition *p);
partition_action partition_stop, partition_pause, partition_resume, partition_reset, partition_destroy;
partition_action partition_power_button;

/** From one of its own CPUs: the partition ends with a reason; its other vCPUs are told to park. */
void partition_end(struct vcpu *vcpu, enum mullion_stop_reason reason, uint64_t detail);

/** Host-physical address of guest RAM; false if `address` is not RAM of the partition. *left = bytes to the
 * range's end. */
bool partition_translate(const struct partition *p, gpa_t address, hpa_t *to, uint64_t *left);

/** Copies from guest RAM; -MULLION_E_BAD_ADDRESS if any byte is outside (then nothing is promised of `to`).
 */
int partition_read(const struct partition *p, gpa_t from, void *to, size_t bytes);

/** Copies to guest RAM; -MULLION_E_BAD_ADDRESS if any byte is outside (nothing is written). */
int partition_write(const struct partition *p, gpa_t to, const void *from, size_t bytes);

/** Rising edge on an IO-APIC pin. The device lock is held. */
void partition_interrupt_pin(struct partition *p, unsigned pin);

/** Sets request bits of a vCPU and makes its CPU look. */
void vcpu_request(struct vcpu *vcpu, uint64_t bits);

/** Makes `vector` pending in a vCPU and makes its CPU look. */
void vcpu_interrupt(struct vcpu *vcpu, uint8_t vector);

/** Queues a fault for the next entry (verdict of an exit). */
void vcpu_fault(struct vcpu *vcpu, uint8_t vector, bool has_error, uint32_t error);

enum { VECTOR_DB = 1, VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_AC = 17 };
