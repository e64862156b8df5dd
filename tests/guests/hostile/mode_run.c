/* SPDX-License-Identifier: MIT */
/* Into another CPU mode and back: page tables, descriptors and interrupt tables of each, and the stack of its
 * handlers. */
#include "mode_run.h"
#include "mullion/machine.h"

#define SELECT 0xa5u /* what the IO-APIC's select register holds before each instruction */

extern const uint8_t block_begin[];
extern const uint64_t block_bytes, block_go, block_trampolines[3], block_stubs[3];
extern const struct mode_case mode_cases16[], mode_cases32[], mode_cases64[];

struct mode_block *const mode_block = (struct mode_block *)BLOCK_BASE;
const struct mode modes[] = {
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

static uint64_t idts[4][2 * BLOCK_VECTORS] __attribute__((aligned(16))); /* by gate_index() */
static uint32_t page_directory[1024]
    __attribute__((aligned(4096))); /* 4 MiB pages, the first 4 MiB in small ones */
static uint32_t page_table[1024] __attribute__((aligned(4096)));
static uint64_t pae_pointers[4] __attribute__((aligned(32)));
static uint32_t tss32[64]; /* 104 bytes, then the map of the ports 0 to 0xff: all allowed */
bool has_xsave;

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

static void low_memory_fill(void)
{
    uint32_t leaf[4];
    uint8_t *to = (uint8_t *)BLOCK_BASE;
    for (uint64_t i = 0; i < block_bytes; i++) {
        to[i] = block_begin[i];
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

static void set_mode(const struct mode *mode)
{
    uint64_t host_cr4;
    __asm__ volatile("mov %%cr0, %0" : "=r"(mode_block->host_cr0));
    __asm__ volatile("mov %%cr3, %0" : "=r"(mode_block->host_cr3));
    __asm__ volatile("mov %%cr4, %0" : "=r"(host_cr4));
    host_cr4 |= has_xsave ? 1ull << 18 : 0;
    __asm__ volatile("mov %0, %%cr4" : : "r"(host_cr4));
    mode_block->host_cr4 = host_cr4;
    mode_block->cr0 = (mode_block->host_cr0 & ~(1ull << 31)) | (mode->paging ? 1ull << 31 : 0);
    mode_block->cr3 = (uint64_t)(mode->pae ? (void *)pae_pointers : (void *)page_directory);
    mode_block->cr4 = cr4_of(mode);
    mode_block->enter = mode->enter;
    mode_block->code_selector = mode->code_selector;
    mode_block->data_selector = mode->data_selector;
    mode_block->trampoline = block_trampolines[bits_index(mode->bits)];
    mode_block->resume_error = mode->gate_bits == 16 ? 2 : 0;
    const uint64_t idt = (uint64_t)idts[gate_index(mode)];
    mode_block->idt_pointer[0] = idt << 16 | (sizeof idts[0] - 1);
    mode_block->idt_pointer[1] = 0;
    __asm__ volatile("sidt %0" : "=m"(*mode_block->host_idt_pointer));
}

const struct mode_case *mode_cases(const struct mode *mode)
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

volatile uint32_t *ioapic_registers(void)
{
    return window_map(MACHINE_IOAPIC_BASE);
}

void mode_case_run(const struct mode *mode, const struct mode_case *c)
{
    code_copy(c);
    for (unsigned i = 0; i < GPRS; i++) {
        mode_block->gpr[i] = 0x1112131400000000ull * (mode->bits == 64) + 0x51525300u + i;
    }
    mode_block->gpr[EAX] = c->eax;
    mode_block->gpr[ECX] = c->ecx;
    mode_block->gpr[EDX] = c->edx;
    mode_block->gpr[EBX] = 0x10;
    mode_block->gpr[ESP] = mode->enter == ENTER_V86 ? BLOCK_V86_STACK : BLOCK_STACK;
    mode_block->gpr[EBP] = 0;
    mode_block->gpr[ESI] = mode_block->gpr[EDI] = BLOCK_BUFFER;
    mode_block->rip = BLOCK_CODE;
    mode_block->rflags = MODE_FLAGS;
    mode_block->resume = (c->end & RESUME) != 0;
    *ioapic_registers() = SELECT;
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
struct frame mode_frame(const struct mode *mode)
{
    struct frame f = {0};
    const unsigned bits = mode->gate_bits == 0 ? 16 : mode->gate_bits;
    uint64_t at = mode_block->out_gpr[ESP] & (bits == 64 ? ~0ull : 0xffffffff);
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

void mode_prepare(const struct mode *mode)
{
    low_memory_fill();
    set_mode(mode);
}

void mode_prepare_protected32(void)
{
    mode_prepare(&modes[MODE_PROTECTED32]);
}

void mode_gate_protected32(unsigned vector, uint64_t value)
{
    idts[bits_index(32)][vector] = value;
}

void mode_run_protected32(const uint8_t *code, size_t bytes)
{
    const struct mode_case c = {.code = code, .length = (uint8_t)bytes};
    mode_case_run(&modes[MODE_PROTECTED32], &c);
}
