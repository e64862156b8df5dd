/* SPDX-License-Identifier: MIT */
/*
 * Instructions with the lengths that the assembler gave them: the independent source for insn_test.c.
 * Each CASE emits a row {code, kind, text, length, mode}; the code itself is never run.
 */
    .set MODE_16, 0
    .set MODE_32, 1
    .set MODE_64, 2

    .section .data.rel.ro.cases, "aw"
    .balign 8
    .globl insn_cases
insn_cases:
    .section .text.cases, "ax"

.macro CASE kind, insn:vararg
    .balign 32, 0xcc
90: \insn
91: .pushsection .rodata.text, "a"
92: .asciz "\insn"
93: .asciz "INSN_\kind"
    .popsection
    .pushsection .data.rel.ro.cases, "aw"
    .balign 8
    .quad 90b, 93b, 92b
    .byte 91b - 90b, MODE
    .balign 8
    .popsection
.endm

/* What every mode has, in the same spelling. */
.macro COMMON
    CASE CPUID, cpuid
    CASE HLT, hlt
    CASE HLT, .byte 0x66, 0xf4
    CASE RDMSR, rdmsr
    CASE WRMSR, wrmsr
    CASE UNKNOWN, rdtsc
    CASE UNKNOWN, rdtscp
    CASE UNKNOWN, rdpmc
    CASE UNKNOWN, clts
    CASE INVD, invd
    CASE WBINVD, wbinvd
    CASE WBINVD, wbnoinvd
    CASE VMMCALL, vmmcall
    CASE VMCALL, vmcall
    CASE UNKNOWN, monitor
    CASE UNKNOWN, monitorx
    CASE UNKNOWN, mwait
    CASE UNKNOWN, mwaitx
    CASE UNKNOWN, pause
    CASE XSETBV, xsetbv
    CASE UNKNOWN, xgetbv
    CASE UNKNOWN, mcommit
    CASE UNKNOWN, nop
    CASE UNKNOWN, ud2
    CASE UNKNOWN, swapgs_bytes
    CASE UNKNOWN, vmrun
    CASE UNKNOWN, vmload
    CASE UNKNOWN, vmsave
    CASE UNKNOWN, stgi
    CASE UNKNOWN, clgi
    CASE UNKNOWN, skinit
    CASE UNKNOWN, invlpga
    CASE UNKNOWN, vmlaunch
    CASE UNKNOWN, vmresume
    CASE UNKNOWN, vmxoff
    CASE UNKNOWN, vmfunc
    CASE UNKNOWN, in $0x60, %al
    CASE UNKNOWN, in $0x60, %ax
    CASE UNKNOWN, in $0x60, %eax
    CASE UNKNOWN, out %al, $0x60
    CASE UNKNOWN, out %ax, $0x60
    CASE UNKNOWN, out %eax, $0x60
    CASE UNKNOWN, in %dx, %al
    CASE UNKNOWN, in %dx, %ax
    CASE UNKNOWN, in %dx, %eax
    CASE UNKNOWN, out %al, %dx
    CASE UNKNOWN, out %ax, %dx
    CASE UNKNOWN, out %eax, %dx
    CASE UNKNOWN, insb
    CASE UNKNOWN, insw
    CASE UNKNOWN, insl
    CASE UNKNOWN, outsb
    CASE UNKNOWN, outsw
    CASE UNKNOWN, outsl
    CASE UNKNOWN, rep insb
    CASE UNKNOWN, rep insw
    CASE UNKNOWN, rep insl
    CASE UNKNOWN, rep outsb
    CASE UNKNOWN, rep outsw
    CASE UNKNOWN, rep outsl
    CASE UNKNOWN, rep outsb %fs:(%esi), %dx
    CASE UNKNOWN, rep insb %dx, %es:(%edi)
    CASE UNKNOWN, lmsw %ax
    CASE UNKNOWN, lmsw %si
    CASE UNKNOWN, smsw %ax
    CASE UNKNOWN, rdrand %eax
    CASE UNKNOWN, rdseed %eax
    CASE UNKNOWN, xabort $1
    CASE UNKNOWN, xbegin .
    CASE UNKNOWN, extrq $1, $2, %xmm1
    CASE UNKNOWN, insertq $1, $2, %xmm1, %xmm2
    CASE UNKNOWN, movb %cl, %dl
    CASE UNKNOWN, movl %ecx, %edx
    CASE UNKNOWN, movzbl %cl, %edx
    CASE UNKNOWN, vmovdqa %xmm1, %xmm2
    CASE UNKNOWN, movaps %xmm1, (%ebx)
