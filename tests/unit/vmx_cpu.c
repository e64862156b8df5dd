/* SPDX-License-Identifier: MIT */
#include "vmx_cpu.h"

#include "unit.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define CF_AND_ZF 0x41 /* clear: the instruction succeeded */

#define MSR_COUNT 32

struct vmx_cpu_calls vmx_cpu_calls;
struct cpu_state cpu_state;

struct msr {
    uint32_t number;
    uint64_t value;
};
static const struct msr msrs_of_2013[] = {
    {0x3a, 5},
    {0x277, 0x0007040600070406},
    {0x480, 0x00da040000000012},
    {0x482, 0xfff9fffe0401e172},
    {0x485, 0x300481e5},
    {0x486, 0x80000021},
    {0x487, 0xffffffff},
    {0x488, 0x2000},
    {0x489, 0x3727ff},
    {0x48b, 0x00007cff00000000},
    {0x48c, 0x00000f0106734141},
    {0x48d, 0x0000007f00000016},
    {0x48e, 0xfff9fffe04006172},
    {0x48f, 0x007fffff00036dfb},
    {0x490, 0x0000ffff000011fb},
    {0xc0000080, 0xd00},
};
static struct msr msrs[MSR_COUNT];

/* In the order of the instruction encoding. */
static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

struct operands {
    unsigned bytes; /* of ModR/M, SIB and displacement */
    uint64_t reg;   /* value of the register operand */
    const uint64_t *memory;
};

/** ModR/M as compilers use it: a base register, with SIB where it must be there, and a displacement. */
static struct operands decode(const uint8_t *modrm, unsigned rex, const greg_t *values)
{
    unsigned mod = modrm[0] >> 6, base = modrm[0] & 7, bytes = 1;
    if (base == 4) { /* SIB without index */
        if ((modrm[1] >> 3 & 7) != 4)
            abort();
        base = modrm[1] & 7;
        bytes = 2;
    }
    if (mod == 3 || (mod == 0 && base == 5))
        abort();
    int32_t displacement = 0;
    if (mod == 1)
        displacement = modrm[bytes] - (modrm[bytes] >> 7 << 8);
    if (mod == 2)
        memcpy(&displacement, modrm + bytes, sizeof displacement);
    uint64_t address = (uint64_t)values[registers[base + (rex & 1) * 8]] + (uint64_t)(int64_t)displacement;
    return (struct operands){
        .bytes = bytes + (mod == 1   ? 1
                          : mod == 2 ? 4
                                     : 0),
        .reg = (uint64_t)values[registers[(modrm[0] >> 3 & 7) + (rex >> 2 & 1) * 8]],
        .memory = (const uint64_t *)address, // NOLINT(performance-no-int-to-ptr)
    };
}

static void invalidate(uint8_t opcode, const struct operands *operands)
{
    if (opcode == 0x80) {
        vmx_cpu_calls.invept++;
        vmx_cpu_calls.invept_type = operands->reg;
        vmx_cpu_calls.invept_pointer = operands->memory[0];
    } else {
        vmx_cpu_calls.invvpid++;
        vmx_cpu_calls.invvpid_type = operands->reg;
        vmx_cpu_calls.invvpid_tag = operands->memory[0];
    }
}

static void on_undefined(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    greg_t *values = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)values[REG_RIP], *at = code; // NOLINT(performance-no-int-to-ptr)
    uint8_t prefix = *at++;
    unsigned rex = (*at & 0xf0) == 0x40 ? *at++ : 0;
    struct operands operands = {0};
    if (prefix == 0x66 && at[0] == 0x0f && at[1] == 0x38 && (at[2] == 0x80 || at[2] == 0x81)) {
        operands = decode(at + 3, rex, values);
        invalidate(at[2], &operands);
        at += 3;
    } else if (prefix == 0xf3 && at[0] == 0x0f && at[1] == 0xc7 && (at[2] >> 3 & 7) == 6) {
        operands = decode(at + 2, rex, values);
        vmx_cpu_calls.vmxon++;
        vmx_cpu_calls.vmxon_region = operands.memory[0];
        at += 2;
    } else {
        abort();
    }
    values[REG_RIP] = (greg_t)(uintptr_t)(at + operands.bytes);
    values[REG_EFL] &= ~CF_AND_ZF;
}

uint64_t *register_at(uint32_t number)
{
    for (size_t i = 0; i < MSR_COUNT; i++) {
        if (msrs[i].number == number)
            return &msrs[i].value;
        if (msrs[i].number == 0) {
            msrs[i].number = number;
            return &msrs[i].value;
        }
    }
    fail_msg("too many MSRs");
    return NULL;
}

uint64_t read_register(uint32_t number)
{
    return *register_at(number);
}

void write_register(uint32_t number, uint64_t value)
{
    cpu_state.l1d_flushes += number == 0x10b;
    *register_at(number) = value;
}

void vmx_cpu_reset(void)
{
    memset(&vmx_cpu_calls, 0, sizeof vmx_cpu_calls);
    memset(&cpu_state, 0, sizeof cpu_state);
    memset(msrs, 0, sizeof msrs);
    memcpy(msrs, msrs_of_2013, sizeof msrs_of_2013);
}

void vmx_cpu_catch(void)
{
    struct sigaction action = {.sa_sigaction = on_undefined, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
}
