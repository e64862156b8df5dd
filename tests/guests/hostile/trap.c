/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts of the hostile guest, and its timer. */
#include "hostile.h"

#define GATE_KERNEL      0x8e
#define GATE_USER        0xee
#define TSS_BYTES        104
#define VECTOR_USER_DONE 0x80

struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, zero;
};

struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

volatile uint64_t interrupt_count[256];
volatile uint64_t fault_error, fault_rip;

static struct gate idt[256];
static uint8_t kernel_stack[8192] __attribute__((aligned(16)));
static struct __attribute__((packed)) tss {
    uint32_t zero;
    uint64_t rsp[3];
    uint64_t zero2;
    uint64_t ist[7];
    uint64_t zero3;
    uint16_t zero4, io_map;
} tss;

_Static_assert(sizeof tss == TSS_BYTES, "task state segment");

static bool apic_usable;
static uint64_t timer_left; /* interrupts until the timer is masked; 0: no limit */

void trap_handle(struct trap_frame *frame);

static void interrupt_end(uint64_t vector)
{
    if (vector == TIMER_VECTOR && timer_left != 0 && --timer_left == 0) {
        timer_arm(0);
    }
    if (apic_usable) {
        msr_write(X2APIC_EOI, 0);
    }
}

void trap_handle(struct trap_frame *frame)
{
    interrupt_count[frame->vector]++;
    if (frame->vector >= 32 && frame->vector != VECTOR_USER_DONE) {
        interrupt_end(frame->vector);
        return;
    }
    if (recovery_rsp == 0) {
        print("HOSTILE unexpected exception %lu error %lx rip %lx\n", frame->vector, frame->error,
              frame->rip);
        for (;;) {
            __asm__ volatile("cli; hlt");
        }
    }
    fault_error = frame->error;
    fault_rip = frame->rip;
    recover(frame->vector == VECTOR_USER_DONE ? NO_FAULT : (int)frame->vector);
}

static void gate_set(unsigned vector, uint8_t type)
{
    const uint64_t stub = (uint64_t)trap_stubs + 16ull * vector;
    idt[vector] = (struct gate){.offset_low = (uint16_t)stub,
                                .selector = 0x08,
                                .type = type,
                                .offset_middle = (uint16_t)(stub >> 16),
                                .offset_high = (uint32_t)(stub >> 32)};
}

void trap_set_stack(unsigned vector, uint64_t stack)
{
    tss.ist[0] = stack;
    idt[vector].ist = stack != 0 ? 1 : 0;
}

void trap_load_tss(void)
{
    const uint64_t base = (uint64_t)&tss;
    tss = (struct tss){0};
    tss.rsp[0] = (uint64_t)(kernel_stack + sizeof kernel_stack);
    tss.io_map = TSS_BYTES;
    gdt[8] = (TSS_BYTES - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[9] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(0x40));
}

static void timer_init(void)
{
    uint32_t leaf[4];
    cpuid(1, 0, leaf);
    apic_usable = (leaf[2] & 1u << 21) != 0 && (msr_read(MSR_APIC_BASE) & 0xc00) == 0xc00;
    if (apic_usable) {
        msr_write(X2APIC_SVR, 0x1ff);
        msr_write(X2APIC_TIMER_DIV, 0xb);
        msr_write(X2APIC_LVT_TIMER, TIMER_VECTOR);
    }
}

void trap_init(void)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        gate_set(vector, vector == VECTOR_USER_DONE || vector == 3 || vector == 4 ? GATE_USER : GATE_KERNEL);
    }
    const struct table_pointer pointer = {sizeof idt - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    trap_load_tss();
    timer_init();
}

void trap_limit_timer(uint64_t interrupts)
{
    timer_left = interrupts;
}

bool timer_usable(void)
{
    return apic_usable;
}

void timer_arm(uint32_t ticks)
{
    msr_write(X2APIC_TIMER_INIT, ticks);
}

void timer_sleep(uint32_t ticks)
{
    if (apic_usable) {
        timer_arm(ticks);
        __asm__ volatile("sti; hlt; cli");
    }
}
