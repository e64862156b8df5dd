/* SPDX-License-Identifier: MIT */
/*
 * Every instruction that exits, in every CPU mode: each ends as the manual says, at the right RIP, with the
 * right frame on the stack, and changes the registers that it should and no others. One row per mode; what
 * each instruction did is printed, and compared with docs/hostile.md by the test.
 */
#include "mode_table.h"
#include "hostile.h"
#include "mode_block.h"
#include "mullion/abi.h"
#include "mullion/machine.h"

#define GPRS        16u
#define EAX         0u
#define ECX         1u
#define EDX         2u
#define EBX         3u
#define ESP         4u
#define EBP         5u
#define FLAGS_IN    0x8d7ull /* all arithmetic flags set */
#define SELECT      0xa5u    /* what the IO-APIC's select register holds before each instruction */
#define TIMER_TICKS 1000000u
#define LINE_CASES  6u

/* The begin of mode_switch.S. */
struct mode_block {
    uint64_t gpr[GPRS], rip, rflags, cr0, cr3, cr4, enter, code_selector, data_selector, trampoline,
        resume_error;
    uint64_t host_cr0, host_cr3, host_cr4, idt_pointer[2], host_idt_pointer[2];
    uint64_t out_gpr[GPRS], out_cr0, resume, host_rsp;
};

struct mode_case {
    const char *name;
    const uint8_t *code;
    uint8_t insn, next, length, zero;
    uint32_t end, check, eax, ecx, edx, value;
};

struct mode {
    const char *name;
    uint8_t bits, gate_bits, enter;
    uint16_t code_selector, data_selector;
    bool paging, pae;
};

enum {
    MODE_REAL,
    MODE_PROTECTED16,
    MODE_PROTECTED32,
    MODE_PAGED32,
    MODE_PAE,
    MODE_COMPAT16,
    MODE_COMPAT32,
    MODE_LONG,
    MODE_V86
};

static const struct mode modes[] = {
    [MODE_REAL] = {"real", 16, 0, ENTER_REAL, 0, SELECTOR_DATA16, false, false},
    [MODE_PROTECTED16] = {"protected16", 16, 16, ENTER_PROTECTED, SELECTOR_CODE16, SELECTOR_DATA16, false,
                          false},
    [MODE_PROTECTED32] = {"protected32", 32, 32, ENTER_PROTECTED, SELECTOR_CODE32, SELECTOR_DATA32, false,
                          false},
    [MODE_PAGED32] = {"paged32", 32, 32, ENTER_PROTECTED, SELECTOR_CODE32, SELECTOR_DATA32, true, false},
    [MODE_PAE] = {"pae", 32, 32, ENTER_PROTECTED, SELECTOR_CODE32, SELECTOR_DATA32, true, true},
    [MODE_COMPAT16] = {"compat16", 16, 64, ENTER_LONG, SELECTOR_CODE16, SELECTOR_DATA16, true, true},
    [MODE_COMPAT32] = {"compat32", 32, 64, ENTER_LONG, SELECTOR_CODE32, SELECTOR_DATA32, true, true},
    [MODE_LONG] = {"long", 64, 64, ENTER_LONG, SELECTOR_CODE64, SELECTOR_DATA32, true, true},
    [MODE_V86] = {"v86", 16, 32, ENTER_V86, SELECTOR_CODE32, SELECTOR_DATA32, false, false},
};

/* What the handler found on its stack. */
struct frame {
    uint64_t vector, error, rip, cs, rflags;
    uint64_t end; /* stack pointer in front of the frame */
};

extern const uint8_t block_begin[], block_end[];
extern const uint64_t block_go, block_trampolines[3], block_stubs[3];
extern const struct mode_case mode_cases16[], mode_cases32[], mode_cases64[];

static struct mode_block *const block = (struct mode_block *)BLOCK_BASE;
static uint64_t idts[4][2 * BLOCK_VECTORS] __attribute__((aligned(16))); /* by gate_index() */
static uint32_t page_directory[1024]
    __attribute__((aligned(4096))); /* 4 MiB pages, the first 4 MiB in small ones */
static uint32_t page_table[1024] __attribute__((aligned(4096)));
static uint64_t pae_pointers[4] __attribute__((aligned(32)));
static uint32_t tss32[64]; /* 104 bytes, then the map of the ports 0 to 0xff: all allowed */
static bool has_xsave;

static unsigned bits_index(unsigned bits)
{
    return bits == 16 ? 0 : bits == 32 ? 1 : 2;
}

static unsigned gate_index(const struct mode *mode)
{
    return mode->gate_bits == 0 ? 3 : bits_index(mode->gate_bits);
}

