/* SPDX-License-Identifier: MIT */
/* PVH entry, page tables, interrupt stubs, and the two ways to run code that may fault. */

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
    cld
    mov $boot_stack_top, %esp
    mov %ebx, start_info
    lgdt gdt_pointer
    call build_tables
    mov %cr4, %eax
    or $0x20, %eax                      /* PAE */
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx               /* EFER: LME, NXE */
    rdmsr
    or $0x900, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80000033, %eax                /* PG, NE, ET, MP, PE */
    mov %eax, %cr0
    ljmp $0x08, $entry64

/* Identity map of 4 GiB in 2 MiB pages that ring 3 may use as well. */
build_tables:
    mov $pml4, %edi
    movl $pdpt + 7, (%edi)
    movl $pdpt_window + 7, 8(%edi)
    mov $pdpt, %edi
    mov $page_directories + 7, %eax
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    loop 1b
    mov $page_directories, %edi
    mov $0x87, %eax
    mov $2048, %ecx
2:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 2b
    movl $pd_window + 7, pdpt_window
    ret

    .code64
entry64:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    call hostile_main
3:  cli
    hlt
    jmp 3b

/*
 * int attempt(void (*function)(uint64_t), uint64_t argument): calls function; returns the vector of the
 * exception that ended it, or -1 when it returned.
 */
    .globl attempt
attempt:
    call save_context
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov $-1, %eax
    jmp restore_context

/* int attempt_user(function, argument): the same in ring 3. */
    .globl attempt_user
attempt_user:
    call save_context
    mov $user_stack_top - 8, %rcx
    movabs $user_return, %rax
    mov %rax, (%rcx)
    mov %rdi, %rax
    mov %rsi, %rdi
    push $0x33                          /* SS: user data */
    push %rcx
    push $0x3202                        /* RFLAGS: IOPL 3, IF */
    push $0x3b                          /* CS: user code */
    push %rax
    iretq
user_return:
    int $0x80

/* Keeps the callee's registers on the stack and the stack pointer in recovery_rsp. */
save_context:
    pop %rax
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushfq
    mov %rsp, recovery_rsp
    push %rax
    ret

/* void recover(int result): leaves a trap handler and makes attempt() return. */
    .globl recover
recover:
    mov %edi, %eax
restore_context:
    mov recovery_rsp, %rsp
    movq $0, recovery_rsp
    mov $0x10, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    popfq
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

/* One stub of 16 bytes per vector; all end in trap_handle(struct trap_frame *). */
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    push $0
    .endif
    .byte 0x68
    .long vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    push %rax
    push %rcx
    push %rdx
    push %rbx
    push %rbp
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call trap_handle
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rbp
    pop %rbx
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

    .data
    .balign 16
    .globl gdt
gdt:
    .quad 0
    .quad 0x00af9b000000ffff            /* 0x08 code, 64-bit */
    .quad 0x00cf93000000ffff            /* 0x10 data */
    .quad 0x00cf9b000000ffff            /* 0x18 code, 32-bit */
    .quad 0x008f9b000000ffff            /* 0x20 code, 16-bit */
    .quad 0x008f93000000ffff            /* 0x28 data, 16-bit */
    .quad 0x00cff3000000ffff            /* 0x30 user data */
    .quad 0x00affb000000ffff            /* 0x38 user code, 64-bit */
    .quad 0, 0                          /* 0x40 TSS */
    .fill 6, 8                          /* 0x50 filled by mode_table.c */
gdt_pointer:
    .word . - gdt - 1
    .quad gdt

    .globl start_info, recovery_rsp
start_info:
    .quad 0
recovery_rsp:
    .quad 0

    .bss
    .balign 4096
    .globl pml4, pd_window
pml4:
    .fill 4096
pdpt:
    .fill 4096
page_directories:
    .fill 4 * 4096
pdpt_window:
    .fill 4096
pd_window:
    .fill 4096
    .fill 16384
boot_stack_top:
    .fill 8192
    .balign 16
user_stack_top:
    .globl user_stack_top
    .fill 64

    .section .note.GNU-stack, "", @progbits
