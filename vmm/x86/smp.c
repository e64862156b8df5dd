/* SPDX-License-Identifier: MIT */
#include "core/core.h"

enum { INIT_WAIT_US = 10000, SIPI_WAIT_US = 200, START_LIMIT_US = 1000000 };

extern char ap_trampoline[], ap_trampoline_end[], ap_trampoline_fields[], ap_entry_32[];

static bool halt_told;

static bool wait_started(const struct cpu *cpu, uint64_t microseconds) {
    for (uint64_t end = rdtsc() + tsc_from_us(microseconds); rdtsc() < end;) {
        if (__atomic_load_n(&cpu->started, __ATOMIC_ACQUIRE)) { return true; }
        cpu_pause();
    }
    return false;
}

static void fill_trampoline(uint64_t page, const struct cpu *cpu) {
    struct smp_ap_fields fields = {.entry = (uint32_t)(uintptr_t)ap_entry_32,
                                   .selector = 24,
                                   .cr3 = (uint32_t)paging_root(),
                                   .stack = (uint64_t)(uintptr_t)cpu->stack + (CPU_STACK_PAGES + 1) * PAGE_BYTES,
                                   .cpu = (uint64_t)(uintptr_t)cpu};
    uint8_t *to = (uint8_t *)page; // NOLINT(performance-no-int-to-ptr)
    memcpy(to, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    memcpy(to + (ap_trampoline_fields - ap_trampoline), &fields, sizeof fields);
}

static bool start(const struct cpu *cpu, uint64_t page) {
    fill_trampoline(page, cpu);
    apic_send(cpu->apic_id, APIC_INIT, 0);
    wait_started(cpu, INIT_WAIT_US);
    apic_send(cpu->apic_id, APIC_SIPI, (uint8_t)(page / PAGE_BYTES));
    if (!wait_started(cpu, SIPI_WAIT_US)) { apic_send(cpu->apic_id, APIC_SIPI, (uint8_t)(page / PAGE_BYTES)); }
    return wait_started(cpu, START_LIMIT_US);
}

void smp_start_all(uint64_t trampoline_page) {
    paging_map(trampoline_page, PAGE_BYTES, PAGING_READ_WRITE);
    for (uint32_t i = 1; i < cpu_count(); i++) {
        struct cpu *cpu = cpu_at(i);
        if (!cpu->present) {
            log_line("CPU %u (APIC %u) not started: the firmware marks it as absent or disabled", i, cpu->apic_id);
            continue;
        }
        cpu_alloc_stacks(cpu);
        if (start(cpu, trampoline_page)) {
            tsc_check_boot_side();
        } else {
            apic_send(cpu->apic_id, APIC_INIT, 0); /* should it come late, it must not take the next CPU's stack */
            log_line("CPU %u (APIC %u) not started: no answer to INIT and SIPI within %u ms; check the firmware", i,
                     cpu->apic_id, START_LIMIT_US / 1000);
        }
    }
    paging_unmap_page((void *)trampoline_page); // NOLINT(performance-no-int-to-ptr)
}

void cpu_main_ap(struct cpu *cpu) {
    paging_activate();
    cpu_load(cpu);
    apic_enable();
    const char *missing = hvm->missing();
    if (missing != NULL) {
        log_line("CPU %u (APIC %u) cannot be used: %s", cpu->index, cpu->apic_id, missing);
        for (;;) { __asm__ volatile("cli; hlt"); }
    }
    hvm->cpu_enable(cpu);
    __atomic_store_n(&cpu->started, true, __ATOMIC_RELEASE);
    tsc_check_other_side();
    run_cpu();
}

void smp_kick(const struct cpu *cpu) { apic_send(cpu->apic_id, APIC_FIXED, VECTOR_KICK); }

void smp_halt_others(void) {
    __atomic_store_n(&halt_told, true, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpu_count(); i++) {
        if (cpu_at(i)->started && cpu_at(i) != this_cpu()) { apic_send(cpu_at(i)->apic_id, APIC_NMI, 0); }
    }
}

void smp_halt_if_told(void) {
    while (__atomic_load_n(&halt_told, __ATOMIC_SEQ_CST)) { __asm__ volatile("cli; hlt"); }
}