static uint64_t stub_of(unsigned bits, unsigned vector)
{
    return block_stubs[bits_index(bits)] + 16ull * vector;
}

static uint64_t gate(uint64_t selector, uint64_t type, uint64_t offset)
{
    return offset | selector << 16 | type << 40;
}

/* All gates may be called from ring 3, as INT in virtual-8086 mode wants it. Real mode has pairs of IP and
 * CS. */
static void idts_fill(void)
{
    uint32_t *real = (uint32_t *)idts[3];
    for (unsigned v = 0; v < BLOCK_VECTORS; v++) {
        idts[0][v] = gate(SELECTOR_CODE16, 0xe6, stub_of(16, v));
        idts[1][v] = gate(SELECTOR_CODE32, 0xee, stub_of(32, v));
        idts[2][2 * v] = gate(SELECTOR_CODE64, 0xee, stub_of(64, v));
        real[v] = (uint32_t)stub_of(16, v);
    }
}

static void page_tables_fill(void)
{
    for (uint32_t i = 0; i < ARRAY_COUNT(page_directory); i++) {
        page_directory[i] = i << 22 | 0x87;
        page_table[i] = i << 12 | 7;
    }
    page_directory[0] = (uint32_t)(uint64_t)page_table | 7;
    const uint64_t *pdpt = (const uint64_t *)(pml4[0] & ~0xfffull);
    for (unsigned i = 0; i < ARRAY_COUNT(pae_pointers); i++) {
        pae_pointers[i] = (pdpt[i] & ~0xfffull) | 1;
    }
}

static uint64_t descriptor(uint64_t base, uint64_t limit, uint64_t access)
{
    return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 | (base >> 24) << 56;
}

static void segments_fill(void)
{
    gdt[SELECTOR_IOAPIC / 8] = descriptor(MACHINE_IOAPIC_BASE, 0xffff, 0x93);
    gdt[SELECTOR_ECAM / 8] = descriptor(MACHINE_ECAM_BASE, 0xffff, 0x93);
    gdt[SELECTOR_TSS32 / 8] = descriptor((uint64_t)tss32, sizeof tss32 - 1, 0x89);
    tss32[1] = BLOCK_STACK;
    tss32[2] = SELECTOR_DATA32;
    tss32[25] = 104u << 16;
    tss32[ARRAY_COUNT(tss32) - 1] = 0xffffffff;
}

static void block_prepare(void)
{
    uint32_t leaf[4];
    uint8_t *to = (uint8_t *)BLOCK_BASE;
    for (const uint8_t *from = block_begin; from < block_end; from++) {
        *to++ = *from;
    }
    cpuid(1, 0, leaf);
    has_xsave = (leaf[2] & 1u << 26) != 0;
    idts_fill();
    page_tables_fill();
    segments_fill();
}

static uint64_t cr4_of(const struct mode *mode)
{
    const uint64_t paging = mode->pae ? 0x30 : mode->paging ? 0x10 : 0;
    return paging | (has_xsave ? 1ull << 18 : 0);
}

static void block_set_mode(const struct mode *mode)
{
    uint64_t host_cr4;
    __asm__ volatile("mov %%cr0, %0" : "=r"(block->host_cr0));
    __asm__ volatile("mov %%cr3, %0" : "=r"(block->host_cr3));
    __asm__ volatile("mov %%cr4, %0" : "=r"(host_cr4));
    host_cr4 |= has_xsave ? 1ull << 18 : 0;
    __asm__ volatile("mov %0, %%cr4" : : "r"(host_cr4));
    block->host_cr4 = host_cr4;
    block->cr0 = (block->host_cr0 & ~(1ull << 31)) | (mode->paging ? 1ull << 31 : 0);
    block->cr3 = (uint64_t)(mode->pae ? (void *)pae_pointers : (void *)page_directory);
    block->cr4 = cr4_of(mode);
    block->enter = mode->enter;
    block->code_selector = mode->code_selector;
    block->data_selector = mode->data_selector;
    block->trampoline = block_trampolines[bits_index(mode->bits)];
    block->resume_error = mode->gate_bits == 16 ? 2 : 0;
    const uint64_t idt = (uint64_t)idts[gate_index(mode)];
    block->idt_pointer[0] = idt << 16 | (sizeof idts[0] - 1);
    block->idt_pointer[1] = 0;
    __asm__ volatile("sidt %0" : "=m"(*block->host_idt_pointer));
}

