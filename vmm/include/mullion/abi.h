/* SPDX-License-Identifier: MIT */
/*
 * The hypercall ABI between the agent and the VMM; prose in docs/abi.md.
 *
 * Calling convention: the agent executes VMMCALL or VMCALL (enum mullion_hypercall_instruction) in ring 0 with
 * RAX = call number and RDI = guest-physical address of the call's request structure in the agent's RAM (4-byte
 * aligned). The VMM copies the structure in once, checks it, acts, copies it back and returns 0 or a negative
 * MULLION_E_ code in RAX. All other registers are kept. Fields marked "in" are read, "out" are written; "zero" must be
 * 0. On any error nothing has changed, unless the call's description says otherwise.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Partitions have identifiers 0..63, 0 is the agent; each has at most so many vCPUs and memory ranges. */
enum { MULLION_ABI_VERSION = 3, MULLION_AGENT_ID = 0, MULLION_MAX_PARTITIONS = 64 };
enum { MULLION_MAX_VCPUS = 16, MULLION_MAX_RANGES = 16 };
enum { MULLION_NAME_BYTES = 32, MULLION_TEXT_BYTES = 128 }; /* with the terminating zero */
#define MULLION_FRAME_BYTES 0x200000ull                     /* memory is owned, scrubbed and mapped in units of 2 MiB */

/* CPUID leaf at which a partition finds "MullionVMM" and, in EAX, 1 if it is the agent, else 0. */
#define MULLION_CPUID_LEAF 0x40000100u

// clang-format off
/**
 * Error codes, returned negated.
 *   E_PERMISSION       the caller is not the agent, or not in ring 0
 *   E_UNKNOWN_CALL     no such call number
 *   E_BAD_ADDRESS      request or buffer not inside the agent's RAM, or misaligned
 *   E_NOT_ZERO         a reserved field is not zero
 *   E_RANGE            an index, count or size is out of its documented range
 *   E_NO_PARTITION     no partition has this identifier
 *   E_STATE            the partition is not in a state that allows this
 *   E_NAME             name empty, not terminated, bad character, or already used
 *   E_PARTITION_LIMIT  all partition identifiers are in use
 *   E_CPU_UNKNOWN      no such CPU
 *   E_CPU_BUSY         the CPU belongs to another partition or to the agent
 *   E_CPU_NOT_STARTED  the CPU did not come up at boot
 *   E_CPU_TWICE        the same CPU is named twice in one request
 *   E_MEMORY_ALIGN     address or size is not a multiple of 2 MiB
 *   E_MEMORY_NOT_RAM   range is not RAM that partitions may own
 *   E_MEMORY_BUSY      range overlaps memory that has an owner
 *   E_MEMORY_DIRTY     range is free but not yet scrubbed: try again later
 *   E_GPA_OVERLAP      guest-physical range overlaps another range or a device
 *   E_RANGE_LIMIT      MULLION_MAX_RANGES reached
 *   E_POOL             the VMM's page pool cannot serve this partition
 *   E_CALLER_MODE      the caller was not in 64-bit mode
 *   E_HARDWARE         the machine has no means for this (for example no power-off register)
 *   E_BUSY             a CPU did not leave its guest in time; the partition is STOPPED, reason STUCK
 *   E_ENTRY            the entry state is not one that the VMM starts
 *   E_NO_PORT          no port in this slot
 *   E_SLOT_BUSY        something is plugged into the slot already, or the port is linked already
 *   E_PORT_KIND        the two ports are of different kinds, or one and the same
 *   E_PCI_UNUSABLE     the function cannot be given away: see mullion_pci_info.use
 *   E_PCI_BUSY         the function has an owner
 *   E_PCI_ROOM         the partition's window for BARs, or the VMM's vectors, are used up
 */
