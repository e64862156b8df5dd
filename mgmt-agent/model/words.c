/* SPDX-License-Identifier: MIT */
#include "model/words.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const errors[MULLION_E_COUNT] = {
    [MULLION_OK] = "no error: nothing to do",
    [MULLION_E_PERMISSION] = "the VMM allows this call to the agent only: report this as a defect",
    [MULLION_E_UNKNOWN_CALL] = "the VMM does not know this call: use agent and VMM of one image",
    [MULLION_E_BAD_ADDRESS] = "a buffer lay outside the agent's memory: report this as a defect",
    [MULLION_E_NOT_ZERO] = "a reserved field was not zero: use agent and VMM of one image",
    [MULLION_E_RANGE] = "a number was out of its range: report this as a defect",
    [MULLION_E_NO_PARTITION] = "the VMM has no such partition: start it first",
    [MULLION_E_STATE] = "the partition is not in a state that allows this: see `info`",
    [MULLION_E_NAME] = "the VMM refused the name: use another one, of letters a-z, digits and '-'",
    [MULLION_E_PARTITION_LIMIT] = "all partition identifiers are in use: destroy a partition first",
    [MULLION_E_CPU_UNKNOWN] = "the box has no such CPU: name another one in the manifest",
    [MULLION_E_CPU_BUSY] =
        "the CPU belongs to somebody else: destroy its owner or name another CPU in the manifest",
    [MULLION_E_CPU_NOT_STARTED] =
        "the CPU did not start when the box booted: name another CPU in the manifest",
    [MULLION_E_CPU_TWICE] = "the same CPU was named twice: correct the manifest",
    [MULLION_E_MEMORY_ALIGN] = "memory was not in units of 2 MiB: report this as a defect",
    [MULLION_E_MEMORY_NOT_RAM] = "this memory cannot be given to partitions: report this as a defect",
    [MULLION_E_MEMORY_BUSY] = "this memory has an owner: destroy a partition or give this one less",
    [MULLION_E_MEMORY_DIRTY] = "this memory still waits for scrubbing: try again in a moment",
    [MULLION_E_GPA_OVERLAP] = "two memory ranges overlapped in the partition: report this as a defect",
    [MULLION_E_RANGE_LIMIT] = "free memory is in too many pieces: destroy partitions or restart the box",
    [MULLION_E_POOL] = "the VMM has no pages left to manage one more partition: destroy a partition first",
    [MULLION_E_CALLER_MODE] = "the agent was not in 64-bit mode: report this as a defect",
    [MULLION_E_HARDWARE] = "the machine has no register for this: use its power switch",
    [MULLION_E_BUSY] =
        "a CPU did not obey in time, the partition counts as crashed: destroy it and start it again",
    [MULLION_E_ENTRY] = "the VMM does not start a partition at this address: replace the kernel's file",
    [MULLION_E_NO_PORT] = "there is no port in this slot: report this as a defect",
    [MULLION_E_SLOT_BUSY] = "the slot or the port is taken already: report this as a defect",
    [MULLION_E_PORT_KIND] = "the two ports are of different kinds: report this as a defect",
    [MULLION_E_PCI_UNUSABLE] = "the function cannot be given away: see `pci` for the reason",
    [MULLION_E_PCI_BUSY] = "the function belongs to somebody else: report this as a defect",
    [MULLION_E_PCI_ROOM] = "its memory windows or interrupts do not fit any more: use fewer functions",
};

const char *words_error(long code)
{
    long index = code < 0 ? -code : code;
    return index < MULLION_E_COUNT && errors[index] != NULL
               ? errors[index]
               : "an error code that this agent does not know: use agent and VMM of one image";
}