static const struct mode_case *cases_of(const struct mode *mode)
{
    return mode->bits == 16 ? mode_cases16 : mode->bits == 32 ? mode_cases32 : mode_cases64;
}

static void code_copy(const struct mode_case *c)
{
    uint8_t *to = (uint8_t *)BLOCK_CODE;
    for (unsigned i = 0; i < c->length; i++) {
        to[i] = c->code[i];
    }
    if ((c->end & (CALL_OWN | CALL_OTHER)) != 0) {
        to[c->insn + 2] = cpu_is_intel() == ((c->end & CALL_OWN) != 0) ? 0xc1 : 0xd9; /* VMCALL, VMMCALL */
    }
}

static volatile uint32_t *ioapic(void)
{
    return window_map(MACHINE_IOAPIC_BASE);
}

static void case_run(const struct mode *mode, const struct mode_case *c)
{
    code_copy(c);
    for (unsigned i = 0; i < GPRS; i++) {
        block->gpr[i] = 0x1112131400000000ull * (mode->bits == 64) + 0x51525300u + i;
    }
    block->gpr[EAX] = c->eax;
    block->gpr[ECX] = c->ecx;
    block->gpr[EDX] = c->edx;
    block->gpr[EBX] = 0x10;
    block->gpr[ESP] = mode->enter == ENTER_V86 ? BLOCK_V86_STACK : BLOCK_STACK;
    block->gpr[EBP] = 0;
    block->gpr[6] = block->gpr[7] = BLOCK_BUFFER;
    block->rip = BLOCK_CODE;
    block->rflags = FLAGS_IN;
    block->resume = (c->end & RESUME) != 0;
    *ioapic() = SELECT;
    gdt[SELECTOR_TSS32 / 8] &= ~(1ull << 41); /* not busy */
    __asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0ull));
    if ((c->end & TIMER) != 0) {
        timer_arm(TIMER_TICKS);
    }
    ((void (*)(void))block_go)();
    trap_load_tss();
}

static uint64_t pop(uint64_t *at, unsigned bits)
{
    const uint64_t address = *at;
    *at += bits / 8;
    return bits == 16   ? *(const uint16_t *)address
           : bits == 32 ? *(const uint32_t *)address
                        : *(const uint64_t *)address;
}