.endm

/* gas has no SWAPGS outside 64-bit mode. */
.macro swapgs_bytes
    .byte 0x0f, 0x01, 0xf8
.endm

/* Instructions with a memory operand that every mode knows. */
.macro MEMORY operand:vararg
    CASE UNKNOWN, lmsw \operand
    CASE UNKNOWN, invlpg \operand
    CASE UNKNOWN, vmptrld \operand
    CASE UNKNOWN, vmptrst \operand
    CASE UNKNOWN, vmclear \operand
    CASE UNKNOWN, vmxon \operand
    CASE MOV_STORE, movb %cl, \operand
    CASE MOV_STORE, movb %ch, \operand
    CASE MOV_STORE, movw %cx, \operand
    CASE MOV_STORE, movl %ecx, \operand
    CASE MOV_STORE, movb $0x12, \operand
    CASE MOV_STORE, movw $0x1234, \operand
    CASE MOV_STORE, movl $0x12345678, \operand
    CASE MOV_LOAD, movb \operand, %cl
    CASE MOV_LOAD, movw \operand, %cx
    CASE MOV_LOAD, movl \operand, %ecx
    CASE MOV_LOAD, movzbw \operand, %cx
    CASE MOV_LOAD, movzbl \operand, %ecx
    CASE MOV_LOAD, movzwl \operand, %ecx
    CASE MOV_LOAD, movsbw \operand, %cx
    CASE MOV_LOAD, movsbl \operand, %ecx
    CASE MOV_LOAD, movswl \operand, %ecx
    CASE UNKNOWN, addl %ecx, \operand
    CASE UNKNOWN, sgdt \operand
    CASE UNKNOWN, lidt \operand
    CASE UNKNOWN, smsw \operand
    CASE UNKNOWN, cmpxchg8b \operand
    CASE UNKNOWN, xchgl %ecx, \operand
.endm

/* Outside 64-bit mode: the registers of VMREAD and of MOV CR and DR have 32 bits. */
.macro NARROW operand:vararg
    MEMORY \operand
    CASE UNKNOWN, vmread %ecx, \operand
    CASE UNKNOWN, vmwrite \operand, %ecx
    CASE UNKNOWN, invept \operand, %ecx
    CASE UNKNOWN, invvpid \operand, %ecx
    CASE UNKNOWN, arpl %cx, \operand
.endm

.macro NARROW_REGISTERS
    CASE UNKNOWN, vmread %ecx, %edx
    CASE UNKNOWN, vmwrite %edx, %ecx
    CASE UNKNOWN, mov %cr0, %eax
    CASE UNKNOWN, mov %cr3, %edi
    CASE UNKNOWN, mov %cr8, %eax
    CASE UNKNOWN, .byte 0xf0, 0x0f, 0x20, 0xc1
    CASE MOV_TO_CR, mov %eax, %cr0
    CASE MOV_TO_CR, mov %esi, %cr4
    CASE MOV_TO_CR, mov %eax, %cr8
    CASE MOV_TO_CR, .byte 0x0f, 0x22, 0x05 /* mod = 0 is no memory here */
    CASE MOV_TO_CR, .byte 0x0f, 0x22, 0x44
    CASE UNKNOWN, mov %dr7, %eax
    CASE UNKNOWN, mov %eax, %dr7
    CASE UNKNOWN, .byte 0xf0, 0x48 /* no REX prefix here: DEC */
.endm

/* 16-bit addressing; with data16 and addr16 spelled by the operands. */
.macro ADDRESS_16
    NARROW (%bx)
    NARROW (%bp, %si)
    NARROW 0x12(%bx, %di)
    NARROW 0x1234(%di)
    NARROW 0x12(%bp)
    NARROW %fs:0x1234(%si)
    NARROW (%bx, %si)
