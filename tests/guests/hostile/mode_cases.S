/* SPDX-License-Identifier: MIT */
/*
 * The code that mode_table.c runs in every CPU mode, assembled for 16, 32 and 64 bits. A row of a table is a struct
 * mode_case: name, code, end, check, EAX, ECX, EDX before it, and the value that is loaded or left in the device. The code
 * is set-up, the instruction, an increment of EBP (a wrong length repeats, skips or garbles it), what follows, and the
 * end. FS has the IO-APIC as its base, GS has ECAM, EBX is 0x10, ESI and EDI point to a buffer.
 */
#include "mode_block.h"
#include "mode_table.h"

/* An instruction as a string in which the macros below are expanded. */
#define CODE_(text...) #text
#define CODE(text...) CODE_(text)

    .macro CASE name, end, check, eax, ecx, edx, value, setup, insn, after
    .section .rodata.mode_code, "a"
90: \setup
91: \insn
92: .if BITS == 64
    lea 1(%rbp), %rbp
    .else
    lea 1(%ebp), %ebp
    .endif
    \after
    int $VECTOR_END
93: .pushsection .rodata.mode_names, "a"
94: .asciz "\name"
    .popsection
    .pushsection .rodata.mode_rows, "a"
    .quad 94b, 90b
    .byte 91b - 90b, 92b - 90b, 93b - 90b, 0
    .long \end, \check, \eax, \ecx, \edx, \value
    .balign 8
    .popsection
    .endm

    .macro PLAIN name, end, check, insn
    CASE \name, \end, \check, 0xa1a2a3a4, 0xc1c2c3c4, 0xd1d2d3d4, 0, "", "\insn", ""
    .endm

    .macro WITH name, end, check, eax, ecx, edx, insn
    CASE \name, \end, \check, \eax, \ecx, \edx, 0, "", "\insn", ""
    .endm

    .macro LOAD name, check, value, insn
    CASE \name, END_DONE, \check, 0xa1a2a3a4, 0xc1c2c3c4, 0x80, \value, "", "\insn", ""
    .endm

/* Single-steps the instruction. */
    .macro STEP name, end, check, eax, value, insn
    .if BITS == 64
    CASE \name, \end, \check, \eax, 0x1b, 0, \value, "pushf; orl $0x100, (%rsp); popf", "\insn", ""
    .else
    CASE \name, \end, \check, \eax, 0x1b, 0, \value, "pushf; orw $0x100, (%esp); popf", "\insn", ""
    .endif
    .endm

/* A control register's new value is made in EAX, and read back into EDX. */
    .macro READ_CR0 change:vararg
    .if BITS == 64
    mov %cr0, %rax
    .else
    mov %cr0, %eax
    .endif
    \change
    .endm

    .macro READ_CR0_BACK
    .if BITS == 64
    mov %cr0, %rdx
    .else
    mov %cr0, %edx
    .endif
    .endm

    .macro CONTROL name, end, change, insn
    CASE \name, \end, CHECK_BACK, 0, 0, 0, 0, "READ_CR0 \change", "\insn", "READ_CR0_BACK"
    .endm

    .macro TABLE symbol
    .section .rodata.mode_rows, "a"
    .balign 8
    .globl \symbol
\symbol:
    .endm

    .macro TABLE_END
    .section .rodata.mode_rows, "a"
    .fill 6, 8
    .section .rodata.mode_code, "a"
    .endm

#define ABSOLUTE movl
#define ACC      %eax
#define DATA     %edx
#define ADDRESS  %bx
    .set BITS, 16
    TABLE mode_cases16
    .section .rodata.mode_code, "a"
    .code16
#include "mode_instructions.inc"
    TABLE_END

#undef ADDRESS
#define ADDRESS %ebx
    .set BITS, 32
    TABLE mode_cases32
    .section .rodata.mode_code, "a"
    .code32
#include "mode_instructions.inc"
    TABLE_END

#undef ABSOLUTE
#undef ACC
#undef DATA
#undef ADDRESS
#define ABSOLUTE movabs
#define ACC      %rax
#define DATA     %rdx
#define ADDRESS  %rbx
    .set BITS, 64
    TABLE mode_cases64
    .section .rodata.mode_code, "a"
    .code64
#include "mode_instructions.inc"
    TABLE_END

    .section .note.GNU-stack, "", @progbits
