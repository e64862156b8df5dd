/* SPDX-License-Identifier: MIT */
/*
 * Instruction lengths, and the few memory forms of MOV that reach emulated devices.
 * Source: AMD64 APM volume 3, chapter 1 (encoding) and the opcode maps of appendix A.
 */
#pragma once

#include "core/types.h"

#define INSN_MAX_BYTES 15

/** How the CPU decodes: from CS.L, CS.D and CR0.PE/EFLAGS.VM. 16: real mode, virtual-8086 or 16-bit code segment. */
enum insn_mode { INSN_MODE_16, INSN_MODE_32, INSN_MODE_64 };

/**
 * What kind of instruction was found. INSN_UNKNOWN: not one that the VMM skips or emulates; length is 0.
 *   MOV_TO_CR  0F 22: gpr = source register, control = CR number (the LOCK MOV CR0 form means CR8)
 *   WBINVD     and WBNOINVD
 *   MOV_STORE  MOV mem, reg or imm: 88 89 C6 C7 A2 A3
 *   MOV_LOAD   MOV reg, mem: 8A 8B A0 A1; MOVZX 0F B6/B7, MOVSX 0F BE/BF, MOVSXD 63
 */
// clang-format off
enum insn_kind {
    INSN_UNKNOWN, INSN_CPUID, INSN_HLT, INSN_RDMSR, INSN_WRMSR, INSN_MOV_TO_CR, INSN_XSETBV, INSN_INVD, INSN_WBINVD,
    INSN_VMMCALL, INSN_VMCALL, INSN_MOV_STORE, INSN_MOV_LOAD
};
// clang-format on

/** A decoded instruction. */
struct insn {
    enum insn_kind kind;
    uint8_t length, control;              /* bytes, 1..15, 0 if INSN_UNKNOWN; CR number of MOV CR */
    uint8_t gpr;                          /* register operand 0..15 in RAX RCX RDX RBX RSP RBP RSI RDI R8.. order */
    uint8_t access_bytes, register_bytes; /* INSN_MOV_: size in memory, 1, 2, 4 or 8; of the register loaded */
    bool sign_extend;                     /* INSN_MOV_LOAD: MOVSX, MOVSXD */
    bool high_byte;                       /* the byte register is AH, CH, DH or BH (gpr already names RAX..RBX) */
    bool has_immediate;                   /* INSN_MOV_STORE stores `immediate` instead of gpr */
    uint64_t immediate;                   /* sign-extended to the access size */
};

/**
 * Decodes one instruction from `bytes[0..count)`.
 * Returns 0 and fills *insn; a negative value if the instruction is not known, or not complete in `count`
 * bytes (then insn->kind is INSN_UNKNOWN and insn->length is 0).
 */
int insn_decode(const uint8_t *bytes, size_t count, enum insn_mode mode, struct insn *insn);