enum mullion_error {
    MULLION_OK = 0, MULLION_E_PERMISSION = 1, MULLION_E_UNKNOWN_CALL = 2, MULLION_E_BAD_ADDRESS = 3,
    MULLION_E_NOT_ZERO = 4, MULLION_E_RANGE = 5, MULLION_E_NO_PARTITION = 6, MULLION_E_STATE = 7, MULLION_E_NAME = 8,
    MULLION_E_PARTITION_LIMIT = 9, MULLION_E_CPU_UNKNOWN = 10, MULLION_E_CPU_BUSY = 11, MULLION_E_CPU_NOT_STARTED = 12,
    MULLION_E_CPU_TWICE = 13, MULLION_E_MEMORY_ALIGN = 14, MULLION_E_MEMORY_NOT_RAM = 15, MULLION_E_MEMORY_BUSY = 16,
    MULLION_E_MEMORY_DIRTY = 17, MULLION_E_GPA_OVERLAP = 18, MULLION_E_RANGE_LIMIT = 19, MULLION_E_POOL = 20,
    MULLION_E_CALLER_MODE = 21, MULLION_E_HARDWARE = 22, MULLION_E_BUSY = 23, MULLION_E_ENTRY = 24,
    MULLION_E_NO_PORT = 25, MULLION_E_SLOT_BUSY = 26, MULLION_E_PORT_KIND = 27, MULLION_E_PCI_UNUSABLE = 28,
    MULLION_E_PCI_BUSY = 29, MULLION_E_PCI_ROOM = 30, MULLION_E_COUNT = 31
};

/** Call numbers, from 0. */
enum mullion_call {
    MULLION_CALL_PLATFORM_INFO, MULLION_CALL_CPU_INFO, MULLION_CALL_MEMORY_INFO, MULLION_CALL_MODULE_INFO,
    MULLION_CALL_PCI_INFO, MULLION_CALL_PARTITION_CREATE, MULLION_CALL_PARTITION_ADD_MEMORY, MULLION_CALL_WINDOW_OPEN,
    MULLION_CALL_WINDOW_CLOSE, MULLION_CALL_PARTITION_START, MULLION_CALL_PARTITION_STOP,
    MULLION_CALL_PARTITION_PAUSE, MULLION_CALL_PARTITION_RESUME, MULLION_CALL_PARTITION_RESET,
    MULLION_CALL_PARTITION_DESTROY, MULLION_CALL_PARTITION_POWER_BUTTON, MULLION_CALL_PARTITION_INFO,
    MULLION_CALL_PARTITION_COUNTERS, MULLION_CALL_CONSOLE_READ, MULLION_CALL_CONSOLE_WRITE,
    MULLION_CALL_HOST_CONSOLE_READ, MULLION_CALL_HOST_CONSOLE_WRITE, MULLION_CALL_EVENT_WAIT, MULLION_CALL_LOG_READ,
    MULLION_CALL_HOST_RESET, MULLION_CALL_HOST_POWER_OFF, MULLION_CALL_AGENT_EXIT, MULLION_CALL_PORT_CREATE,
    MULLION_CALL_PORT_CONNECT, MULLION_CALL_PORT_DISCONNECT, MULLION_CALL_PORT_ACKNOWLEDGE, MULLION_CALL_PORT_INFO,
    MULLION_CALL_PCI_ASSIGN, MULLION_CALL_COUNT
};

/**
 * Life of a partition as the VMM knows it.
 *   NONE     identifier unused
 *   DEFINED  created or reset; memory may be loaded; never ran since
 *   STOPPED  ended; see the reason
 */
enum mullion_partition_state {
    MULLION_STATE_NONE = 0, MULLION_STATE_DEFINED = 1, MULLION_STATE_RUNNING = 2, MULLION_STATE_PAUSED = 3,
    MULLION_STATE_STOPPED = 4, MULLION_STATE_COUNT = 5
};

/**
 * Why a partition is MULLION_STATE_STOPPED.
 *   REQUESTED         the agent asked
 *   POWER_OFF         guest wrote the ACPI sleep control register (S5)
 *   RESET             guest wrote a reset register
 *   TRIPLE_FAULT      shutdown event
 *   UNKNOWN_EXIT      exit code that the table does not define; detail = code
 *   REFUSED_EXIT      exit that a partition is stopped for; detail = code
 *   MMIO_UNMAPPED     access outside the memory map; detail = guest-physical address
 *   MMIO_INSTRUCTION  access to a device by an instruction not decoded; detail = address
 *   ENTRY_FAILED      the CPU refused the guest state; detail = exit code
 *   STUCK             a CPU did not leave the guest when told to
 *   AGENT_EXIT        agent only: it ended itself; text in the log
 *   ALL_HALTED        every vCPU waits with interrupts off: nothing can wake it
 *   BAD_PAGE_TABLE    an instruction could not be fetched; detail = guest-linear address
 */
