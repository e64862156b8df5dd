/* SPDX-License-Identifier: MIT */
/*
 * Runs one instruction in another CPU mode and comes back to long mode with what it did to the registers. All of it
 * lies between block_begin and block_end and runs as a copy at BLOCK_BASE; every symbol is used as AT(symbol).
 * The instruction ends in an exception, an interrupt, or INT VECTOR_END: each goes to a stub, which pushes its vector.
 */
#include "mode_block.h"

#define AT(symbol) (BLOCK_BASE + symbol - block_begin)

    .section .rodata
    .balign 16
    .globl block_begin
block_begin:

/* struct mode_block of mode_run.h */
block:
in_gpr:
    .fill 16, 8
in_rip:
    .quad 0
in_rflags:
    .quad 0
cr0:
    .quad 0
cr3:
    .quad 0
cr4:
    .quad 0
enter:
    .quad 0
code_selector:
    .quad 0
data_selector:
    .quad 0
trampoline:
    .quad 0
resume_error:
    .quad 0
host_cr0:
    .quad 0
host_cr3:
    .quad 0
host_cr4:
    .quad 0
idt_pointer:
    .fill 2, 8
host_idt_pointer:
    .fill 2, 8
out_gpr:
    .fill 16, 8
out_cr0:
    .quad 0
/* 1: the next #GP's handler returns behind the instruction of two bytes that caused it */
resume:
    .quad 0
host_rsp:
    .quad 0

    .globl block_bytes, block_go, block_trampolines, block_stubs
/* For C: the size, the entry, and by bitness 16, 32, 64: trampoline and stubs. */
block_bytes:
    .quad block_end - block_begin
block_go:
    .quad AT(mode_go)
block_trampolines:
    .quad AT(trampoline16), AT(trampoline32), AT(trampoline64)
block_stubs:
    .quad AT(stubs16), AT(stubs32), AT(stubs64)

    .code64
/* void mode_go(void) */
mode_go:
    .irp register, rbx, rbp, r12, r13, r14, r15
    push %\register
    .endr
    mov %rsp, AT(host_rsp)
    cmpl $ENTER_LONG, AT(enter)
    je 1f
    pushq $SELECTOR_CODE32
    pushq $AT(leave_long)
    lretq
1:  lidt AT(idt_pointer)
    mov AT(data_selector), %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $SELECTOR_IOAPIC, %eax
    mov %eax, %fs
    mov $SELECTOR_ECAM, %eax
    mov %eax, %gs
    mov $BLOCK_STACK, %esp
    pushq AT(code_selector)
    pushq AT(trampoline)
    lretq

trampoline64:
    pushq AT(in_rflags)
    popfq
    .set number, 8
    .irp register, r8, r9, r10, r11, r12, r13, r14, r15
    mov AT(in_gpr) + 8 * number, %\register
    .set number, number + 1
    .endr
    .set number, 0
    .irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi
    mov AT(in_gpr) + 8 * number, %\register
    .set number, number + 1
    .endr
    jmp *AT(in_rip)

common64:
    .set number, 0
    .irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    mov %\register, AT(out_gpr) + 8 * number
    .set number, number + 1
    .endr
    mov %cr0, %rax
    mov %rax, AT(out_cr0)
    jmp back

protection64:
    cmpl $0, AT(resume)
    je common64
    movl $0, AT(resume)
    add $16, %rsp
    addq $2, (%rsp)
    iretq

back:
    mov AT(host_cr0), %rax
    mov %rax, %cr0
    mov $SELECTOR_DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lidt AT(host_idt_pointer)
    mov AT(host_rsp), %rsp
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop %\register
    .endr
    cld
    ret

    .code32
