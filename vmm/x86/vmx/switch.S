/* SPDX-License-Identifier: MIT */
/*
 * uint64_t vmx_switch(uint64_t *gpr, bool launched): one world switch there and back. Returns 0 after an exit, 1 if
 * the CPU refused VMLAUNCH or VMRESUME. Intel SDM volume 3, chapters "VM Entries" and "VM Exits".
 * RSP, RIP, RFLAGS, CR0, CR3, CR4, segments, EFER and PAT of guest and host are in the VMCS. Interrupts are off on both
 * sides; one that comes while the guest runs ends it.
 */
#define GPR(n) ((n) * 8)(%rdi)
#define HOST_RSP 0x6c14

    .text
    .globl vmx_switch
vmx_switch:
    .irp register, rbx, rbp, r12, r13, r14, r15, rdi
    push %\register
    .endr
    mov $HOST_RSP, %eax
    vmwrite %rsp, %rax
    test %sil, %sil
    mov GPR(0), %rax
    mov GPR(1), %rcx
    mov GPR(2), %rdx
    mov GPR(3), %rbx
    mov GPR(5), %rbp
    mov GPR(6), %rsi
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15
    mov GPR(\number), %r\number
    .endr
    mov GPR(7), %rdi
    jnz 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  pop %rdi                        /* not entered: the guest's registers are as they were */
    mov $1, %eax
    jmp 3f

    .globl vmx_exit
vmx_exit:
    xchg %rdi, (%rsp)
    mov %rax, GPR(0)
    mov %rcx, GPR(1)
    mov %rdx, GPR(2)
    mov %rbx, GPR(3)
    mov %rbp, GPR(5)
    mov %rsi, GPR(6)
    .irp number, 8, 9, 10, 11, 12, 13, 14, 15
    mov %r\number, GPR(\number)
    .endr
    pop GPR(7)
    /* The return stack buffer still holds what the guest put there: 32 calls displace it, so that it cannot steer
     * where the VMM's returns are predicted to go. Whoever returns to one of these calls, by prediction only, halts at
     * the trap behind it. */
    .rept 32
    call 4f
    int3
4:
    .endr
    add $(32 * 8), %rsp
    lfence                          /* some CPUs predict one return more until then */
    xor %eax, %eax
3:  .irp register, r15, r14, r13, r12, rbp, rbx
    pop %\register
    .endr
    ret

    .section .note.GNU-stack, "", @progbits
