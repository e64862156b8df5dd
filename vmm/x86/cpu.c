/* SPDX-License-Identifier: MIT */
/* AMD64 APM volume 2, chapters 4 (segments), 8 (exceptions) and 12 (TSS). */

#include "core/core.h"

#define GATE_INTERRUPT 0x8e00ull

enum { VECTOR_NMI = 2, VECTOR_DOUBLE_FAULT = 8, VECTOR_MACHINE_CHECK = 18 };
enum { IST_NMI = 1, IST_FAULT = 2, EXCEPTION_COUNT = 32 };

struct descriptor_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

_Static_assert(offsetof(struct descriptor_pointer, limit) == 0 && offsetof(struct descriptor_pointer, base) == 2, "");

/** What trap.S pushes. */
struct trap_frame {
    uint64_t scratch[9]; /* RAX RCX RDX RSI RDI R8..R11, last pushed first */
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

extern char trap_stubs[];
extern const uint64_t boot_gdt[];
void trap_handle(const struct trap_frame *frame);

static struct cpu boot_cpu_before_madt;
static struct cpu cpus[CPU_MAX];
static uint32_t count;
static uint64_t idt[256][2]; /* interrupt gates, AMD64 APM volume 2, section 4.8.4 */
static uint64_t nmi_count;

uint64_t cpu_idt(void) { return (uint64_t)(uintptr_t)idt; }

uint64_t trap_nmi_count(void) { return __atomic_load_n(&nmi_count, __ATOMIC_RELAXED); }

struct cpu *cpu_at(uint32_t index) {
    ASSERT(index < count);
    return &cpus[index];
}

uint32_t cpu_count(void) { return count; }

bool cpu_add(uint32_t apic_id, bool present) {
    for (uint32_t i = 0; i < count; i++) {
        if (cpus[i].apic_id == apic_id) { /* firmware may list a CPU as APIC and as x2APIC */
            cpus[i].present |= present;
            return true;
        }
    }
    if (count == CPU_MAX) { return false; }
    cpus[count] = (struct cpu){.self = &cpus[count], .index = count, .apic_id = apic_id, .present = present};
    count++;
    return true;
}

void cpu_set_boot(uint32_t apic_id) {
    for (uint32_t i = 0; i < count; i++) {
        if (cpus[i].apic_id == apic_id) {
            cpus[i].apic_id = cpus[0].apic_id;
            cpus[i].present = cpus[0].present;
            cpus[0].apic_id = apic_id;
            cpus[0].present = true;
            return;
        }
    }
    log_fatal("the boot CPU (APIC %u) is not in the firmware's MADT; the ACPI tables are damaged; update the firmware",
              apic_id);
}

static uint8_t *stack_alloc(void) {
    uint8_t *stack = pool_alloc(CPU_STACK_PAGES + 1);
    if (stack == NULL) { log_fatal("no memory for a CPU's stack; the pool is exhausted; report this line"); }
    paging_unmap_page(stack);
    return stack;
}

static void set_ist(struct cpu *cpu, unsigned ist, const uint8_t *stack) {
    uint64_t top = (uint64_t)(uintptr_t)stack + (CPU_STACK_PAGES + 1) * PAGE_BYTES;
    memcpy(cpu->tss + TSS_IST1 + (size_t)(ist - 1) * 8, &top, sizeof top);
}

void cpu_alloc_stacks(struct cpu *cpu) {
    cpu->stack = stack_alloc();
    set_ist(cpu, IST_NMI, stack_alloc());
    set_ist(cpu, IST_FAULT, stack_alloc()); /* double fault, machine check: sound whatever happened */
}

static void gate_set(unsigned vector, unsigned ist) {
    uint64_t stub = (uint64_t)(uintptr_t)trap_stubs + vector * 16;
    idt[vector][0] =
        (stub & 0xffff) | (uint64_t)SELECTOR_CODE << 16 | (GATE_INTERRUPT | ist) << 32 | (stub >> 16 & 0xffff) << 48;
    idt[vector][1] = stub >> 32;
}

static void load_tables(struct cpu *cpu) {
    uint64_t tss = (uint64_t)(uintptr_t)cpu->tss;
    memcpy(cpu->gdt, boot_gdt, 5 * sizeof(uint64_t));
    cpu->gdt[5] = (sizeof cpu->tss - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
    cpu->gdt[6] = tss >> 32;
    cpu->tss[TSS_IO_MAP] = sizeof cpu->tss;
    struct descriptor_pointer gdtr = {sizeof cpu->gdt - 1, (uint64_t)(uintptr_t)cpu->gdt};
    struct descriptor_pointer idtr = {sizeof idt - 1, (uint64_t)(uintptr_t)idt};
    __asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(gdtr), "m"(idtr), "r"(SELECTOR_TSS) : "memory");
    wrmsr(MSR_GS_BASE, (uint64_t)(uintptr_t)cpu);
}

void cpu_early_init(void) {
    for (unsigned vector = 0; vector < 256; vector++) { gate_set(vector, 0); }
    boot_cpu_before_madt.self = &boot_cpu_before_madt;
    load_tables(&boot_cpu_before_madt);
}

void cpu_load(struct cpu *cpu) {
    load_tables(cpu);
    gate_set(VECTOR_NMI, IST_NMI);
    gate_set(VECTOR_DOUBLE_FAULT, IST_FAULT);
    gate_set(VECTOR_MACHINE_CHECK, IST_FAULT);
    machine_check_init();
    struct cpuid_regs features = cpuid(7, 0);
    uint64_t cr4 = read_cr4() | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= (features.ebx >> 7 & 1) != 0 ? CR4_SMEP : 0;
    cr4 |= (features.ebx >> 20 & 1) != 0 ? CR4_SMAP : 0;
    cr4 |= (cpuid(1, 0).ecx >> 26 & 1) != 0 ? CR4_OSXSAVE : 0;
    write_cr4(cr4);
    cpu->smap = (cr4 & CR4_SMAP) != 0;
}

void trap_handle(const struct trap_frame *frame) {
    if (frame->vector == VECTOR_NMI) {
        smp_halt_if_told();
        __atomic_fetch_add(&nmi_count, 1, __ATOMIC_RELAXED);
    } else if (frame->vector < EXCEPTION_COUNT) {
        log_fatal("exception %lu (error 0x%lx) in the VMM at 0x%lx, RSP 0x%lx, CR2 0x%lx, CPU %u; this is a bug in the "
                  "VMM or a hardware fault; report this line",
                  frame->vector, frame->error, frame->rip, frame->rsp, read_cr2(), this_cpu()->index);
    } else if (frame->vector != VECTOR_SPURIOUS) {
        if (frame->vector == VECTOR_TIMER) { this_cpu()->timer_deadline = 0; }
        passthrough_interrupt((uint8_t)frame->vector);
        apic_eoi();
    }
}