leave_long:
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov $0xc0000080, %ecx
    rdmsr
    and $0xfffffeff, %eax               /* LME */
    wrmsr
    mov AT(cr4), %eax
    mov %eax, %cr4
    mov AT(cr3), %eax
    mov %eax, %cr3
    mov AT(cr0), %eax
    mov %eax, %cr0
    lidt AT(idt_pointer)
    mov $BLOCK_STACK, %esp
    mov AT(enter), %eax
    cmp $ENTER_REAL, %eax
    je to_real_far
    mov AT(data_selector), %edx
    mov %edx, %ds
    mov %edx, %es
    mov %edx, %ss
    cmp $ENTER_V86, %eax
    je to_v86
    mov $SELECTOR_IOAPIC, %eax
    mov %eax, %fs
    mov $SELECTOR_ECAM, %eax
    mov %eax, %gs
    pushl AT(code_selector)
    pushl AT(trampoline)
    lret

to_real_far:
    ljmp $SELECTOR_CODE16, $AT(to_real)

to_v86:
    mov $SELECTOR_TSS32, %eax
    ltr %ax
    .rept 4                             /* GS, FS, DS, ES */
    pushl $0
    .endr
    pushl $0                            /* SS */
    pushl $BLOCK_V86_STACK
    pushl $0x23002                      /* VM, IOPL 3 */
    pushl $0                            /* CS */
    pushl AT(trampoline)
    iret

trampoline32:
    pushl AT(in_rflags)
    popfl
    .set number, 0
    .irp register, eax, ecx, edx, ebx, esp, ebp, esi, edi
    mov AT(in_gpr) + 8 * number, %\register
    .set number, number + 1
    .endr
    jmp *AT(in_rip)

common32:
    .set number, 0
    .irp register, eax, ecx, edx, ebx, esp, ebp, esi, edi
    mov %\register, %ss:AT(out_gpr) + 8 * number
    .set number, number + 1
    .endr
leave_mode:
    mov $SELECTOR_DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %cr0, %eax
    mov %eax, AT(out_cr0)
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov AT(host_cr4), %eax
    mov %eax, %cr4
    mov AT(host_cr3), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov AT(host_cr0), %eax
    mov %eax, %cr0
    ljmp $SELECTOR_CODE64, $AT(back)

protection32:
    cmpl $0, %ss:AT(resume)
    je common32
    movl $0, %ss:AT(resume)
    add $8, %esp
    addl $2, (%esp)
    iret

    .code16
to_real:
    mov $SELECTOR_IOAPIC, %ax           /* FS and GS keep these bases */
    mov %ax, %fs
    mov $SELECTOR_ECAM, %ax
    mov %ax, %gs
    mov $SELECTOR_DATA16, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov %cr0, %eax
    and $0xfe, %al
    mov %eax, %cr0
    ljmp $0, $AT(real)
real:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
trampoline16:
    pushl AT(in_rflags)
    popfl
    .set number, 0
    .irp register, eax, ecx, edx, ebx, ebp, esi, edi
    .ifc \register, ebp
    .set number, number + 1             /* ESP is the mode's own */
    .endif
    mov AT(in_gpr) + 8 * number, %\register
    .set number, number + 1
    .endr
    jmp *AT(in_rip)

common16:
    .set number, 0
    .irp register, eax, ecx, edx, ebx, esp, ebp, esi, edi
    mov %\register, AT(out_gpr) + 8 * number
    .set number, number + 1
    .endr
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $SELECTOR_CODE32, $AT(leave_mode)

protection16:
    cmpl $0, AT(resume)
    je common16
    movl $0, AT(resume)
    add $2, %sp
    add AT(resume_error), %sp
    addw $2, (%esp)
    iret

/* One stub of 16 bytes per vector. */
    .macro stubs bits
    .balign 16
stubs\bits:
    .set vector, 0
    .rept BLOCK_VECTORS
    .balign 16
    push $vector
    .if vector == 13
    jmp protection\bits
    .else
    jmp common\bits
    .endif
    .set vector, vector + 1
    .endr
    .endm

    stubs 16
    .code32
    stubs 32
    .code64
    stubs 64
block_end:

    .section .note.GNU-stack, "", @progbits
