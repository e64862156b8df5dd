/* SPDX-License-Identifier: MIT */
/*
 * From the loader to 64-bit C. Source: Multiboot2 specification, sections 3.1 (header) and 3.3 (machine state);
 * AMD64 APM volume 2, section 14.6 (enabling long mode).
 */
#define MB2_HEADER_MAGIC 0xe85250d6
#define MB2_LOADER_MAGIC 0x36d76289

    .section .multiboot2, "a"
    .balign 8
header:
    .long MB2_HEADER_MAGIC, 0, header_end - header
    .long -(MB2_HEADER_MAGIC + (header_end - header))
    .balign 8
    .word 1, 0                      /* information request: command line, modules, memory map, framebuffer, ACPI */
    .long 8 + 6 * 4
    .long 1, 3, 6, 8, 14, 15
    .balign 8
    .word 4, 1                      /* console flags, optional: EGA text is supported */
    .long 12
    .long 2
    .balign 8
    .word 5, 1                      /* framebuffer, optional: any size, 32 bits */
    .long 20
    .long 0, 0, 32
    .balign 8
    .word 6, 0                      /* modules page aligned */
    .long 8
    .balign 8
    .word 0, 0
    .long 8
header_end:

    .section .boot.text, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    mov $boot_stack_top, %esp
    mov %ebx, %ebp
    cmp $MB2_LOADER_MAGIC, %eax
    mov $text_not_multiboot2, %esi
    jne boot_fail
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    mov $text_no_long_mode, %esi
    jb boot_fail
    mov $0x80000001, %eax
    cpuid
    and $(1 << 29 | 1 << 20), %edx  /* LM and NX */
    cmp $(1 << 29 | 1 << 20), %edx
    jne boot_fail

    /* 4 GiB identity-mapped in 2 MiB pages, until paging.c has built the real tables */
    mov $boot_pd, %edi
    mov $0x83, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 1b
    mov $boot_pdpt, %edi
    mov $boot_pd + 3, %eax
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    loop 2b
    movl $boot_pdpt + 3, boot_pml4
    mov $boot_pml4, %eax
    call enter_long_mode
    lgdt boot_gdt_pointer
    ljmp $8, $boot_entry_64

/* EAX = CR3: PAE, EFER.LME and NXE, paging and write protection on; returns in compatibility mode */
    .globl enter_long_mode
enter_long_mode:
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax
    wrmsr
    mov %cr0, %eax
    and $0x9fffffff, %eax           /* CD and NW off */
    or $0x80010001, %eax
    mov %eax, %cr0
    ret

/* ESI = text: to COM1, COM2 and the VGA text buffer, then stop */
boot_fail:
    mov $0xb8000, %edi
3:  lodsb
    test %al, %al
    jz 5f
    mov $0x07, %ah
    stosw
    mov %al, %bl
    mov $0x3fd, %edx
    call boot_putc
    mov $0x2fd, %edx
    call boot_putc
    jmp 3b
5:  hlt
    jmp 5b
boot_putc:
    mov $0x10000, %ecx
6:  in %dx, %al
    test $0x20, %al
    loopz 6b
    mov %bl, %al
    sub $5, %edx
    out %al, %dx
    ret

    .code64
boot_entry_64:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov $boot_stack_top, %rsp
    mov %ebp, %edi
    xor %ebp, %ebp
    call vmm_main
7:  hlt
    jmp 7b

/* void stack_switch(void *top, void (*function)(void)): goes on in `function` on another stack, for good */
    .globl stack_switch
stack_switch:
    mov %rdi, %rsp
    xor %ebp, %ebp
    call *%rsi
    ud2

/*
 * The trampoline of an application processor, copied to a page below 1 MiB by smp.c, which fills in the fields at
 * its end. It runs at offset 0 of that page with CS = page >> 4.
 */
    .section .rodata
    .balign 16
    .globl ap_trampoline, ap_trampoline_end, ap_trampoline_fields
    .code16
ap_trampoline:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    lgdtl ap_gdt_pointer - ap_trampoline
    movzwl %ax, %ebx
    shl $4, %ebx                    /* linear address of this page */
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl *(ap_far_pointer - ap_trampoline)
    .balign 8
ap_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .balign 8
ap_trampoline_fields:
ap_far_pointer:                     /* struct ap_fields in smp.c */
    .long 0
    .word 24, 0
    .long 0                         /* CR3 */
    .long 0
    .quad 0                         /* stack pointer */
    .quad 0                         /* argument of cpu_main_ap */
ap_trampoline_end:

    .section .boot.text, "ax"
    .code32
    .globl ap_entry_32
ap_entry_32:                        /* EBX = linear address of the trampoline page */
    mov $32, %eax
    mov %eax, %ds
    mov %eax, %ss
    add $(ap_trampoline_fields - ap_trampoline), %ebx
    mov $ap_stack_top, %esp         /* application processors start one after the other */
    mov 8(%ebx), %eax
    call enter_long_mode
    ljmp $8, $ap_entry_64
    .code64
ap_entry_64:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %ebx, %ebx
    mov 16(%rbx), %rsp
    mov 24(%rbx), %rdi
    xor %ebp, %ebp
    call cpu_main_ap
8:  hlt
    jmp 8b

    .section .rodata
text_not_multiboot2:
    .asciz "vmm: FATAL: not started by a Multiboot2 loader; boot the Mullion image, not this file "
text_no_long_mode:
    .asciz "vmm: FATAL: this CPU has no 64-bit mode with NX; Mullion needs a 64-bit x86 CPU "
    .balign 8
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        /* 8: 64-bit code */
    .quad 0x00cf93000000ffff        /* 16: data */
    .quad 0x00cf9b000000ffff        /* 24: 32-bit code, for application processors */
    .quad 0x00cf93000000ffff        /* 32: data */
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt

    .bss
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4 * 4096
    .globl boot_stack, boot_stack_top
boot_stack:
    .skip 16384
boot_stack_top:
    .skip 64
ap_stack_top:

    .section .note.GNU-stack, "", @progbits
