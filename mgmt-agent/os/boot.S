/* SPDX-License-Identifier: MIT */
/*
 * Entry of the agent: 32-bit protected mode without paging (mullion/abi.h, MULLION_ENTRY_PROTECTED32) to
 * 64-bit C. The tables built here map the first GiB without protection; kernel_start replaces them.
 */
    .set CR0_GO, 0x80010033          /* PG, WP, NE, ET, MP, PE */
    .set CR4_GO, 0x620               /* PAE, OSFXSR, OSXMMEXCPT */
    .set MSR_EFER, 0xc0000080
    .set EFER_GO, 0x900              /* LME, NXE */

    .section .boot, "ax"
    .code32
    .globl agent_entry
agent_entry:
    cli
    cld
    mov %ebx, %ebp
    mov $__bss_start, %edi
    mov $__bss_end, %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl

    mov $boot_pd, %edi
    mov $0x83, %eax
    mov $512, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 1b
    movl $boot_pd + 3, boot_pdpt
    movl $boot_pdpt + 3, boot_pml4

    mov $boot_pml4, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $CR4_GO, %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_GO, %eax
    wrmsr
    mov $CR0_GO, %eax
    mov %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $2f

    .code64
2:  mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    fninit
    mov $__stack_top, %rsp
    mov %ebp, %edi
    xor %ebp, %ebp
    call kernel_start                /* ESI is still the VMM's */
    ud2

    /* Exceptions: every stub leaves vector and error code, then reports; none returns. */
    .text
    .macro STUB vector, has_error
    .balign 16
    .if \has_error == 0
    push $0
    .endif
    push $\vector
    jmp trap_common
    .endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .set i, 0
    .rept 32
    .if (i == 8) || ((i >= 10) && (i <= 14)) || (i == 17) || (i == 21) || (i == 29) || (i == 30)
    STUB i, 1
    .else
    STUB i, 0
    .endif
    .set i, i + 1
    .endr
trap_common:
    cld
    mov %rsp, %rdi
    and $-16, %rsp
    call trap_report
    ud2

    .data
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff         /* 0x08: 64-bit code */
    .quad 0x00cf93000000ffff         /* 0x10: data */
boot_gdtr:
    .word boot_gdtr - boot_gdt - 1
    .long boot_gdt

    .bss
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