.endm

.macro ADDRESS_32
    NARROW (%eax)
    NARROW 0x12(%eax)
    NARROW 0x12345678(%ebx)
    NARROW (%esp)
    NARROW 0x12(%esp)
    NARROW 0x12345678(%esp)
    NARROW (%ebp)
    NARROW (%eax, %ecx, 4)
    NARROW 0x12(%ebp, %ecx, 8)
    NARROW (%ebp, %ecx, 8)
    NARROW 0x12345678(, %ecx, 8)
    NARROW %gs:0x12(%esi)
.endm

    .code16
    .set MODE, MODE_16
    COMMON
    NARROW_REGISTERS
    ADDRESS_16
    ADDRESS_32
    NARROW 0x1234
    CASE MOV_LOAD, movb 0x1234, %al
    CASE MOV_LOAD, movw 0x1234, %ax
    CASE MOV_LOAD, movl 0x1234, %eax
    CASE MOV_STORE, movb %al, 0x1234
    CASE MOV_STORE, movl %eax, 0x1234
    CASE MOV_STORE, addr32 movw %ax, 0x12345678
    CASE UNKNOWN, addr32 rep insl

    .code32
    .set MODE, MODE_32
    COMMON
    NARROW_REGISTERS
    ADDRESS_16
    ADDRESS_32
    NARROW 0x12345678
    CASE MOV_LOAD, movb 0x12345678, %al
    CASE MOV_LOAD, movw 0x12345678, %ax
    CASE MOV_LOAD, movl 0x12345678, %eax
    CASE MOV_STORE, movb %al, 0x12345678
    CASE MOV_STORE, movl %eax, %fs:0x12345678
    CASE MOV_STORE, addr16 movl %eax, 0x1234
    CASE UNKNOWN, addr16 rep insl

.macro WIDE operand:vararg
    MEMORY \operand
    CASE UNKNOWN, vmread %rcx, \operand
    CASE UNKNOWN, vmwrite \operand, %r9
    CASE UNKNOWN, invept \operand, %rcx
    CASE UNKNOWN, invvpid \operand, %r9
    CASE MOV_STORE, movq %rcx, \operand
    CASE MOV_STORE, movq %r9, \operand
    CASE MOV_STORE, movb %sil, \operand
    CASE MOV_STORE, movb %r9b, \operand
    CASE MOV_STORE, movw %r9w, \operand
    CASE MOV_STORE, movq $-0x12345678, \operand
    CASE MOV_LOAD, movq \operand, %rcx
    CASE MOV_LOAD, movq \operand, %r9
    CASE MOV_LOAD, movl \operand, %r9d
    CASE MOV_LOAD, movzbq \operand, %rcx
    CASE MOV_LOAD, movzwq \operand, %r9
    CASE MOV_LOAD, movsbq \operand, %r9
    CASE MOV_LOAD, movswq \operand, %rcx
    CASE MOV_LOAD, movslq \operand, %rcx
    CASE UNKNOWN, addq %rcx, \operand
    CASE UNKNOWN, cmpxchg16b \operand
.endm

    .code64
    .set MODE, MODE_64
    .purgem MEMORY
/* As above without the high byte registers, which REX makes unreachable. */
.macro MEMORY operand:vararg
    CASE UNKNOWN, lmsw \operand
    CASE UNKNOWN, invlpg \operand
    CASE UNKNOWN, vmptrld \operand
    CASE UNKNOWN, vmptrst \operand
    CASE UNKNOWN, vmclear \operand
    CASE UNKNOWN, vmxon \operand
    CASE MOV_STORE, movb %cl, \operand
    CASE MOV_STORE, movw %cx, \operand
    CASE MOV_STORE, movl %ecx, \operand
    CASE MOV_STORE, movb $0x12, \operand
    CASE MOV_STORE, movw $0x1234, \operand
    CASE MOV_STORE, movl $0x12345678, \operand
    CASE MOV_LOAD, movb \operand, %cl
    CASE MOV_LOAD, movw \operand, %cx
    CASE MOV_LOAD, movl \operand, %ecx
    CASE MOV_LOAD, movzbl \operand, %ecx
    CASE MOV_LOAD, movzwl \operand, %ecx
    CASE MOV_LOAD, movsbl \operand, %ecx
    CASE MOV_LOAD, movswl \operand, %ecx
    CASE UNKNOWN, addl %ecx, \operand
    CASE UNKNOWN, sgdt \operand
