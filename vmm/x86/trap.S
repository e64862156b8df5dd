/* SPDX-License-Identifier: MIT */
/* 256 stubs of 16 bytes: push error code (0 where the CPU pushes none) and vector, then call trap_handle(). */
    .text
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    push $0
    .endif
    push $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    .irp register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    push %\register
    .endr
    cld
    mov %rsp, %rdi
    call trap_handle
    .irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    pop %\register
    .endr
    add $16, %rsp
    iretq

    .section .note.GNU-stack, "", @progbits
