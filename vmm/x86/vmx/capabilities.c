/* SPDX-License-Identifier: MIT */
/* What this CPU's VMX can do: Intel SDM volume 3, appendix A. A control that the back end needs and the CPU lacks is
 * named with its MSR and bit. */
#include "core/core.h"
#include "x86/vmx/vmx.h"

enum { MSR_FEATURE_CONTROL = 0x3a, FEATURE_LOCKED = 1 << 0, FEATURE_VMX = 1 << 2, FEATURE_LMCE = 1 << 20 };
enum { MSR_MCG_CAP = 0x179, MSR_MCG_EXT_CTL = 0x4d0, MCG_CAP_LMCE = 1 << 27, MCG_EXT_CTL_LMCE = 1 << 0 };
enum { CPUID_1_EDX_MCA = 1 << 14 };
enum { MSR_CR0_FIXED0 = 0x486, MSR_CR0_FIXED1 = 0x487, MSR_CR4_FIXED0 = 0x488, MSR_CR4_FIXED1 = 0x489 };
enum { MSR_BASIC = 0x480, MSR_PROC_PLAIN = 0x482 };
enum { BASIC_WRITE_BACK = 51, BASIC_TRUE_CONTROLS = 55, MISC_STORES_LMA = 5, EPT_GIGABYTE_PAGES = 17 };

/* Bits of the processor controls that are 1 on CPUs of before: appendix A.3.2. */
#define PROC_DEFAULT_ONE 0x0401e172u

/* One register of capabilities. CONTROLS: bits 31:0 must be 1 in a control field, bits 63:32 may be. */
static const struct {
    uint32_t msr;
    bool controls;
} groups[VMX_GROUP_COUNT] = {
    [VMX_PIN] = {0x48d, true},   [VMX_PROC] = {0x48e, true},      [VMX_PROC2] = {0x48b, true},
    [VMX_EXIT] = {0x48f, true},  [VMX_ENTRY] = {0x490, true},     [VMX_BASIC] = {MSR_BASIC, false},
    [VMX_MISC] = {0x485, false}, [VMX_EPT_VPID] = {0x48c, false},
};

enum need { NEEDED, ON_DEMAND, OPTIONAL };

