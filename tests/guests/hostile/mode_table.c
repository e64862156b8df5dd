/* SPDX-License-Identifier: MIT */
/*
 * Every instruction that exits, in every CPU mode: each ends as the manual says, at the right RIP, with the
 * right frame on the stack, and changes the registers that it should and no others. One row per mode; what
 * each instruction did is printed, and compared with docs/hostile.md by the test.
 */
#include "mode_run.h"
#include "mullion/abi.h"
#include "mullion/machine.h"

#define LINE_CASES 6u

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
    const uint64_t *out = mode_block->out_gpr;
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
        gpr[i] = mode_block->gpr[i];
    }
    if (completed) {
        expect_registers(c, gpr);
    } else if ((c->check & CHECK_KIND) == CHECK_EAX) {
        gpr[EAX] = mode_block->out_gpr[EAX];
    }
    gpr[EBP] = (c->end & END_VECTOR) == VECTOR_END && completed ? 1 : 0;
    for (unsigned i = 0; i < (mode->bits == 64 ? GPRS : 8); i++) {
        if (i != ESP && ((gpr[i] ^ mode_block->out_gpr[i]) & gpr_mask(mode)) != 0) {
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
    const uint64_t arithmetic = MODE_FLAGS & ~2ull;
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
    return (c->check & CHECK_KIND) == CHECK_STORE && *ioapic_registers() != c->value ? "device" : NULL;
}

static void case_explain(const struct mode *mode, const struct mode_case *c, const struct frame *f)
{
    const unsigned r = wrong_register(mode, c, expect_end(mode, c).completed);
    print("# %s: vector=%lx error=%lx rip=+%lx cs=%lx flags=%lx stack=%lx select=%x", c->name, f->vector,
          f->error, f->rip - BLOCK_CODE, f->cs, f->rflags, f->end, *ioapic_registers());
    if (r < GPRS) {
        print(" gpr%u=%lx", r, mode_block->out_gpr[r]);
    }
    print("\n");
}

struct tally {
    unsigned run, wrong, on_line;
};

static void case_check(const struct mode *mode, const struct mode_case *c, struct tally *tally)
{
    mode_case_run(mode, c);
    const struct frame f = mode_frame(mode);
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
    mode_prepare(mode);
    tally->on_line = 0;
    for (const struct mode_case *c = mode_cases(mode); c->name != NULL; c++) {
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
    for (size_t i = 0; i < MODE_COUNT; i++) {
        cases_check(&modes[i], true, &tally);
    }
    tally_report(&tally);
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
