/* SPDX-License-Identifier: MIT */
/* A PVH kernel that spins with interrupts off and never leaves the CPU of its own will. */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long entry32

    .text
    .code32
    .globl entry32
entry32:
    cli
1:  jmp 1b

    .section .note.GNU-stack, "", @progbits
