/* SPDX-License-Identifier: MIT */
/* Instructions, control registers, exception loops, CPUID, hypercalls, and ways to hang. */
#include "hostile.h"
#include "lists.h"
#include "mullion/abi.h"

#define UNEXPECTED_SHOWN 8
#define NAME_BYTES       48
#define CODE_BYTES       16
#define RET              0xc3
#define VENDOR_CALL      0 /* stands for the other vendor's hypercall instruction */
#define VMCALL           0xc1
#define VMMCALL          0xd9
#define CR4_OSXSAVE      (1ull << 18)

struct code {
    const char *name;
    uint8_t length;
    uint8_t bytes[6];
};

/* AMD's own: a CPU that knows them may look at the ring before anything else. */
static const struct code svm_code[] = {
    {"vmrun", 3, {0x0f, 0x01, 0xd8}},   {"vmload", 3, {0x0f, 0x01, 0xda}},
    {"vmsave", 3, {0x0f, 0x01, 0xdb}},  {"stgi", 3, {0x0f, 0x01, 0xdc}},
    {"clgi", 3, {0x0f, 0x01, 0xdd}},    {"skinit", 3, {0x0f, 0x01, 0xde}},
    {"invlpga", 3, {0x0f, 0x01, 0xdf}}, {"invlpgb", 3, {0x0f, 0x01, 0xfe}},
    {"tlbsync", 3, {0x0f, 0x01, 0xff}},
};

static const struct code virt_code[] = {
    {"hypercall-other", 3, {0x0f, 0x01, VENDOR_CALL}},
    {"vmlaunch", 3, {0x0f, 0x01, 0xc2}},
    {"vmresume", 3, {0x0f, 0x01, 0xc3}},
    {"vmxoff", 3, {0x0f, 0x01, 0xc4}},
    {"vmfunc", 3, {0x0f, 0x01, 0xd4}},
    {"vmread", 3, {0x0f, 0x78, 0xc0}},
    {"vmwrite", 3, {0x0f, 0x79, 0xc0}},
    {"vmxon", 4, {0xf3, 0x0f, 0xc7, 0x37}},
    {"vmclear", 4, {0x66, 0x0f, 0xc7, 0x37}},
    {"vmptrld", 3, {0x0f, 0xc7, 0x37}},
    {"vmptrst", 3, {0x0f, 0xc7, 0x3f}},
    {"invept", 5, {0x66, 0x0f, 0x38, 0x80, 0x07}},
    {"invvpid", 5, {0x66, 0x0f, 0x38, 0x81, 0x07}},
    {"monitor", 3, {0x0f, 0x01, 0xc8}},
    {"mwait", 3, {0x0f, 0x01, 0xc9}},
    {"monitorx", 3, {0x0f, 0x01, 0xfa}},
    {"mwaitx", 3, {0x0f, 0x01, 0xfb}},
    {"rdpmc", 2, {0x0f, 0x33}},
    {"rsm", 2, {0x0f, 0xaa}},
    {"getsec", 2, {0x0f, 0x37}},
    {"encls", 3, {0x0f, 0x01, 0xcf}},
    {"tdcall", 4, {0x66, 0x0f, 0x01, 0xcc}},
    {"seamret", 4, {0x66, 0x0f, 0x01, 0xcd}},
    {"seamops", 4, {0x66, 0x0f, 0x01, 0xce}},
    {"seamcall", 4, {0x66, 0x0f, 0x01, 0xcf}},
};

static const struct code cache_code[] = {
    {"invd", 2, {0x0f, 0x08}},
    {"wbinvd", 2, {0x0f, 0x09}},
    {"wbnoinvd", 3, {0xf3, 0x0f, 0x09}},
};

/* Addresses as type void (*)(uint64_t), which attempt() takes; the page is writable and executable. */
static uint8_t code_buffer[CODE_BYTES] __attribute__((aligned(64)));
static uint8_t operand[4096] __attribute__((aligned(4096)));

bool cpu_is_intel(void)
{
    uint32_t leaf[4];
    cpuid(0, 0, leaf);
    return leaf[2] == 0x6c65746e; /* "ntel" */
}