enum mullion_stop_reason {
    MULLION_REASON_NONE = 0, MULLION_REASON_REQUESTED = 1, MULLION_REASON_POWER_OFF = 2, MULLION_REASON_RESET = 3,
    MULLION_REASON_TRIPLE_FAULT = 4, MULLION_REASON_UNKNOWN_EXIT = 5, MULLION_REASON_REFUSED_EXIT = 6,
    MULLION_REASON_MMIO_UNMAPPED = 7, MULLION_REASON_MMIO_INSTRUCTION = 8, MULLION_REASON_ENTRY_FAILED = 9,
    MULLION_REASON_MACHINE_CHECK = 10, MULLION_REASON_STUCK = 11, MULLION_REASON_AGENT_EXIT = 12,
    MULLION_REASON_ALL_HALTED = 13, MULLION_REASON_BAD_PAGE_TABLE = 14, MULLION_REASON_COUNT = 15
};

/** What a CPU does; OWNED: by `partition`. */
enum mullion_cpu_state {
    MULLION_CPU_NOT_STARTED = 0, MULLION_CPU_FREE = 1, MULLION_CPU_OWNED = 2, MULLION_CPU_STATE_COUNT = 3
};

/**
 * Who owns a run of physical memory.
 *   RESERVED   not RAM, firmware, or a remainder smaller than a frame
 *   FREE       scrubbed, can be allocated
 *   DIRTY      waits for scrubbing
 *   MODULES    boot modules, read-only for the agent
 *   PARTITION  `partition`
 */
enum mullion_owner {
    MULLION_OWNER_RESERVED = 0, MULLION_OWNER_FREE = 1, MULLION_OWNER_DIRTY = 2, MULLION_OWNER_VMM = 3,
    MULLION_OWNER_MODULES = 4, MULLION_OWNER_PARTITION = 5, MULLION_OWNER_COUNT = 6
};

/** isolation.dma: what keeps devices out of memory that is not theirs. */
enum mullion_dma_isolation { MULLION_DMA_NONE = 0, MULLION_DMA_REMAPPED = 1 };

/**
 * Vendor-neutral exit reasons: index into the counters of a vCPU.
 *   INTERRUPT         a host interrupt: timer, kick from another CPU
 *   X2APIC            MSR access in the range 0x800..0x8ff
 *   CACHE_CONTROL     INVD, WBINVD, WBNOINVD
 *   VIRT_INSTRUCTION  VMRUN, VMLOAD, VMX instructions, SKINIT, STGI, CLGI, INVLPGA ...
 *   MONITOR           MONITOR, MWAIT
 *   EXCEPTION         intercepted exception: #DB, #AC, #MC
 *   OTHER_REFLECTED   any other exit that the table reflects or ignores
 */
enum mullion_exit {
    MULLION_EXIT_INTERRUPT = 0, MULLION_EXIT_NMI, MULLION_EXIT_INTERRUPT_WINDOW, MULLION_EXIT_CPUID, MULLION_EXIT_HLT,
    MULLION_EXIT_PORT, MULLION_EXIT_MSR, MULLION_EXIT_X2APIC, MULLION_EXIT_MMIO, MULLION_EXIT_HYPERCALL,
    MULLION_EXIT_CR_WRITE, MULLION_EXIT_XSETBV, MULLION_EXIT_CACHE_CONTROL, MULLION_EXIT_VIRT_INSTRUCTION,
    MULLION_EXIT_MONITOR, MULLION_EXIT_EXCEPTION, MULLION_EXIT_SHUTDOWN, MULLION_EXIT_INIT,
    MULLION_EXIT_OTHER_REFLECTED, MULLION_EXIT_UNKNOWN, MULLION_EXIT_COUNT
};
// clang-format on