/* In this order, because a register exists only if an earlier row holds. ON_DEMAND: must exist, is clear at first. */
static const struct {
    enum vmx_control_group group;
    unsigned bit;
    enum need need;
    const char *name;
} rows[] = {
    {VMX_PROC2, PROC2_EPT, NEEDED, "EPT"},
    {VMX_PROC2, PROC2_UNRESTRICTED, NEEDED, "unrestricted guest"},
    {VMX_PROC2, PROC2_VPID, NEEDED, "VPID"},
    {VMX_PROC2, PROC2_WBINVD, NEEDED, "WBINVD exiting"},
    {VMX_PROC2, PROC2_RDTSCP, OPTIONAL, "RDTSCP"},
    {VMX_PROC2, PROC2_INVPCID, OPTIONAL, "INVPCID"},
    {VMX_PROC2, PROC2_ENCLS, OPTIONAL, "ENCLS exiting"},          /* a CPU without it has no SGX */
    {VMX_BASIC, BASIC_WRITE_BACK + 1, NEEDED, "write-back VMCS"}, /* memory type 6: bits 52 and 51 */
    {VMX_BASIC, BASIC_WRITE_BACK, NEEDED, "write-back VMCS"},
    {VMX_BASIC, BASIC_TRUE_CONTROLS, NEEDED, "flexible default settings of controls"},
    {VMX_MISC, MISC_STORES_LMA, NEEDED, "store of EFER.LMA at exits"},
    {VMX_EPT_VPID, 6, NEEDED, "EPT of four levels"},
    {VMX_EPT_VPID, 14, NEEDED, "write-back EPT"},
    {VMX_EPT_VPID, 16, NEEDED, "EPT pages of 2 MiB"},
    {VMX_EPT_VPID, 20, NEEDED, "INVEPT"},
    {VMX_EPT_VPID, 25, NEEDED, "INVEPT of one context"},
    {VMX_EPT_VPID, 32, NEEDED, "INVVPID"},
    {VMX_EPT_VPID, 41, NEEDED, "INVVPID of one context"},
    {VMX_PIN, PIN_EXTERNAL_INTERRUPT, NEEDED, "external-interrupt exiting"},
    {VMX_PIN, PIN_NMI, NEEDED, "NMI exiting"},
    {VMX_PIN, PIN_VIRTUAL_NMI, NEEDED, "virtual NMIs"},
    {VMX_PROC, PROC_INTERRUPT_WINDOW, ON_DEMAND, "interrupt-window exiting"},
    {VMX_PROC, PROC_HLT, NEEDED, "HLT exiting"},
    {VMX_PROC, PROC_MWAIT, NEEDED, "MWAIT exiting"},
    {VMX_PROC, PROC_RDPMC, NEEDED, "RDPMC exiting"},
    {VMX_PROC, PROC_CR8_LOAD, NEEDED, "CR8-load exiting"},
    {VMX_PROC, PROC_TPR_SHADOW, NEEDED, "TPR shadow"},
    {VMX_PROC, PROC_NMI_WINDOW, ON_DEMAND, "NMI-window exiting"},
    {VMX_PROC, PROC_IO_BITMAPS, NEEDED, "I/O bitmaps"},
    {VMX_PROC, PROC_MSR_BITMAPS, NEEDED, "MSR bitmaps"},
    {VMX_PROC, PROC_MONITOR, NEEDED, "MONITOR exiting"},
    {VMX_PROC, PROC_SECONDARY, NEEDED, "secondary controls"},
    {VMX_EXIT, EXIT_SAVE_DEBUG, NEEDED, "save debug controls"},
    {VMX_EXIT, EXIT_HOST_64, NEEDED, "64-bit host"},
    {VMX_EXIT, EXIT_LOAD_PAT, NEEDED, "load PAT at exits"},
    {VMX_EXIT, EXIT_SAVE_EFER, NEEDED, "save EFER at exits"},
    {VMX_EXIT, EXIT_LOAD_EFER, NEEDED, "load EFER at exits"},
    {VMX_ENTRY, ENTRY_LOAD_DEBUG, NEEDED, "load debug controls"},
    {VMX_ENTRY, ENTRY_IA32E, ON_DEMAND, "64-bit guest"},
    {VMX_ENTRY, ENTRY_LOAD_PAT, NEEDED, "load PAT at entries"},
    {VMX_ENTRY, ENTRY_LOAD_EFER, NEEDED, "load EFER at entries"},
};

/** Formats the line that vmx_missing() returns. */
__attribute__((format(printf, 1, 2))) static const char *line(const char *format, ...) {
    static char text[320];
    va_list arguments;
    va_start(arguments, format);
    text_format(text, sizeof text, format, arguments);
    va_end(arguments);
    return text;
}

static bool has(enum vmx_control_group group, unsigned bit) {
    return (rdmsr(groups[group].msr) >> (groups[group].controls ? bit + 32 : bit) & 1) != 0;
}

static const char *missing_row(size_t i) {
    unsigned bit = rows[i].bit + (groups[rows[i].group].controls ? 32 : 0);
    return line("this CPU's VMX lacks \"%s\"; bit %u of MSR 0x%x is clear; use a CPU that has it, or, if Mullion runs "
                "inside another hypervisor, switch it on there",
                rows[i].name, bit, groups[rows[i].group].msr);
}

/** What the rows ask for, those on demand left out. */
static uint32_t wanted(enum vmx_control_group group) {
    uint32_t bits = 0;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        bool set = rows[i].need == NEEDED || (rows[i].need == OPTIONAL && has(rows[i].group, rows[i].bit));
        if (rows[i].group == group && set) { bits |= 1u << rows[i].bit; }
    }
    return bits;
}

