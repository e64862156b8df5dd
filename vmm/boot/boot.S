/* SPDX-License-Identifier: MIT */
/*
 * From the loader to 64-bit C. Source: Multiboot2 specification, sections 3.1 (header) and 3.3 (machine state);
 * AMD64 APM volume 2, section 14.6 (enabling long mode).
 */
#define MB2_HEADER_MAGIC 0xe85250d6
#define MB2_LOADER_MAGIC 0x36d76289

    .globl boot_entry, stack_switch, ap_trampoline, ap_trampoline_end, ap_trampoline_fields, ap_entry_32, boot_gdt

    .section .multiboot2, "a"
    .balign 8
header:
    .long MB2_HEADER_MAGIC, 0, header_end - header
    .long -(MB2_HEADER_MAGIC + (header_end - header))
    /* Tags: type and, in the upper half, flags (1: optional); bytes; fields. */
    .balign 8                       /* information request: command line, modules, memory map, framebuffer, ACPI */
    .long 1, 8 + 6 * 4, 1, 3, 6, 8, 14, 15
    .balign 8                       /* console flags: EGA text is supported */
    .long 4 | 1 << 16, 12, 2
    .balign 8                       /* framebuffer: any size, 32 bits */
    .long 5 | 1 << 16, 20, 0, 0, 32
    .balign 8                       /* modules page aligned */
    .long 6, 8
    .balign 8                       /* the end */
    .long 0, 8
header_end:

    .section .boot.text, "ax"
    .code32
boot_entry:
    cli
    cld
    mov %ebx, boot_fields + 24
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
    lgdt boot_gdt_pointer
    mov $boot_fields, %ebx
    mov $vmm_main, %edi

/*
 * EBX = struct smp_ap_fields, EDI = function: goes on there in 64-bit mode, on the stack and with the argument of the
 * fields. CR4 begins with PAE alone: the firmware may have left features on that the VMM knows nothing of. EFER.LME
 * and NXE, paging and write protection go on; CD, NW, TS and EM off.
 */
enter_long_mode:
    mov 8(%ebx), %eax
    mov %eax, %cr3
    mov $0x20, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax
    wrmsr
    mov %cr0, %eax
    and $0x9ffffff3, %eax
    or $0x80010001, %eax
    mov %eax, %cr0
    ljmp $8, $1f
    .code64
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    mov %edi, %eax
    mov %ebx, %ebx
    mov 16(%rbx), %rsp
    mov 24(%rbx), %rdi
    xor %ebp, %ebp
    call *%rax
    ud2

    .code32
/* ESI = text: to the VGA text buffer, COM1 and COM2, then stop */
boot_fail:
    mov $0xb8000, %edi
2:  lodsb
    mov %al, %bl
    test %al, %al
    jz 4f
    mov $0x07, %ah
    stosw
    .irp line_status, 0x3fd, 0x2fd
    mov $\line_status, %edx
    mov $0x10000, %ecx              /* a port that does not exist may never be ready */
3:  in %dx, %al
    test $0x20, %al
    loopz 3b
    mov %bl, %al
    sub $5, %edx
    out %al, %dx
    .endr
    jmp 2b
4:  hlt
    jmp 4b

    .code64
/* void stack_switch(void *top, void (*function)(void)): goes on in `function` on another stack, for good */
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
    .code16
ap_trampoline:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    lgdtl boot_gdt_pointer - ap_trampoline
    movzwl %ax, %ebx
    shl $4, %ebx                    /* linear address of this page */
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl *(ap_trampoline_fields - ap_trampoline)
    .balign 8
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .balign 8
ap_trampoline_fields:               /* struct smp_ap_fields in smp.h; begins with a far pointer */
    .skip 32
ap_trampoline_end:

    .section .boot.text, "ax"
    .code32
ap_entry_32:                        /* EBX = linear address of the trampoline page */
    mov $32, %eax
    mov %eax, %ds
    add $(ap_trampoline_fields - ap_trampoline), %ebx
    mov $cpu_main_ap, %edi
    jmp enter_long_mode

    .section .rodata
text_not_multiboot2:
    .asciz "vmm: FATAL: not started by a Multiboot2 loader; boot the Mullion image, not this file "
text_no_long_mode:
    .asciz "vmm: FATAL: this CPU has no 64-bit mode with NX; Mullion needs a 64-bit x86 CPU "
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        /* 8: 64-bit code */
    .quad 0x00cf93000000ffff        /* 16: data */
    .quad 0x00cf9b000000ffff        /* 24: 32-bit code, for application processors */
    .quad 0x00cf93000000ffff        /* 32: data */
boot_gdt_end:

    .data
boot_fields:                        /* struct smp_ap_fields of the boot CPU */
    .quad 0, boot_pml4, boot_stack_top, 0
    .balign 4096
boot_pml4:                          /* 4 GiB identity-mapped in 2 MiB pages, until paging.c has built the real tables */
    .quad boot_pdpt + 3
    .balign 4096
boot_pdpt:
    .quad boot_pd + 0x0003, boot_pd + 0x1003, boot_pd + 0x2003, boot_pd + 0x3003
    .balign 4096
boot_pd:
    .set address, 0
    .rept 2048
    .quad address + 0x83
    .set address, address + 0x200000
    .endr

    .bss
    .balign 16
    .skip 16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