/** PLATFORM_INFO: the box as the VMM found it. All out. */
struct mullion_platform_info {
    uint32_t abi_version, dma_isolation;         /* MULLION_ABI_VERSION, enum mullion_dma_isolation */
    uint64_t tsc_khz, boot_tsc;                  /* boot_tsc: TSC when the VMM got control */
    uint64_t boot_epoch_s;                       /* RTC at boot, seconds since 1970, 0 if unreadable */
    uint64_t window_gpa;                         /* where the loading window appears */
    uint64_t state_gpa, state_bytes;             /* the agent-state area */
    uint64_t agent_ram_bytes;                    /* agent RAM is GPA 0..agent_ram_bytes */
    uint64_t vmm_bytes, ram_bytes;               /* RAM held by the VMM itself; all RAM that the firmware reported */
    uint64_t sleep_cnt_port;                     /* PM1a_CNT port for power-off, 0 if none */
    uint32_t cpu_count, module_count, pci_count; /* CPUs in the MADT, boot modules, PCI functions found */
    uint32_t agent_generation;                   /* 0 at boot, +1 per agent restart */
    uint32_t phys_bits, tsc_reliable;            /* width of a physical address; 1 if the cross-CPU check passed */
    char backend[MULLION_NAME_BYTES], version[MULLION_NAME_BYTES]; /* "SVM" or "VMX"; VMM version */
    char cpu_brand[48 + 16];
};

/** CPU_INFO: one CPU. */
struct mullion_cpu_info {
    uint32_t index;                     /* in: 0..cpu_count-1 */
    uint32_t apic_id, state, partition; /* out: enum mullion_cpu_state; owner if MULLION_CPU_OWNED */
};

/** MEMORY_INFO: one run of frames with the same owner, in ascending order. */
struct mullion_memory_info {
    uint32_t index;                  /* in: 0.. ; MULLION_E_RANGE past the last run */
    uint32_t owner, partition, zero; /* out: enum mullion_owner; partition if MULLION_OWNER_PARTITION */
    uint64_t hpa, bytes;             /* out */
};

/** MODULE_INFO: one boot module, mapped read-only in the agent. */
struct mullion_module_info {
    uint32_t index, zero;          /* in: 0..module_count-1 */
    uint64_t gpa, bytes;           /* out: gpa is page aligned, but for host-dsdt */
    char name[MULLION_TEXT_BYTES]; /* out: the text after the file name on the loader's line */
};

/**
 * Whether a PCI function can be given to a partition, and if not, why.
 *   BRIDGE     bridges belong to nobody
 *   NO_MSIX    has no MSI-X: its interrupts could not be remapped
 *   SMALL_BAR  a memory BAR has no whole pages to itself: too small, not aligned, or not placed by the firmware
 *   SEGMENT    lies outside segment 0
 *   NO_RESET   can be given away once, not reset between owners: not before a box reset
 */
// clang-format off
enum mullion_pci_use {
    MULLION_PCI_USABLE = 0, MULLION_PCI_BRIDGE = 1, MULLION_PCI_NO_MSIX = 2, MULLION_PCI_SMALL_BAR = 3,
    MULLION_PCI_SEGMENT = 4, MULLION_PCI_NO_RESET = 5, MULLION_PCI_USE_COUNT = 6
};
// clang-format on

/** PCI_INFO: one PCI function. */
struct mullion_pci_info {
    uint32_t index;                        /* in: 0..pci_count-1 */
    uint16_t segment, bdf, vendor, device; /* out: bdf is bus << 8 | device << 3 | function */
    uint32_t class_code, use; /* out: base class << 16 | sub class << 8 | interface; enum mullion_pci_use */
    uint32_t owner, slot;     /* out: partition, 0 = nobody; slot on its bus */
};