static uint32_t forced(enum vmx_control_group group) { return (uint32_t)rdmsr(groups[group].msr); }

/** A control that the CPU insists on, and that the back end has no verdict for. */
static const char *missing_default(void) {
    uint32_t harmless = PROC_DEFAULT_ONE & ~(1u << PROC_CR3_LOAD | 1u << PROC_CR3_STORE);
    uint32_t bits = forced(VMX_PROC) & ~(harmless | wanted(VMX_PROC));
    if (bits == 0) { return NULL; }
    return line("this CPU's VMX does not let a processor control be switched off; bit %u of MSR 0x%x is set; use "
                "another CPU",
                (unsigned)__builtin_ctz(bits), groups[VMX_PROC].msr);
}

const char *vmx_missing(void) {
    uint64_t feature_control = rdmsr(MSR_FEATURE_CONTROL);
    if ((feature_control & (FEATURE_LOCKED | FEATURE_VMX)) == FEATURE_LOCKED) {
        return line("Intel VMX is disabled; the firmware has switched it off and locked that (bit 2 of MSR 0x%x, "
                    "IA32_FEATURE_CONTROL, is clear); enable VT-x (Intel Virtualization Technology) in the firmware "
                    "set-up, then switch the machine off and on",
                    MSR_FEATURE_CONTROL);
    }
    if ((rdmsr(MSR_PROC_PLAIN) >> (PROC_SECONDARY + 32) & 1) == 0) { /* then MSR_PROC2 does not exist */
        return line("this CPU's VMX lacks EPT and unrestricted guest, as all secondary controls; bit %u of MSR 0x%x is "
                    "clear; use a CPU that has them",
                    PROC_SECONDARY + 32, MSR_PROC_PLAIN);
    }
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].need != OPTIONAL && !has(rows[i].group, rows[i].bit)) { return missing_row(i); }
    }
    return missing_default();
}

uint32_t vmx_controls(enum vmx_control_group group) { return wanted(group) | forced(group); }

bool vmx_has_gigabyte_pages(void) { return has(VMX_EPT_VPID, EPT_GIGABYTE_PAGES); }

uint32_t vmx_revision(void) { return (uint32_t)rdmsr(MSR_BASIC) & INT32_MAX; }

uint64_t vmx_fixed_cr0(uint64_t value) {
    uint64_t must = rdmsr(MSR_CR0_FIXED0) & ~(CR0_PE | CR0_PG);
    return ((value & ~vmx_cr0_mask()) | must) & rdmsr(MSR_CR0_FIXED1);
}

uint64_t vmx_fixed_cr4(uint64_t value) { return (value | rdmsr(MSR_CR4_FIXED0)) & rdmsr(MSR_CR4_FIXED1); }

uint64_t vmx_cr0_mask(void) {
    return (rdmsr(MSR_CR0_FIXED0) & ~(CR0_PE | CR0_PG)) | ~rdmsr(MSR_CR0_FIXED1) | CR0_NW | CR0_CD;
}

static bool has_lmce(void) {
    return (cpuid(1, 0).edx & CPUID_1_EDX_MCA) != 0 && (rdmsr(MSR_MCG_CAP) & MCG_CAP_LMCE) != 0;
}

void vmx_localize_machine_checks(void) {
    bool allowed = (rdmsr(MSR_FEATURE_CONTROL) & FEATURE_LMCE) != 0;
    if (has_lmce() && allowed) { wrmsr(MSR_MCG_EXT_CTL, MCG_EXT_CTL_LMCE); }
}

void vmx_unlock(void) {
    if ((rdmsr(MSR_FEATURE_CONTROL) & FEATURE_LOCKED) == 0) {
        wrmsr(MSR_FEATURE_CONTROL, FEATURE_LOCKED | FEATURE_VMX | (has_lmce() ? FEATURE_LMCE : 0));
    }
    ASSERT((rdmsr(MSR_FEATURE_CONTROL) & FEATURE_VMX) != 0);
}
