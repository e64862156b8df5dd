/* SPDX-License-Identifier: MIT */
/*
 * Intercepted instructions in six CPU modes. The block from modes_begin runs as a copy at LOW (below 64 KiB, so
 * that 16-bit code reaches it); every symbol is used as LOW + offset. Each instruction is followed by an
 * increment of EBP: a wrong length repeats, skips or garbles the increment.
 */

    .set LOW, 0x8000
    .set CODE64, 0x08
    .set DATA32, 0x10
    .set CODE32, 0x18
    .set CODE16, 0x20
    .set DATA16, 0x28

/* AT symbol: where the copy of `symbol` is. */
#define AT(symbol) (LOW + symbol - modes_begin)

/* The sequence that all modes share; `mark` increments EBP. 28 markers. */
    .macro sequence
    xor %eax, %eax
    cpuid
    inc %ebp
    .irp prefix, 0x66, 0x67, 0x2e, 0x3e, 0x64, 0xf2, 0xf3
    xor %eax, %eax
    .byte \prefix
    cpuid
    inc %ebp
    .endr
    in $0x80, %al
    inc %ebp
    in $0x80, %ax
    inc %ebp
    in $0x80, %eax
    inc %ebp
    mov $0x80, %dx
    in %dx, %al
    inc %ebp
    .byte 0x67
    in %dx, %eax
    inc %ebp
    out %al, $0x80
    inc %ebp
    .byte 0x2e
    out %ax, $0x80
    inc %ebp
    out %eax, %dx
    inc %ebp
    .byte 0x3e, 0x67
    out %al, %dx
    inc %ebp
    mov $0x1b, %ecx
    rdmsr
    inc %ebp
    .byte 0x66
    rdmsr
    inc %ebp
    wrmsr
    inc %ebp
    .byte 0x2e
    wrmsr
    inc %ebp
    wbinvd
    inc %ebp
    .byte 0x2e, 0x2e
    wbinvd
    inc %ebp
    invd
    inc %ebp
    .byte 0x2e, 0x66, 0x67
    invd
    inc %ebp
    clts
    inc %ebp
    .byte 0x66
    clts
    inc %ebp
    .endm
    .set MARKS, 27

    .text
    .code64
/* uint32_t modes_call(uint64_t entry) */
    .globl modes_call
modes_call:
    push %rbx
    push %rbp
    mov %rsp, saved_rsp
    xor %ebp, %ebp
    jmp *%rdi
modes_back:
    mov saved_rsp, %rsp
    mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %ebp, %eax
    pop %rbp
    pop %rbx
    ret

    .section .rodata
    .balign 8
    .globl modes_entry, modes_expected
modes_entry:
    .quad AT(long_entry), AT(compat32_entry), AT(compat16_entry)
    .quad AT(protected32_entry), AT(protected16_entry), AT(real_entry)
modes_expected:
    .long MARKS + 4, MARKS + 2, MARKS, MARKS + 2, MARKS, MARKS

    .balign 16
    .globl modes_begin, modes_end
modes_begin:

    .code64
long_entry:
    sequence
    xor %eax, %eax
    .byte 0x48                          /* REX.W */
    cpuid
    inc %ebp
    xor %eax, %eax
    .byte 0x66, 0x4f
    cpuid
    inc %ebp
    mov %cr0, %rax
    mov %rax, %cr0
    inc %ebp
    mov %rax, %r9
    .byte 0x67
    mov %r9, %cr0
    inc %ebp
    movabs $modes_back, %rax
    jmp *%rax

compat32_entry:
    pushq $CODE32
    pushq $AT(compat32)
    lretq
compat16_entry:
    pushq $CODE16
    pushq $AT(compat16)
    lretq
protected32_entry:
    mov $AT(protected32), %esi
    jmp 1f
protected16_entry:
    mov $AT(protected16_from32), %esi
    jmp 1f
real_entry:
    mov $AT(real_from32), %esi
1:  pushq $CODE32
    pushq $AT(leave_long)
    lretq

    .code32
compat32:
    sequence
    mov %cr0, %eax
    mov %eax, %cr0
    inc %ebp
    .byte 0x66
    mov %eax, %cr0
    inc %ebp
    ljmp $CODE64, $modes_back

leave_long:
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov $0xc0000080, %ecx
    rdmsr
    and $0xfffffeff, %eax
    wrmsr
    mov $DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    jmp *%esi
enter_long:
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    ljmp $CODE64, $modes_back

protected32:
    sequence
    mov %cr0, %eax
    mov %eax, %cr0
    inc %ebp
    .byte 0x66
    mov %eax, %cr0
    inc %ebp
    jmp enter_long

protected16_from32:
    ljmp $CODE16, $AT(protected16)
real_from32:
    ljmp $CODE16, $AT(to_real)

    .code16
compat16:
    sequence
    ljmpl $CODE64, $modes_back
protected16:
    sequence
    ljmpl $CODE32, $AT(enter_long)
to_real:
    mov $DATA16, %ax
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
    mov %ax, %ss
    sequence
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $CODE32, $AT(enter_long)
modes_end:

    .data
    .balign 8
saved_rsp:
    .quad 0

    .section .note.GNU-stack, "", @progbits