static bool vector_has_error(uint64_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/* Pops what the handler of this mode found on its stack, its vector first. */
static struct frame frame_read(const struct mode *mode)
{
    struct frame f = {0};
    const unsigned bits = mode->gate_bits == 0 ? 16 : mode->gate_bits;
    uint64_t at = block->out_gpr[ESP] & (bits == 64 ? ~0ull : 0xffffffff);
    f.vector = pop(&at, bits);
    f.error = mode->gate_bits != 0 && vector_has_error(f.vector) ? pop(&at, bits) : 0;
    f.rip = pop(&at, bits);
    f.cs = pop(&at, bits);
    f.rflags = pop(&at, bits);
    if (bits == 64 || mode->enter == ENTER_V86) {
        f.end = pop(&at, bits);
        (void)pop(&at, bits); /* SS */
    } else {
        f.end = at;
    }
    return f;
}

/* The first 32 bits count outside 64-bit mode. */
static uint64_t gpr_mask(const struct mode *mode)
{
    return mode->bits == 64 ? ~0ull : 0xffffffff;
}

static uint64_t merged(uint64_t old, uint64_t value, unsigned shift, uint64_t mask)
{
    return (old & ~(mask << shift)) | (value & mask) << shift;
}

static void expect_load(const struct mode_case *c, uint64_t *gpr)
{
    const uint64_t value =
        (c->check & ECAM) != 0 ? *(volatile uint32_t *)window_map(MACHINE_ECAM_BASE) : c->value;
    switch (c->check & CHECK_KIND) {
    case CHECK_LOAD8:
        gpr[EAX] = merged(gpr[EAX], value, 0, 0xff);
        break;
    case CHECK_LOAD16:
        gpr[EAX] = merged(gpr[EAX], value, 0, 0xffff);
        break;
    case CHECK_LOAD32:
        gpr[EAX] = (uint32_t)value;
        break;
    case CHECK_LOADH:
        gpr[EAX] = merged(gpr[EAX], value, 8, 0xff);
        break;
    default:
        break;
    }
}

static void expect_cpuid(const struct mode_case *c, uint64_t *gpr)
{
    uint32_t leaf[4];
    cpuid(c->eax, c->ecx, leaf);
    gpr[EAX] = leaf[0];
    gpr[EBX] = leaf[1];
    gpr[ECX] = leaf[2];
    gpr[EDX] = leaf[3];
}

/* gpr: as before the instruction; becomes what it should leave. */
static void expect_registers(const struct mode_case *c, uint64_t *gpr)
{
    const uint64_t *out = block->out_gpr;
    switch (c->check & CHECK_KIND) {
    case CHECK_CPUID:
        expect_cpuid(c, gpr);
        break;
    case CHECK_MSR: {
        const uint64_t value = msr_read(c->ecx);
        gpr[EAX] = (uint32_t)value;
        gpr[EDX] = value >> 32;
        break;
    }
    case CHECK_TSC:
        gpr[EAX] = out[EAX];
        gpr[EBX] = out[EBX];
        gpr[ECX] = out[ECX];
        gpr[EDX] = out[EDX];
        break;
    case CHECK_CALL:
        gpr[EAX] = (uint64_t)-MULLION_E_PERMISSION;
        break;
    case CHECK_BACK:
        gpr[EAX] = out[EAX];
        gpr[EDX] = out[EAX];
        break;
    case CHECK_EAX:
        gpr[EAX] = out[EAX];
        break;
    default:
        expect_load(c, gpr);
        break;
    }
}

/* The number of the first register that is wrong, else GPRS. */
static unsigned wrong_register(const struct mode *mode, const struct mode_case *c, bool completed)
{
    uint64_t gpr[GPRS];
    for (unsigned i = 0; i < GPRS; i++) {
        gpr[i] = block->gpr[i];
    }
    if (completed) {
        expect_registers(c, gpr);
    } else if ((c->check & CHECK_KIND) == CHECK_EAX) {
        gpr[EAX] = block->out_gpr[EAX];
    }
    gpr[EBP] = (c->end & END_VECTOR) == VECTOR_END && completed ? 1 : 0;
    for (unsigned i = 0; i < (mode->bits == 64 ? GPRS : 8); i++) {
        if (i != ESP && ((gpr[i] ^ block->out_gpr[i]) & gpr_mask(mode)) != 0) {
            return i;
        }
    }
    return GPRS;
}

struct expectation {
    uint64_t vector, rip_first, rip_last;
    bool completed;
};

static struct expectation expect_end(const struct mode *mode, const struct mode_case *c)
{
    const uint64_t insn = BLOCK_CODE + c->insn;
    struct expectation e = {c->end & END_VECTOR, insn, insn, (c->end & END_BEHIND) != 0};
    if (mode->enter == ENTER_V86 && (c->end & RING0) != 0) {
        return (struct expectation){VECTOR_GP, BLOCK_CODE, insn,
                                    false}; /* the set-up may be privileged, too */
    }
    if ((c->end & XSAVE) != 0 && !has_xsave) {
        e.vector = VECTOR_UD;
        e.completed = false;
    } else if (e.vector == VECTOR_END) {
        e.rip_first = e.rip_last = BLOCK_CODE + c->length;
    } else if (e.completed) {
        e.rip_first = e.rip_last = BLOCK_CODE + c->next;
    }
    return e;
}

static bool flags_kept(const struct mode_case *c, const struct frame *f)
{
    const uint64_t arithmetic = FLAGS_IN & ~2ull;
    return c->insn != 0 || (f->rflags & arithmetic) == arithmetic;
}

static bool debug_status_is_right(const struct mode_case *c, const struct expectation *e)
{
    uint64_t dr6;
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    return ((dr6 & 1u << 14) != 0) == (e->completed && (c->end & STEPPED) != 0);
}

static const char *vector_name(uint64_t vector)
{
    switch (vector) {
    case 1:
        return "#DB";
    case 3:
        return "#BP";
    case 4:
        return "#OF";
    case VECTOR_UD:
        return "#UD";
    case VECTOR_GP:
        return "#GP";
    case TIMER_VECTOR:
        return "interrupt";
    case VECTOR_END:
        return "done";
    default:
        return "other";
    }
}

/* What is wrong, or NULL. */
static const char *fault_of(const struct mode *mode, const struct mode_case *c, const struct frame *f)
{
    const struct expectation e = expect_end(mode, c);
    const uint64_t stack = mode->enter == ENTER_V86 ? BLOCK_V86_STACK : BLOCK_STACK;
    const uint64_t cs = mode->enter == ENTER_V86 ? 0 : mode->code_selector;
    if (f->vector != e.vector) {
        return "vector";
    }
    if (f->rip < e.rip_first || f->rip > e.rip_last) {
        return "rip";
    }
    if (f->error != 0 || f->cs != cs || f->end != stack) {
        return "frame";
    }
    if (!flags_kept(c, f)) {
        return "flags";
    }
    if (!debug_status_is_right(c, &e)) {
        return "dr6";
    }
    if (wrong_register(mode, c, e.completed) != GPRS) {
        return "register";
    }
    return (c->check & CHECK_KIND) == CHECK_STORE && *ioapic() != c->value ? "device" : NULL;
}

static void case_explain(const struct mode *mode, const struct mode_case *c, const struct frame *f)
{
    const unsigned r = wrong_register(mode, c, expect_end(mode, c).completed);
    print("# %s: vector=%lx error=%lx rip=+%lx cs=%lx flags=%lx stack=%lx select=%x", c->name, f->vector,
          f->error, f->rip - BLOCK_CODE, f->cs, f->rflags, f->end, *ioapic());
    if (r < GPRS) {
        print(" gpr%u=%lx", r, block->out_gpr[r]);
    }
    print("\n");
}

struct tally {
    unsigned run, wrong, on_line;
};

static void case_check(const struct mode *mode, const struct mode_case *c, struct tally *tally)
{
    case_run(mode, c);
    const struct frame f = frame_read(mode);
    const char *fault = fault_of(mode, c, &f);
    tally->run++;
    if (tally->on_line++ % LINE_CASES == 0) {
        print("\nDID %s", mode->name);
    }
    print(" %s=%s", c->name, vector_name(f.vector));
    if (fault != NULL) {
        tally->wrong++;
        print("!%s\n", fault);
        case_explain(mode, c, &f);
        print("DID %s", mode->name);
    }
    if (f.vector == TIMER_VECTOR && (c->end & TIMER) != 0) {
        msr_write(X2APIC_EOI, 0);
    }
}

/* Only those that are single-stepped, or only the others. */
static void cases_check(const struct mode *mode, bool stepped, struct tally *tally)
{
    block_prepare();
    block_set_mode(mode);
    tally->on_line = 0;
    for (const struct mode_case *c = cases_of(mode); c->name != NULL; c++) {
        const bool has_device = (c->check & MMIO) == 0 || mode->enter != ENTER_V86;
        if (has_device && ((c->end & STEPPED) != 0) == stepped) {
            case_check(mode, c, tally);
        }
    }
    print("\n");
}

static void tally_report(const struct tally *tally)
{
    report(tally->wrong == 0 ? "exact" : "wrong", "instructions=%u wrong=%u", tally->run, tally->wrong);
}

static void mode_table_run(unsigned number)
{
    struct tally tally = {0};
    cases_check(&modes[number], false, &tally);
    timer_sleep(TIMER_TICKS); /* takes what a HLT that faulted has left pending */
    tally_report(&tally);
}

static void row_single_step(void)
{
    struct tally tally = {0};
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++) {
        cases_check(&modes[i], true, &tally);
    }
    tally_report(&tally);
}