.endm
    COMMON
    WIDE (%rax)
    WIDE 0x12(%rax)
    WIDE 0x12345678(%rbx)
    WIDE (%rsp)
    WIDE 0x12(%rsp)
    WIDE (%rbp)
    WIDE (%r12)
    WIDE (%r13)
    WIDE 0x12(%r13)
    WIDE (%r8, %r15, 2)
    WIDE (%r13, %r15, 2)
    WIDE 0x12345678(%r12, %rcx, 8)
    WIDE 0x12345678(, %rcx, 8)
    WIDE 0x12345678(%rip)
    WIDE 0x12345678(%eip)
    WIDE 0x12345678
    WIDE (%eax)
    WIDE 0x12(%r13d, %r15d, 4)
    WIDE %gs:0x12345678
    WIDE %fs:(%r9)
    CASE UNKNOWN, vmread %r9, %rdx
    CASE UNKNOWN, vmwrite %rdx, %r9
    CASE UNKNOWN, lmsw %r9w
    CASE UNKNOWN, mov %cr0, %rax
    CASE UNKNOWN, mov %cr8, %rax
    CASE UNKNOWN, mov %cr4, %r15
    CASE UNKNOWN, .byte 0xf0, 0x0f, 0x20, 0xc0
    CASE MOV_TO_CR, mov %rax, %cr3
    CASE MOV_TO_CR, mov %r9, %cr8
    CASE MOV_TO_CR, .byte 0x48, 0x0f, 0x22, 0xc0 /* REX.W changes nothing */
    CASE UNKNOWN, mov %dr7, %r9
    CASE UNKNOWN, mov %rax, %dr0
    CASE MOV_LOAD, movabs 0x123456789abcdef0, %al
    CASE MOV_LOAD, movabs 0x123456789abcdef0, %ax
    CASE MOV_LOAD, movabs 0x123456789abcdef0, %eax
    CASE MOV_LOAD, movabs 0x123456789abcdef0, %rax
    CASE MOV_STORE, movabs %al, 0x123456789abcdef0
    CASE MOV_STORE, movabs %rax, 0x123456789abcdef0
    CASE MOV_STORE, .byte 0x67, 0xa3, 1, 2, 3, 4
    CASE MOV_STORE, .byte 0x66, 0x67, 0xa3, 1, 2, 3, 4
    CASE MOV_STORE, movb %ch, (%rax)
    CASE UNKNOWN, .byte 0xf3, 0x41, 0x90 /* XCHG R8, RAX with REP */
    CASE UNKNOWN, .byte 0x41, 0xf3, 0x90
    CASE UNKNOWN, .byte 0xf3, 0x40, 0x90
    CASE WRMSR, .byte 0x48, 0x0f, 0x30
    CASE CPUID, .byte 0x2e, 0x3e, 0x26, 0x36, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3, 0x48, 0x0f, 0xa2
    CASE CPUID, .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2
    CASE UNKNOWN, .byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x0f, 0xa2
    CASE MOV_STORE, .byte 0x48, 0x66, 0xc7, 0x00, 0x34, 0x12       /* REX.W cancelled: 16-bit immediate */
    CASE MOV_STORE, .byte 0x66, 0x48, 0xc7, 0x00, 0x34, 0x12, 0, 0 /* REX.W wins over 66 */
    CASE MOV_STORE, .byte 0x48, 0x40, 0xc7, 0x00, 0x34, 0x12, 0, 0 /* the last REX counts */
    CASE MOV_STORE, .byte 0x48, 0x40, 0x66, 0xc7, 0x00, 0x34, 0x12

    .pushsection .data.rel.ro.cases, "aw"
insn_cases_end:
    .popsection
    .section .rodata, "a"
    .balign 8
    .globl insn_case_count
insn_case_count:
    .quad (insn_cases_end - insn_cases) / 32

    .section .note.GNU-stack, "", @progbits