/** PCI_ASSIGN: plugs a PCI function into a slot of a MULLION_STATE_DEFINED partition that shares CPU 0; until an IOMMU
 * keeps DMA apart only that one can have any. DESTROY gives it back. When the partition ends, however it ends, DMA ends
 * first and the function's reset begins; the VMM does not wait until it is over: RESET is due 100 ms later, and so is
 * another PCI_ASSIGN of the function; START is due 100 ms after these. RESET fails with -MULLION_E_PCI_UNUSABLE if a
 * function has no way to be reset: only DESTROY is left. */
struct mullion_pci_assign {
    uint32_t id, slot;    /* in: 1..MACHINE_SLOTS-1 */
    uint32_t index, zero; /* in: as in PCI_INFO */
};

/** What a port is: one virtio device on the partition's bus. */
enum mullion_port_kind { MULLION_PORT_NET = 1, MULLION_PORT_CONSOLE = 2 };

/** PORT_CREATE: plugs a port into a slot of a MULLION_STATE_DEFINED partition, or of the agent. Ports of the agent stay
 * when it is restarted, reset as after power-up. */
struct mullion_port_create {
    uint32_t id, slot;       /* in: slot 1..MACHINE_SLOTS-1 */
    uint32_t kind, mtu;      /* in: enum mullion_port_kind; MULLION_PORT_NET: 68..65535, 0 = not told to the guest */
    uint8_t mac[6], zero[2]; /* in: MULLION_PORT_NET, else 0 */
};

#define MULLION_LINK_ACKNOWLEDGED 1u /* up only after PORT_ACKNOWLEDGE named what `id` has negotiated */

/** PORT_CONNECT: links two free ports of one kind, in any state of their partitions. PORT_DISCONNECT: `id`, `slot`
 * suffice, the rest is 0. A link is up while both drivers run (and the features of `id` are acknowledged). */
struct mullion_port_connect {
    uint32_t id, slot, peer, peer_slot; /* in */
    uint32_t flags, zero;               /* in: MULLION_LINK_ bits */
};

/** PORT_ACKNOWLEDGE: whoever serves the peer's end honours these features of port `id`, `slot`. */
struct mullion_port_acknowledge {
    uint32_t id, slot; /* in */
    uint64_t features; /* in: as PORT_INFO told them; any other set lowers the link */
};

#define MULLION_PORT_CONNECTED   1u
#define MULLION_PORT_DRIVER_OK   2u
#define MULLION_PORT_NEEDS_RESET 4u /* its driver broke the rings; it must reset the device */
#define MULLION_PORT_LINK_UP     8u

/**
 * PORT_INFO: one port; the counters are of what this port sent.
 *   dropped_full      the peer gave no buffers for 100 ms (console: 1 s), or was not running, or had none large
 *                     enough, or the link was down
 *   dropped_features  the peer has not negotiated what the header asks for
 *   dropped_invalid   header or size makes no sense
 *   broken            times that its driver broke the rings
 */
struct mullion_port_info {
    uint32_t id, slot;                                         /* in; all else is out */
    uint32_t kind, peer, peer_slot, status;                    /* enum mullion_port_kind; MULLION_PORT_ bits */
    uint64_t features;                                         /* what its driver has accepted; 0 before DRIVER_OK */
    uint64_t frames, bytes, copies, interrupts, notifications; /* console: frames = chains; copies: pieces moved */
    uint64_t dropped_full, dropped_features, dropped_invalid, broken;
};

#define MULLION_CREATE_SHARES_CPU0 1u /* the driver VM: its one vCPU shares CPU 0 with the agent; one at a time */

/** PARTITION_CREATE: claims CPUs and an identifier. The new partition is MULLION_STATE_DEFINED. */
struct mullion_partition_create {
    char name[MULLION_NAME_BYTES];     /* in: [a-z0-9-]+, zero-terminated, unique */
    uint32_t vcpu_count, id;           /* in: 1..MULLION_MAX_VCPUS; out */
    uint32_t flags, zero;              /* in: MULLION_CREATE_ bits */
    uint32_t cpus[MULLION_MAX_VCPUS];  /* in: CPU index per vCPU; the rest is zero. On a CPU error nothing is claimed */
    uint32_t failed_cpu, failed_owner; /* out: on MULLION_E_CPU_ codes; on MULLION_E_CPU_BUSY */
};