/* With an address in RAX and RDI, RCX and RDX 0: no operand is at fault. */
static int code_run(const struct code *code, bool user)
{
    static const uint8_t setup[] = {0x48, 0x89, 0xf8, 0x31,
                                    0xc9, 0x31, 0xd2}; /* MOV RAX, RDI; XOR ECX; XOR EDX */
    uint8_t *to = code_buffer;
    for (size_t i = 0; i < sizeof setup; i++) {
        *to++ = setup[i];
    }
    for (size_t i = 0; i < code->length; i++) {
        *to++ = code->bytes[i];
    }
    if (code->length == 3 && code->bytes[2] == VENDOR_CALL) {
        to[-1] = cpu_is_intel() ? VMMCALL : VMCALL;
    }
    *to = RET;
    __asm__ volatile("" : : : "memory");
    void (*function)(uint64_t) = (void (*)(uint64_t))(uint64_t)code_buffer;
    return user ? attempt_user(function, (uint64_t)operand) : attempt(function, (uint64_t)operand);
}

static const char *verdict_of(int vector)
{
    switch (vector) {
    case NO_FAULT:
        return "ignored";
    case VECTOR_DB:
        return "#DB";
    case VECTOR_UD:
        return "#UD";
    case VECTOR_GP:
        return "#GP";
    case VECTOR_AC:
        return "#AC";
    default:
        return "other-exception";
    }
}

/* One row per instruction, named prefix + its name. */
static void code_start_row(const struct code *code, bool user)
{
    static char name[NAME_BYTES];
    size_t at = 0;
    for (const char *c = user ? "user-" : "insn-"; *c != '\0'; c++) {
        name[at++] = *c;
    }
    for (const char *c = code->name; *c != '\0'; c++) {
        name[at++] = *c;
    }
    name[at] = '\0';
    console_start_row(name);
}

static void codes_run(const struct code *codes, size_t count, bool user)
{
    for (size_t i = 0; i < count; i++) {
        code_start_row(&codes[i], user);
        const int vector = code_run(&codes[i], user);
        report(verdict_of(vector), "vector=%d", vector);
    }
}

static void svm_codes_run_user(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(svm_code); i++) {
        code_start_row(&svm_code[i], true);
        const int vector = code_run(&svm_code[i], true);
        const bool refused = vector == VECTOR_UD || vector == VECTOR_GP;
        report(refused ? "refused" : verdict_of(vector), "vector=%d", vector);
    }
}

static void row_instructions(void)
{
    codes_run(svm_code, ARRAY_COUNT(svm_code), false);
    codes_run(virt_code, ARRAY_COUNT(virt_code), false);
    codes_run(cache_code, ARRAY_COUNT(cache_code), false);
}

static void row_user_instructions(void)
{
    svm_codes_run_user();
    codes_run(virt_code, ARRAY_COUNT(virt_code), true);
    codes_run(cache_code, ARRAY_COUNT(cache_code), true);
}

static void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static void xcr0_write(uint64_t value)
{
    xsetbv(0, value);
}

static void xcr1_write(uint64_t value)
{
    xsetbv(1, value);
}

static bool xsave_enable(void)
{
    uint32_t leaf[4];
    cpuid(1, 0, leaf);
    if ((leaf[2] & 1u << 26) == 0) {
        return false;
    }
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
    return true;
}

static void row_xsetbv_bad(void)
{
    static const uint64_t values[] = {0, 2, 4, 5, 6, 1 | 1ull << 8, 1 | 1ull << 63, 7 | 1ull << 32, ~0ull};
    if (!xsave_enable()) {
        report("#UD", "no XSAVE");
        return;
    }
    unsigned accepted = 0;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        accepted += attempt(xcr0_write, values[i]) == VECTOR_GP ? 0u : 1u;
    }
    accepted += attempt(xcr1_write, 1) == VECTOR_GP ? 0u : 1u;
    report(accepted == 0 ? "#GP" : "accepted", "accepted=%u", accepted);
}

