/* SPDX-License-Identifier: MIT */
/*
 * The instructions that run in every CPU mode: mode_cases.S includes this once per size of code. Its macros say what
 * the columns mean. ACC and DATA are EAX and EDX as MOV CR wants them, ADDRESS is EBX as the mode addresses by it.
 */
    PLAIN cpuid, END_DONE, CHECK_TSC, "cpuid"
    WITH cpuid-signature, END_DONE, CHECK_CPUID, 0x40000100, 0, 0, "cpuid"
    LOAD in-byte-immediate, CHECK_LOAD8, -1, "in $0x80, %al"
    LOAD in-word-immediate, CHECK_LOAD16, -1, "in $0x80, %ax"
    LOAD in-long-immediate, CHECK_LOAD32, -1, "in $0x80, %eax"
    LOAD in-byte, CHECK_LOAD8, -1, "in %dx, %al"
    LOAD in-word, CHECK_LOAD16, -1, "in %dx, %ax"
    LOAD in-long, CHECK_LOAD32, -1, "in %dx, %eax"
    LOAD out-byte-immediate, CHECK_SAME, 0, "out %al, $0x80"
    LOAD out-word-immediate, CHECK_SAME, 0, "out %ax, $0x80"
    LOAD out-long-immediate, CHECK_SAME, 0, "out %eax, $0x80"
    LOAD out-byte, CHECK_SAME, 0, "out %al, %dx"
    LOAD out-word, CHECK_SAME, 0, "out %ax, %dx"
    LOAD out-long, CHECK_SAME, 0, "out %eax, %dx"
    WITH insb, END_GP, CHECK_SAME, 0, 4, 0x80, "insb"
    WITH outsb, END_GP, CHECK_SAME, 0, 4, 0x80, "outsb"
    WITH rep-insb, END_GP, CHECK_SAME, 0, 4, 0x80, "rep insb"
    WITH rep-insw, END_GP, CHECK_SAME, 0, 4, 0x80, "rep insw"
    WITH rep-insl, END_GP, CHECK_SAME, 0, 4, 0x80, "rep insl"
    WITH rep-outsb, END_GP, CHECK_SAME, 0, 4, 0x80, "rep outsb"
    WITH rep-outsw, END_GP, CHECK_SAME, 0, 4, 0x80, "rep outsw"
    WITH rep-outsl, END_GP, CHECK_SAME, 0, 4, 0x80, "rep outsl"
    WITH rdmsr, END_DONE | RING0, CHECK_MSR, 0, 0x1b, 0, "rdmsr"
    WITH wrmsr, END_DONE | RING0, CHECK_SAME, 0, 0x4b564d01, 0, "wrmsr"
    WITH rdmsr-unlisted, END_GP, CHECK_SAME, 0, 0x10, 0, "rdmsr"
    WITH wrmsr-unlisted, END_GP, CHECK_SAME, 0, 0x10, 0, "wrmsr"
    WITH wrmsr-efer-svme, END_GP, CHECK_SAME, 0x1000, 0xc0000080, 0, "wrmsr"
    CASE rdmsr-fault-return, END_DONE | RESUME, CHECK_SAME, 0, 0x10, 0, 0, "", "rdmsr", ""
    CASE hlt, END_TIMER, CHECK_SAME, 0, 0, 0, 0, "sti", "hlt", ""
    CONTROL cr0-same, END_DONE | RING0, "nop", CODE(mov ACC, %cr0)
    CONTROL cr0-cache-disable, END_DONE | RING0, "or $0x40000000, %eax", CODE(mov ACC, %cr0)
    CONTROL cr0-bits, END_DONE | RING0, "or $0x5002e, %eax", CODE(mov ACC, %cr0)
    CONTROL cr0-numeric-error-off, END_DONE | RING0, "and $0xffffffdf, %eax", CODE(mov ACC, %cr0)
    CONTROL lmsw, END_DONE | RING0, "or $0xe, %eax", "lmsw %ax"
    CONTROL clts, END_DONE | RING0, CODE(or $8, %eax; mov ACC, %cr0; and $0xfffffff7, %eax), "clts"
    CASE cr4-bits, END_DONE | RING0, CHECK_BACK, 0, 0, 0, 0, CODE(mov %cr4, ACC; or $4, %eax), CODE(mov ACC, %cr4), CODE(mov %cr4, DATA)
    CASE cr4-vmxe, END_GP, CHECK_EAX, 0, 0, 0, 0, CODE(mov %cr4, ACC; or $0x2000, %eax), CODE(mov ACC, %cr4), ""
    CASE cr4-smxe, END_GP, CHECK_EAX, 0, 0, 0, 0, CODE(mov %cr4, ACC; or $0x4000, %eax), CODE(mov ACC, %cr4), ""
    CASE cr4-high, END_GP, CHECK_EAX, 0, 0, 0, 0, CODE(mov %cr4, ACC; or $0x80000000, %eax), CODE(mov ACC, %cr4), ""
    .if BITS == 64
    CASE cr8, END_DONE, CHECK_BACK, 5, 0, 0, 0, "", CODE(mov ACC, %cr8), CODE(mov %cr8, DATA; mov $0, %eax; mov ACC, %cr8; mov DATA, ACC)
    CASE cr8-high, END_GP, CHECK_SAME, 16, 0, 0, 0, "", CODE(mov ACC, %cr8), ""
    .endif
    WITH xsetbv, END_DONE | RING0 | XSAVE, CHECK_SAME, 3, 0, 0, "xsetbv"
    WITH xsetbv-x87-off, END_GP | XSAVE, CHECK_SAME, 2, 0, 0, "xsetbv"
    WITH xsetbv-register-1, END_GP | XSAVE, CHECK_SAME, 1, 1, 0, "xsetbv"
    PLAIN invd, END_DONE | RING0, CHECK_SAME, "invd"
    PLAIN wbinvd, END_DONE | RING0, CHECK_SAME, "wbinvd"
    WITH rdpmc, END_GP, CHECK_SAME, 0, 0, 0, "rdpmc"
    WITH monitor, END_UD, CHECK_SAME, BLOCK_BUFFER, 0, 0, ".byte 0x0f, 0x01, 0xc8"
    WITH mwait, END_UD, CHECK_SAME, 0, 0, 0, ".byte 0x0f, 0x01, 0xc9"
    PLAIN hypercall, END_DONE | CALL_OWN, CHECK_CALL, ".byte 0x0f, 0x01, 0xd9"
    PLAIN hypercall-other, END_UD | CALL_OTHER, CHECK_SAME, ".byte 0x0f, 0x01, 0xc1"
    PLAIN rsm, END_UD, CHECK_SAME, "rsm"
    PLAIN getsec, END_UD, CHECK_SAME, ".byte 0x0f, 0x37"
    PLAIN vmlaunch, END_UD, CHECK_SAME, ".byte 0x0f, 0x01, 0xc2"
    PLAIN vmxoff, END_UD, CHECK_SAME, ".byte 0x0f, 0x01, 0xc4"
    WITH vmrun, END_UD, CHECK_SAME, BLOCK_BUFFER, 0, 0, ".byte 0x0f, 0x01, 0xd8"
    PLAIN stgi, END_UD, CHECK_SAME, ".byte 0x0f, 0x01, 0xdc"
    PLAIN skinit, END_UD, CHECK_SAME, ".byte 0x0f, 0x01, 0xde"
    PLAIN ud2, END_UD, CHECK_SAME, "ud2"
    PLAIN invlpg, END_DONE | RING0, CHECK_SAME, CODE(invlpg (ADDRESS))
    PLAIN pause, END_DONE, CHECK_SAME, "pause"
    PLAIN rdtsc, END_DONE, CHECK_TSC, "rdtsc"
    PLAIN rdtscp, END_DONE, CHECK_TSC, "rdtscp"
    PLAIN int, END_TRAP(0x40), CHECK_SAME, "int $0x40"
    PLAIN int3, END_TRAP(3), CHECK_SAME, "int3"
    PLAIN icebp, END_TRAP(1), CHECK_SAME, ".byte 0xf1"
    .if BITS != 64
    PLAIN into, END_TRAP(4), CHECK_SAME, "into"
    .endif
    STEP step-nop, END_STEP, CHECK_SAME, 0, 0, "nop"
    STEP step-cpuid, END_STEP, CHECK_CPUID, 0x40000100, 0, "cpuid"
    STEP step-in, END_STEP, CHECK_LOAD8, 0xa1a2a3a4, -1, "in $0x80, %al"
    STEP step-out, END_STEP, CHECK_SAME, 0xa1a2a3a4, 0, "out %al, $0x80"
    STEP step-rdmsr, END_STEP | RING0, CHECK_MSR, 0, 0, "rdmsr"
    STEP step-wbinvd, END_STEP | RING0, CHECK_SAME, 0, 0, "wbinvd"
    LOAD mmio-load-byte, CHECK_LOAD8 | MMIO, 0xa5, CODE(movb %fs:-0x10(ADDRESS), %al)
    LOAD mmio-load-high-byte, CHECK_LOADH | MMIO, 0xa5, CODE(movb %fs:-0x10(ADDRESS), %ah)
    LOAD mmio-load-word, CHECK_LOAD16 | MMIO, 0xa5, CODE(movw %fs:-0x10(ADDRESS), %ax)
    LOAD mmio-load-long, CHECK_LOAD32 | MMIO, 0xa5, CODE(movl %fs:-0x10(ADDRESS), %eax)
    LOAD mmio-load-by-32-bits, CHECK_LOAD32 | MMIO, 0xa5, "movl %fs:-0x10(%ebx), %eax"
    LOAD mmio-load-scaled, CHECK_LOAD32 | MMIO, 0xa5, "movl %fs:-0x50(%ebx, %ebx, 4), %eax"
    LOAD mmio-load-absolute, CHECK_LOAD32 | MMIO, 0xa5, CODE(ABSOLUTE %fs:0, %eax)
    LOAD mmio-load-zero-extended, CHECK_LOAD32 | MMIO, 0xa5, CODE(movzbl %fs:-0x10(ADDRESS), %eax)
    LOAD mmio-load-sign-extended, CHECK_LOAD32 | MMIO, 0xffffffa5, CODE(movsbl %fs:-0x10(ADDRESS), %eax)
    LOAD mmio-load-sign-extended-word, CHECK_LOAD16 | MMIO, 0xffa5, CODE(movsbw %fs:-0x10(ADDRESS), %ax)
    LOAD mmio-load-ecam, CHECK_LOAD32 | MMIO | ECAM, 0, CODE(movl %gs:-0x10(ADDRESS), %eax)
    LOAD mmio-load-ecam-word, CHECK_LOAD16 | MMIO | ECAM, 0, CODE(movw %gs:-0x10(ADDRESS), %ax)
    LOAD mmio-store-long, CHECK_STORE | MMIO, 0xa4, CODE(movl %eax, %fs:-0x10(ADDRESS))
    LOAD mmio-store-by-32-bits, CHECK_STORE | MMIO, 0xa4, "movl %eax, %fs:-0x10(%ebx)"
    LOAD mmio-store-immediate, CHECK_STORE | MMIO, 0x17, CODE(movl $0x17, %fs:-0x10(ADDRESS))
    LOAD mmio-store-absolute, CHECK_STORE | MMIO, 0xa4, CODE(ABSOLUTE %eax, %fs:0)
    LOAD mmio-store-byte, CHECK_STORE | MMIO, 0xa5, CODE(movb %al, %fs:-0x10(ADDRESS))
    LOAD mmio-store-word, CHECK_STORE | MMIO, 0xa5, CODE(movw %ax, %fs:-0x10(ADDRESS))
