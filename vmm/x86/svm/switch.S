/* SPDX-License-Identifier: MIT */
/*
 * void svm_switch(uint64_t vmcb, uint64_t *gpr, uint64_t host_vmcb): one world switch there and back.
 * AMD64 APM volume 2, section 15.5. With GIF clear nothing interrupts; IF is set so that a host interrupt that comes
 * while the guest runs ends it (V_INTR_MASKING). RAX and RSP of the guest are in the VMCB.
 * VMSAVE/VMLOAD of host_vmcb bring back FS, GS, TR, LDTR and the syscall MSRs of the host.
 */
#define GPR(n) ((n) * 8)(%rsi)

    .text
    .globl svm_switch
svm_switch:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rsi
    push %rdx
    mov %rdi, %rax
    mov GPR(1), %rcx
    mov GPR(2), %rdx
    mov GPR(3), %rbx
    mov GPR(5), %rbp
    mov GPR(7), %rdi
    mov GPR(8), %r8
    mov GPR(9), %r9
    mov GPR(10), %r10
    mov GPR(11), %r11
    mov GPR(12), %r12
    mov GPR(13), %r13
    mov GPR(14), %r14
    mov GPR(15), %r15
    mov GPR(6), %rsi
    clgi
    sti
    vmload %rax
    vmrun %rax
    vmsave %rax
    xchg %rsi, 8(%rsp)
    mov %rcx, GPR(1)
    mov %rdx, GPR(2)
    mov %rbx, GPR(3)
    mov %rbp, GPR(5)
    mov %rdi, GPR(7)
    mov %r8, GPR(8)
    mov %r9, GPR(9)
    mov %r10, GPR(10)
    mov %r11, GPR(11)
    mov %r12, GPR(12)
    mov %r13, GPR(13)
    mov %r14, GPR(14)
    mov %r15, GPR(15)
    pop %rax                        /* host VMCB */
    pop %rcx                        /* the guest's RSI */
    mov %rcx, GPR(6)
    vmload %rax
    cli
    stgi
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .note.GNU-stack, "", @progbits