static void row_xsetbv_good(void)
{
    unsigned refused = 0;
    if (xsave_enable()) {
        refused += attempt(xcr0_write, 1) == NO_FAULT ? 0u : 1u;
        refused += attempt(xcr0_write, 3) == NO_FAULT ? 0u : 1u;
    }
    report(refused == 0 ? "allowed" : "refused", "refused=%u", refused);
}

static void cr0_write(uint64_t value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static volatile uint64_t watched;

static void watched_touch(uint64_t unused)
{
    (void)unused;
    watched = 1;
    __asm__ volatile("nop; nop");
}

static void row_hang(void)
{
    __asm__ volatile("cli; 1: jmp 1b");
}

/*
 * CVE-2015-8104: a data breakpoint on the very stack that #DB is delivered on. A CPU delivers it for ever and
 * does not reach the handler; an emulator that does come back hangs instead.
 */
static void row_db_loop(void)
{
    static uint64_t stack[256] __attribute__((aligned(16)));
    const uint64_t top = (uint64_t)(stack + ARRAY_COUNT(stack));
    trap_set_stack(VECTOR_DB, top);
    __asm__ volatile("mov %0, %%dr0" : : "r"((uint64_t)&watched));
    __asm__ volatile("mov %0, %%dr1" : : "r"(top - 8));
    __asm__ volatile("mov %0, %%dr2" : : "r"(top - 16));
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x0999002aull | 0x400));
    (void)attempt(watched_touch, 0);
    row_hang();
}

static void misaligned_touch(uint64_t unused)
{
    (void)unused;
    __asm__ volatile(
        "pushfq; orq $0x40000, (%%rsp); popfq; mov %0, %%rsp; mov 1(%%rsp), %%rax; push %%rax; int $0x80"
        :
        : "r"((uint64_t)operand + 2049)
        : "rax", "memory");
}

/* CVE-2015-5307: alignment checks whose delivery faults again. In 64-bit mode the CPU aligns the new stack.
 */
static void row_ac_loop(void)
{
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0_write(cr0 | 1ull << 18);
    trap_set_stack(VECTOR_AC, (uint64_t)operand + 4095);
    const int vector = attempt_user(misaligned_touch, 0);
    trap_set_stack(VECTOR_AC, 0);
    cr0_write(cr0);
    report("harmless", "vector=%d", vector);
}

static void row_triple_fault(void)
{
    static const struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } nothing = {0, 0};
    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

static void row_halt_forever(void)
{
    __asm__ volatile("cli; hlt");
}

static uint32_t leaf_or(const uint32_t leaf[4])
{
    return leaf[0] | leaf[1] | leaf[2] | leaf[3];
}

static void row_cpuid_leaves(void)
{
    static const struct {
        uint32_t first, last;
    } walks[] = {{0, 0xff},
                 {0x40000000, 0x400001ff},
                 {0x80000000, 0x800000ff},
                 {0x8fffffff, 0x8fffffff},
                 {0xc0000000, 0xc0000010},
                 {0xffffffff, 0xffffffff}};
    unsigned unexpected = 0;
    for (size_t w = 0; w < ARRAY_COUNT(walks); w++) {
        for (uint64_t number = walks[w].first; number <= walks[w].last; number++) {
            uint32_t leaf[4];
            cpuid((uint32_t)number, 0, leaf);
            if (leaf_or(leaf) != 0 && !list_has_leaf((uint32_t)number) && unexpected++ < UNEXPECTED_SHOWN) {
                print("# leaf %lx: %x %x %x %x\n", number, leaf[0], leaf[1], leaf[2], leaf[3]);
            }
        }
    }
    report(unexpected == 0 ? "zero" : "answered", "unexpected=%u", unexpected);
}

