/* SPDX-License-Identifier: MIT */
/* The hypercall instruction (docs/abi.md): the one that the VMM named at the entry. */
#include <string.h>

#include "cpu.h"
#include "kernel.h"
#include "os.h"

#define MAX_REQUEST_BYTES 1024u

_Static_assert(sizeof(struct mullion_partition_info) <= MAX_REQUEST_BYTES &&
                   sizeof(struct mullion_platform_info) <= MAX_REQUEST_BYTES &&
                   sizeof(struct mullion_partition_counters) <= MAX_REQUEST_BYTES,
               "the largest requests fit the copy");

static enum mullion_hypercall_instruction instruction;

void hypercall_start(enum mullion_hypercall_instruction wanted)
{
    instruction = wanted;
}

/* Bytes of each call's request. */
static const size_t request_bytes[MULLION_CALL_COUNT] = {
    [MULLION_CALL_PLATFORM_INFO] = sizeof(struct mullion_platform_info),
    [MULLION_CALL_CPU_INFO] = sizeof(struct mullion_cpu_info),
    [MULLION_CALL_MEMORY_INFO] = sizeof(struct mullion_memory_info),
    [MULLION_CALL_MODULE_INFO] = sizeof(struct mullion_module_info),
    [MULLION_CALL_PCI_INFO] = sizeof(struct mullion_pci_info),
    [MULLION_CALL_PARTITION_CREATE] = sizeof(struct mullion_partition_create),
    [MULLION_CALL_PARTITION_ADD_MEMORY] = sizeof(struct mullion_partition_add_memory),
    [MULLION_CALL_WINDOW_OPEN] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_WINDOW_CLOSE] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_START] = sizeof(struct mullion_partition_start),
    [MULLION_CALL_PARTITION_STOP] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_PAUSE] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_RESUME] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_RESET] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_DESTROY] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_POWER_BUTTON] = sizeof(struct mullion_partition_ref),
    [MULLION_CALL_PARTITION_INFO] = sizeof(struct mullion_partition_info),
    [MULLION_CALL_PARTITION_COUNTERS] = sizeof(struct mullion_partition_counters),
    [MULLION_CALL_CONSOLE_READ] = sizeof(struct mullion_buffer),
    [MULLION_CALL_CONSOLE_WRITE] = sizeof(struct mullion_buffer),
    [MULLION_CALL_HOST_CONSOLE_READ] = sizeof(struct mullion_buffer),
    [MULLION_CALL_HOST_CONSOLE_WRITE] = sizeof(struct mullion_buffer),
    [MULLION_CALL_EVENT_WAIT] = sizeof(struct mullion_event_wait),
    [MULLION_CALL_LOG_READ] = sizeof(struct mullion_buffer),
    [MULLION_CALL_HOST_RESET] = sizeof(struct mullion_host_reset),
    [MULLION_CALL_HOST_POWER_OFF] = sizeof(struct mullion_host_power_off),
    [MULLION_CALL_AGENT_EXIT] = sizeof(struct mullion_agent_exit),
    [MULLION_CALL_PORT_CREATE] = sizeof(struct mullion_port_create),
    [MULLION_CALL_PORT_CONNECT] = sizeof(struct mullion_port_connect),
    [MULLION_CALL_PORT_DISCONNECT] = sizeof(struct mullion_port_connect),
    [MULLION_CALL_PORT_ACKNOWLEDGE] = sizeof(struct mullion_port_acknowledge),
    [MULLION_CALL_PORT_INFO] = sizeof(struct mullion_port_info),
    [MULLION_CALL_PCI_ASSIGN] = sizeof(struct mullion_pci_assign),
};

static long call_vmm(uint64_t call, void *request)
{
    long result;
    if (instruction == MULLION_VMMCALL) {
        __asm__ volatile("vmmcall" : "=a"(result) : "a"(call), "D"(request) : "memory");
    } else {
        __asm__ volatile("vmcall" : "=a"(result) : "a"(call), "D"(request) : "memory");
    }
    return result;
}

/* Structures of 32-bit fields need not be 8-byte aligned in C, requests must be: so they travel in a copy. */
long os_hypercall(enum mullion_call call, void *request)
{
    static uint64_t copy[MAX_REQUEST_BYTES / sizeof(uint64_t)];
    if ((unsigned)call >= MULLION_CALL_COUNT) {
        return -MULLION_E_UNKNOWN_CALL;
    }
    memcpy(copy, request, request_bytes[call]);
    long result = call_vmm(call, copy);
    memcpy(request, copy, request_bytes[call]);
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