/** PARTITION_ADD_MEMORY: gives scrubbed free frames to a MULLION_STATE_DEFINED partition. */
struct mullion_partition_add_memory {
    uint32_t id, failed_owner; /* in; out: on MULLION_E_MEMORY_BUSY, owner << 16 | partition */
    uint64_t gpa, hpa, bytes;  /* in: multiples of MULLION_FRAME_BYTES, bytes > 0 */
    uint64_t failed_hpa;       /* out: first offending frame on a memory error */
};

/** Calls that name just a partition: WINDOW_OPEN, WINDOW_CLOSE, STOP, PAUSE, RESUME, RESET, DESTROY,
 * POWER_BUTTON. */
struct mullion_partition_ref {
    uint32_t id, zero; /* in */
};

/**
 * How vCPU 0 begins.
 *   PROTECTED32  flat 32-bit segments, paging off (PVH: RBX = start info)
 *   LONG64       64-bit, paging on with `cr3` (bzImage 64-bit entry: RSI = boot parameters)
 */
enum mullion_entry_mode { MULLION_ENTRY_PROTECTED32 = 0, MULLION_ENTRY_LONG64 = 1, MULLION_ENTRY_COUNT = 2 };

/** Calls WINDOW_OPEN and WINDOW_CLOSE: while the window is open, GPA g of the partition appears at window_gpa
 * + g in the agent's guest-physical address space; holes stay unmapped. One window at a time. */

/** PARTITION_START: closes the loading window for good and runs vCPU 0; the others wait for INIT and SIPI. */
struct mullion_partition_start {
    uint32_t id, mode;           /* in: enum mullion_entry_mode */
    uint64_t rip, rsp, rbx, rsi; /* in */
    uint64_t cr3;                /* in: page aligned for MULLION_ENTRY_LONG64, else 0 */
};

/** PARTITION_INFO. */
struct mullion_partition_info {
    uint32_t id;                          /* in; all else is out */
    uint32_t state, reason, reason_vcpu;  /* enum mullion_partition_state, _stop_reason; the vCPU that caused it */
    uint64_t reason_detail, reason_rip;   /* meaning by reason; guest RIP at that moment */
    uint64_t memory_bytes, start_count;   /* start_count: since create */
    uint64_t start_tsc;                   /* TSC of the last start */
    uint64_t console_first, console_next; /* offsets of the oldest output byte held, and after the newest */
    uint32_t vcpu_count, range_count;
    uint32_t cpus[MULLION_MAX_VCPUS];
    struct {
        uint64_t gpa, hpa, bytes;
    } ranges[MULLION_MAX_RANGES];
    char name[MULLION_NAME_BYTES];
};

/** PARTITION_COUNTERS: one vCPU. Counters survive reset, not destroy. */
struct mullion_partition_counters {
    uint32_t id, vcpu;                    /* in; all else is out */
    uint64_t exits[MULLION_EXIT_COUNT];   /* by reason */
    uint64_t longest[MULLION_EXIT_COUNT]; /* longest stay in the VMM by reason, TSC ticks, without idle wait */
    uint64_t interrupts, exceptions;      /* injected; reflected or injected as a verdict */
    uint64_t guest_ticks, idle_ticks;     /* TSC ticks in guest mode; halted or in EVENT_WAIT, whoever had the CPU then.
                                             What is left was spent in the VMM, or ready while another had the CPU */
    uint64_t refused_hypercalls, refused_msrs, refused_ports;
    uint64_t refused_ipis; /* IPI to no vCPU of the partition, or of a refused kind */
};

/** What HOST_CONSOLE_ calls mean: the console, or with MULLION_OPTION_BYTE_LINK the byte link at COM2. */
enum mullion_host_channel { MULLION_HOST_CONSOLE = 0, MULLION_HOST_BYTE_LINK = 1, MULLION_HOST_CHANNEL_COUNT = 2 };