static const char *const exits[MULLION_EXIT_COUNT] = {
    [MULLION_EXIT_INTERRUPT] = "INTERRUPT",
    [MULLION_EXIT_NMI] = "NMI",
    [MULLION_EXIT_INTERRUPT_WINDOW] = "INTERRUPT_WINDOW",
    [MULLION_EXIT_CPUID] = "CPUID",
    [MULLION_EXIT_HLT] = "HLT",
    [MULLION_EXIT_PORT] = "PORT",
    [MULLION_EXIT_MSR] = "MSR",
    [MULLION_EXIT_X2APIC] = "X2APIC",
    [MULLION_EXIT_MMIO] = "MMIO",
    [MULLION_EXIT_HYPERCALL] = "HYPERCALL",
    [MULLION_EXIT_CR_WRITE] = "CR_WRITE",
    [MULLION_EXIT_XSETBV] = "XSETBV",
    [MULLION_EXIT_CACHE_CONTROL] = "CACHE_CONTROL",
    [MULLION_EXIT_VIRT_INSTRUCTION] = "VIRT_INSTRUCTION",
    [MULLION_EXIT_MONITOR] = "MONITOR",
    [MULLION_EXIT_EXCEPTION] = "EXCEPTION",
    [MULLION_EXIT_SHUTDOWN] = "SHUTDOWN",
    [MULLION_EXIT_INIT] = "INIT",
    [MULLION_EXIT_OTHER_REFLECTED] = "OTHER_REFLECTED",
    [MULLION_EXIT_UNKNOWN] = "UNKNOWN",
};

const char *words_exit(unsigned exit_reason)
{
    return exit_reason < MULLION_EXIT_COUNT && exits[exit_reason] != NULL ? exits[exit_reason] : "?";
}

/* A reason: what happened, what its detail means (NULL: nothing), what to do, and whether it was a crash. */
struct reason {
    const char *what, *detail, *remedy;
    bool crash;
};

static const char defect[] = "report this as a defect, with the output of `log`";
static const char check_guest[] = "look at its console; check its kernel, then `start` it";

static const struct reason reasons[] = {
    [MULLION_REASON_NONE] = {"not ended", NULL, "nothing to do", false},
    [MULLION_REASON_REQUESTED] = {"stopped by the operator", NULL, "`start` it when it is wanted", false},
    [MULLION_REASON_POWER_OFF] = {"powered off by its guest", NULL, "`start` it when it is wanted", false},
    [MULLION_REASON_RESET] = {"reset by its guest", NULL, "`start` it when it is wanted", false},
    [MULLION_REASON_TRIPLE_FAULT] = {"triple fault: the guest could not handle an exception", NULL,
                                     check_guest, true},
    [MULLION_REASON_UNKNOWN_EXIT] = {"an exit that the VMM's table does not define", "exit code", defect,
                                     true},
    [MULLION_REASON_REFUSED_EXIT] = {"the guest did what partitions are stopped for", "exit code",
                                     check_guest, true},
    [MULLION_REASON_MMIO_UNMAPPED] = {"access outside the partition's memory map", "address", check_guest,
                                      true},
    [MULLION_REASON_MMIO_INSTRUCTION] = {"access to a device by an instruction that is not decoded",
                                         "address", check_guest, true},
    [MULLION_REASON_ENTRY_FAILED] = {"the CPU refused the guest's state", "exit code", defect, true},
    [MULLION_REASON_MACHINE_CHECK] = {"machine check: the hardware reported an error", NULL,
                                      "check the box's memory and CPUs", true},
    [MULLION_REASON_STUCK] = {"a CPU did not leave the guest when told to", NULL, "restart the box", true},
    [MULLION_REASON_AGENT_EXIT] = {"the agent ended itself", "code", "see `log`", true},
    [MULLION_REASON_ALL_HALTED] = {"every vCPU halted with interrupts off: nothing can wake it", NULL,
                                   check_guest, true},
    [MULLION_REASON_BAD_PAGE_TABLE] = {"an instruction could not be fetched through the guest's page tables",
                                       "address", check_guest, true},
};

static const struct reason unknown_reason = {"a reason that this agent does not know", "detail",
                                             "use agent and VMM of one image", true};

static const struct reason *reason_find(unsigned reason)
{
    return reason < sizeof(reasons) / sizeof(reasons[0]) && reasons[reason].what != NULL ? &reasons[reason]
                                                                                         : &unknown_reason;
}