/* Bits that must be clear: what a partition may not use, and what would show it the host. */
static void row_cpuid_features(void)
{
    static const struct {
        uint32_t leaf;
        unsigned reg;
        uint32_t mask;
        const char *what;
    } hidden[] = {
        {1, 2, 1u << 5, "VMX"},
        {1, 2, 1u << 6, "SMX"},
        {1, 2, 1u << 3, "MONITOR"},
        {1, 2, 1u << 15, "PDCM"},
        {1, 3, 1u << 21, "DS"},
        {6, 2, 1u, "APERFMPERF"},
        {0xa, 0, 0xffffffff, "PMU"},
        {7, 1, 1u << 2, "SGX"},
        {0x80000001, 2, 1u << 2, "SVM"},
        {0x80000001, 2, 1u << 3, "extended APIC space"},
        {0x80000001, 2, 1u << 10, "IBS"},
        {0x80000001, 2, 1u << 12, "SKINIT"},
        {0x80000001, 2, 3u << 23, "performance counters"},
        {0x80000001, 2, 1u << 28, "L2I counters"},
        {0x80000001, 2, 1u << 29, "MONITORX"},
        {0x8000000a, 3, 0xffffffff, "SVM features"},
    };
    unsigned shown = 0;
    for (size_t i = 0; i < ARRAY_COUNT(hidden); i++) {
        uint32_t leaf[4];
        cpuid(hidden[i].leaf, 0, leaf);
        if ((leaf[hidden[i].reg] & hidden[i].mask) != 0) {
            shown++;
            print("# CPUID shows %s\n", hidden[i].what);
        }
    }
    report(shown == 0 ? "zero" : "answered", "bits=%u", shown);
}

static bool calls_by_vmcall;

static int64_t hypercall(uint64_t number, uint64_t argument)
{
    int64_t result;
    if (calls_by_vmcall) {
        __asm__ volatile("vmcall" : "=a"(result) : "a"(number), "D"(argument) : "memory");
    } else {
        __asm__ volatile("vmmcall" : "=a"(result) : "a"(number), "D"(argument) : "memory");
    }
    return result;
}

static volatile unsigned hypercalls_granted;

static void hypercalls_try(uint64_t unused)
{
    (void)unused;
    const uint64_t arguments[] = {
        0,     (uint64_t)operand, (uint64_t)operand + 1, 0xd0000000ull, 1ull << 40, 1ull << 63, ~0ull, 0xfff,
        0x1000};
    for (uint64_t number = 0; number < MULLION_CALL_COUNT + 4; number++) {
        for (size_t i = 0; i < ARRAY_COUNT(arguments); i++) {
            if (hypercall(number, arguments[i]) != -MULLION_E_PERMISSION) {
                hypercalls_granted++;
            }
        }
    }
    for (unsigned bit = 5; bit < 64; bit++) {
        if (hypercall(1ull << bit, (uint64_t)operand) != -MULLION_E_PERMISSION) {
            hypercalls_granted++;
        }
    }
}

static void hypercalls_report(int vector)
{
    const bool refused = vector == NO_FAULT && hypercalls_granted == 0;
    report(refused ? "refused" : "granted", "vector=%d granted=%u", vector, hypercalls_granted);
}

static void row_hypercalls(void)
{
    hypercalls_granted = 0;
    calls_by_vmcall = cpu_is_intel();
    hypercalls_report(attempt(hypercalls_try, 0));
}

static void row_hypercalls_user(void)
{
    hypercalls_granted = 0;
    calls_by_vmcall = cpu_is_intel();
    hypercalls_report(attempt_user(hypercalls_try, 0));
}

const struct row rows_cpu[] = {
    {"instructions", row_instructions, false},
    {"user-instructions", row_user_instructions, false},
    {"xsetbv-bad", row_xsetbv_bad, false},
    {"xsetbv-good", row_xsetbv_good, false},
    {"db-loop", row_db_loop, true},
    {"ac-loop", row_ac_loop, false},
    {"cpuid-leaves", row_cpuid_leaves, false},
    {"cpuid-features", row_cpuid_features, false},
    {"hypercalls", row_hypercalls, false},
    {"hypercalls-user", row_hypercalls_user, false},
    {"triple-fault", row_triple_fault, true},
    {"hang", row_hang, true},
    {"halt-forever", row_halt_forever, true},
};
const size_t rows_cpu_count = ARRAY_COUNT(rows_cpu);