/** CONSOLE_READ, CONSOLE_WRITE, LOG_READ, HOST_CONSOLE_READ, HOST_CONSOLE_WRITE. */
struct mullion_buffer {
    uint32_t id, zero; /* in: partition (CONSOLE_), enum mullion_host_channel (HOST_CONSOLE_), else 0 */
    uint64_t offset; /* in: first byte wanted (CONSOLE_READ, LOG_READ), else 0. out: that of the first byte returned */
    uint64_t gpa;    /* in: buffer in the agent's RAM */
    uint32_t bytes, zero2; /* in: size, 1..65536; out: bytes moved (may be fewer) */
};

#define MULLION_EVENT_HOST_INPUT 1ull  /* the host console has input */
#define MULLION_EVENT_LOG        2ull  /* the VMM log grew */
#define MULLION_EVENT_TIMEOUT    4ull  /* nothing happened until the deadline */
#define MULLION_EVENT_PORT       16ull /* a port of the agent's has interrupted: look at its used rings */
#define MULLION_EVENT_POWER      32ull /* somebody pressed the box's power button */
#define MULLION_EVENT_SCRUBBED   8ull  /* the VMM has scrubbed a run of dirty frames: allocation may succeed now */
#define MULLION_EVENT_BYTE_LINK  64ull /* the byte link has input */

/** EVENT_WAIT: sleeps until something happened since the last call, or the deadline. The masks have a bit per
 * partition: its state changed; it has new console output; a port of its has another status or other features. */
struct mullion_event_wait {
    uint64_t deadline_tsc;                                /* in: 0 = do not wait, UINT64_MAX = no deadline */
    uint64_t events, state_mask, console_mask, port_mask; /* out: MULLION_EVENT_ bits; masks */
};

/** HOST_POWER_OFF: SLP_TYP values of \_S5, which the agent reads from the firmware's DSDT. */
struct mullion_host_power_off {
    uint32_t slp_typa, slp_typb; /* in: 0..7 */
};

/** HOST_RESET. */
struct mullion_host_reset {
    uint64_t zero;
};

/** AGENT_EXIT: the agent ends itself; the VMM logs the text and restarts it. Does not return. */
struct mullion_agent_exit {
    uint32_t code, zero;           /* in */
    char text[MULLION_TEXT_BYTES]; /* in: zero-terminated */
};

/** By which instruction the agent calls the VMM on this box: the back end knows, the vendor's name does not. */
enum mullion_hypercall_instruction { MULLION_VMMCALL = 0, MULLION_VMCALL = 1 };

/*
 * The agent's image: a flat binary that begins with this header, loaded at GPA `load_gpa` and entered in the
 * state MULLION_ENTRY_PROTECTED32 at load_gpa + entry_offset, with RBX = MULLION_ABI_VERSION and RSI = an
 * enum mullion_hypercall_instruction.
 */
#define MULLION_AGENT_MAGIC 0x31544e4547414c4dull /* "MLAGENT1" */

/** Header of the agent's image. */
struct mullion_agent_header {
    uint64_t magic;
    uint32_t abi_version, crc32;        /* crc32: IEEE 802.3, of the image with this field zero */
    uint64_t load_gpa;                  /* 2 MiB > load_gpa >= 4096, page aligned */
    uint64_t image_bytes, memory_bytes; /* in the file, header included; image and .bss, from load_gpa */
    uint32_t entry_offset, zero;
    char version[MULLION_NAME_BYTES];
};

/* The VMM's own command line in a test image; any other is as none. The host console then has COM1 and the screen only.
 */
#define MULLION_OPTION_BYTE_LINK "byte-link=com2"

/* Names of the boot modules on the loader's command line; the first word of each module line. */
#define MULLION_MODULE_AGENT    "agent"    /* the agent's image */
#define MULLION_MODULE_SITE     "site"     /* site configuration */
#define MULLION_MODULE_MANIFEST "manifest" /* the machine's manifest */
/* Any other module is "image NAME": a kernel or initramfs that the manifest names. The VMM adds one module of
   its own, "host-dsdt", the firmware's DSDT: the agent looks there for \_S5. */
#define MULLION_MODULE_DSDT "host-dsdt"