const char *words_reason(const struct mullion_partition_info *info, char *buffer, size_t size)
{
    const struct reason *reason = reason_find(info->reason);
    if (!reason->crash) {
        return reason->what;
    }
    char detail[48] = "";
    if (reason->detail != NULL) {
        snprintf(detail, sizeof(detail), "%s %#" PRIx64 ", ", reason->detail, info->reason_detail);
    }
    snprintf(buffer, size, "%s (%svCPU %" PRIu32 ", RIP %#" PRIx64 ")", reason->what, detail,
             info->reason_vcpu, info->reason_rip);
    return buffer;
}

const char *words_remedy(unsigned reason)
{
    return reason_find(reason)->remedy;
}

bool words_is_crash(unsigned reason)
{
    return reason_find(reason)->crash;
}

const char *words_cpu_state(unsigned state)
{
    static const char *const words[MULLION_CPU_STATE_COUNT] = {"not started", "free", "owned"};
    return state < MULLION_CPU_STATE_COUNT ? words[state] : "?";
}

const char *words_owner(unsigned owner)
{
    static const char *const words[MULLION_OWNER_COUNT] = {"reserved", "free",    "free, waits for scrubbing",
                                                           "VMM",      "modules", "partition"};
    return owner < MULLION_OWNER_COUNT ? words[owner] : "?";
}

const char *words_pci_use(unsigned use)
{
    static const char *const words[MULLION_PCI_USE_COUNT] = {
        [MULLION_PCI_USABLE] = "usable",
        [MULLION_PCI_BRIDGE] = "a bridge: it belongs to nobody",
        [MULLION_PCI_NO_MSIX] = "it has no MSI-X: its interrupts could not be given to a partition",
        [MULLION_PCI_SMALL_BAR] =
            "a memory window is smaller than a page or not aligned: it shares one with others",
        [MULLION_PCI_SEGMENT] = "it lies outside PCI segment 0",
        [MULLION_PCI_NO_RESET] = "it cannot be reset: it can be given away once until the box is restarted",
    };
    return use < MULLION_PCI_USE_COUNT ? words[use] : "?";
}

const char *words_dma(unsigned isolation)
{
    return isolation == MULLION_DMA_REMAPPED ? "devices reach only the memory of the partition that has them"
                                             : "the driver VM's devices can reach all memory: this box or "
                                               "this version has no DMA remapping";
}

const char *words_port_kind(unsigned kind)
{
    return kind == MULLION_PORT_NET ? "net" : kind == MULLION_PORT_CONSOLE ? "console" : "?";
}

const char *words_reason_code(unsigned reason)
{
    static const char *const codes[MULLION_REASON_COUNT] = {
        [MULLION_REASON_NONE] = "none",
        [MULLION_REASON_REQUESTED] = "requested",
        [MULLION_REASON_POWER_OFF] = "power-off",
        [MULLION_REASON_RESET] = "reset",
        [MULLION_REASON_TRIPLE_FAULT] = "triple-fault",
        [MULLION_REASON_UNKNOWN_EXIT] = "unknown-exit",
        [MULLION_REASON_REFUSED_EXIT] = "refused-exit",
        [MULLION_REASON_MMIO_UNMAPPED] = "mmio-unmapped",
        [MULLION_REASON_MMIO_INSTRUCTION] = "mmio-instruction",
        [MULLION_REASON_ENTRY_FAILED] = "entry-failed",
        [MULLION_REASON_MACHINE_CHECK] = "machine-check",
        [MULLION_REASON_STUCK] = "stuck",
        [MULLION_REASON_AGENT_EXIT] = "agent-exit",
        [MULLION_REASON_ALL_HALTED] = "all-halted",
        [MULLION_REASON_BAD_PAGE_TABLE] = "bad-page-table",
    };
    return reason < MULLION_REASON_COUNT && codes[reason] != NULL ? codes[reason] : "unknown";
}
