/* SPDX-License-Identifier: MIT */
/* From the entry code to main: everything that musl expects of an ELF loader. */
#include <elf.h>
#include <stddef.h>

#include "cpu.h"
#include "kernel.h"
#include "os.h"

#define CPUID_RDRAND (1u << 30) /* CPUID 1 ECX */

int main(int argc, char **argv);
int __libc_start_main(int (*entry)(int, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void));
void _init(void);
void _fini(void);

void _init(void)
{
}

void _fini(void)
{
}

static uint64_t canary_seed(void)
{
    uint64_t value = cpu_rdtsc() * 0x9e3779b97f4a7c15ull;
    if ((cpu_id(1).ecx & CPUID_RDRAND) != 0) {
        uint64_t random = 0;
        __asm__ volatile("rdrand %0" : "+r"(random) : : "cc");
        value ^= random;
    }
    return value;
}

static void check_box(uint32_t abi_version)
{
    static struct mullion_platform_info info;
    if (abi_version != MULLION_ABI_VERSION) {
        os_die("agent and VMM speak different hypercall ABIs; both must come from one image");
    }
    if (os_hypercall(MULLION_CALL_PLATFORM_INFO, &info) != 0 || info.agent_ram_bytes < KERNEL_RAM_BYTES) {
        os_die("the VMM gave the agent less RAM than the 32 MiB that it is built for");
    }
    clock_start(&info);
}

_Noreturn void kernel_start(uint32_t abi_version, enum mullion_hypercall_instruction instruction)
{
    hypercall_start(instruction);
    trap_start();
    paging_start();
    check_box(abi_version);
    static uint64_t seed[2];
    seed[0] = canary_seed();
    seed[1] = canary_seed();
    static char name[] = "mullion-agent";
    /* argv, its end, the end of the (empty) environment, the auxiliary vector: the order of the psABI. */
    static uint64_t vector[16];
    size_t n = 0;
    vector[n++] = (uintptr_t)name;
    n += 2;
    vector[n++] = AT_RANDOM;
    vector[n++] = (uintptr_t)seed;
    vector[n++] = AT_PAGESZ;
    vector[n++] = 4096;
    __libc_start_main(main, 1, (char **)vector, _init, _fini, NULL);
    os_die("__libc_start_main came back");
}
