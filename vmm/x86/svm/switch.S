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
    .irp register, rbx, rbp, r12, r13, r14, r15, rsi, rdx
    push %\register
    .endr
    mov %rdi, %rax
    mov GPR(1), %rcx
    mov GPR(2), %rdx
    mov GPR(3), %rbx
    mov GPR(5), %rbp
    mov GPR(7), %rdi
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15
    mov GPR(\number), %r\number
    .endr
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
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15
    mov %r\number, GPR(\number)
    .endr
    pop %rax                        /* host VMCB */
    pop %rcx                        /* the guest's RSI */
    mov %rcx, GPR(6)
    /* The return stack buffer still holds what the guest put there: 32 calls displace it, so that it cannot steer
     * where the VMM's returns are predicted to go. Whoever returns to one of these calls, by prediction only, halts at
     * the trap behind it. */
    .rept 32
    call 1f
    int3
1:
    .endr
    add $(32 * 8), %rsp
    vmload %rax
    cli
    stgi
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop %\register
    .endr
    ret

    .section .note.GNU-stack, "", @progbits
