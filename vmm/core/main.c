/* SPDX-License-Identifier: MIT */
/* The order of boot, as a table of contents. */
#include "core/core.h"

#define BOOT_MAP_END 0x100000000ull
#define MSR_SYSCFG   0xc0010010u
#define SYSCFG_SMEE  BIT(23)

struct platform platform;

void vmm_main(uint64_t multiboot2_info);
__attribute__((noreturn)) void stack_switch(void *top, void (*function)(void));

static void start_screen(bool mapped_low) {
    const struct screen_mode *mode = &platform.boot.screen;
    if ((mode->address + screen_bytes(mode) <= BOOT_MAP_END) == mapped_low) { screen_init(mode); }
}

static void read_cpu_limits(void) {
    uint32_t bits = cpuid(0x80000008, 0).eax & 0xff;
    bool encrypting = cpuid(0x80000000, 0).eax >= 0x8000001f && (rdmsr(MSR_SYSCFG) & SYSCFG_SMEE) != 0;
    bits -= encrypting ? cpuid(0x8000001f, 0).ebx >> 6 & 0x3f : 0; /* AMD64 APM volume 2, section 7.10.1 */
    platform.phys_bits = bits < NPT_ADDRESS_BITS ? bits : NPT_ADDRESS_BITS;
    platform.window_gpa = BIT(platform.phys_bits - 1);
    platform.gigabyte_pages = (cpuid(0x80000001, 0).edx >> 26 & 1) != 0;
}

/** Second half of boot, on a stack with a guard page. */
static void boot_on_own_stack(void) {
    hvm->init();
    hvm->cpu_enable(cpu_at(0));
    cpu_at(0)->started = true;
    agent_init();
    smp_start_all(platform.trampoline_page);
    reset_button_enable(&platform.acpi);
    log_line("%s, %s APICs, TSC %s", hvm->name, apic_is_x2apic() ? "x2APIC" : "xAPIC",
             tsc_reliable() ? "in step on all CPUs" : "not in step: guests do not get it as a stable clock");
    log_line("starting the agent");
    run_cpu();
}

void vmm_main(uint64_t multiboot2_info) {
    tsc_note_boot();
    cpu_early_init();
    console_init();
    multiboot2_read(multiboot2_info, &platform.boot);
    if (platform.boot.byte_link) { byte_link_init(); }
    start_screen(true);
    log_line("Mullion %s", MULLION_VERSION);
    acpi_read(platform.boot.rsdp, platform.boot.rsdp_bytes, &platform.acpi);
    hvm_choose();
    read_cpu_limits();
    pci_host_scan();
    cpuid_init();
    fpu_init();
    memory_init();
    paging_init();
    paging_map(platform.boot.screen.address, screen_bytes(&platform.boot.screen), PAGING_WRITE_COMBINING);
    paging_activate();
    start_screen(false);
    apic_mask_ioapics(platform.acpi.ioapic, platform.acpi.ioapic_count);
    apic_init();
    apic_enable();
    cpu_set_boot(apic_read_id());
    cpu_alloc_stacks(cpu_at(0));
    cpu_load(cpu_at(0));
    tsc_init(platform.acpi.pm_timer_port);
    stack_switch(cpu_at(0)->stack + (CPU_STACK_PAGES + 1) * PAGE_BYTES, boot_on_own_stack);
}
