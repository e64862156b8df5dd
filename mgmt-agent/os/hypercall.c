/* SPDX-License-Identifier: MIT */
/* The hypercall instruction (docs/abi.md): VMMCALL on AMD and Hygon, VMCALL on everything else. */
#include <stdbool.h>
#include <string.h>

#include "cpu.h"
#include "kernel.h"
#include "os.h"

static bool use_vmmcall;

void hypercall_start(void)
{
    struct cpuid id = cpu_id(0);
    uint32_t vendor[3] = {id.ebx, id.edx, id.ecx};
    use_vmmcall = memcmp(vendor, "AuthenticAMD", sizeof(vendor)) == 0 ||
                  memcmp(vendor, "HygonGenuine", sizeof(vendor)) == 0;
}

long os_hypercall(enum mullion_call call, void *request)
{
    long result;
    if (use_vmmcall) {
        __asm__ volatile("vmmcall" : "=a"(result) : "a"((uint64_t)call), "D"(request) : "memory");
    } else {
        __asm__ volatile("vmcall" : "=a"(result) : "a"((uint64_t)call), "D"(request) : "memory");
    }
    return result;
}

uint64_t os_tsc(void)
{
    return cpu_rdtsc();
}

_Noreturn void os_die(const char *text)
{
    static struct mullion_agent_exit request;
    request.code = 1;
    strncpy(request.text, text, sizeof(request.text) - 1);
    os_hypercall(MULLION_CALL_AGENT_EXIT, &request);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