void mode_prepare_protected32(void)
{
    block_prepare();
    block_set_mode(&modes[MODE_PROTECTED32]);
}

void mode_gate_protected32(unsigned vector, uint64_t value)
{
    idts[bits_index(32)][vector] = value;
}

void mode_run_protected32(const uint8_t *code, size_t bytes)
{
    const struct mode_case c = {.code = code, .length = (uint8_t)bytes};
    case_run(&modes[MODE_PROTECTED32], &c);
}

static void row_real(void)
{
    mode_table_run(MODE_REAL);
}

static void row_protected16(void)
{
    mode_table_run(MODE_PROTECTED16);
}

static void row_protected32(void)
{
    mode_table_run(MODE_PROTECTED32);
}

static void row_paged32(void)
{
    mode_table_run(MODE_PAGED32);
}

static void row_pae(void)
{
    mode_table_run(MODE_PAE);
}

static void row_compat16(void)
{
    mode_table_run(MODE_COMPAT16);
}

static void row_compat32(void)
{
    mode_table_run(MODE_COMPAT32);
}

static void row_long(void)
{
    mode_table_run(MODE_LONG);
}

static void row_v86(void)
{
    mode_table_run(MODE_V86);
}

const struct row rows_table[] = {
    {"mode-real", row_real, false},
    {"mode-protected16", row_protected16, false},
    {"mode-protected32", row_protected32, false},
    {"mode-paged32", row_paged32, false},
    {"mode-pae", row_pae, false},
    {"mode-compat16", row_compat16, false},
    {"mode-compat32", row_compat32, false},
    {"mode-long", row_long, false},
    {"mode-v86", row_v86, false},
    {"single-step", row_single_step, false},
};
const size_t rows_table_count = ARRAY_COUNT(rows_table);
