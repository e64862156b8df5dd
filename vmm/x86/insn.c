/* SPDX-License-Identifier: MIT */
/* Instruction lengths: see insn.h. */
#include "x86/insn.h"

/*
 * What follows the opcode.
 *   PLAIN    nothing
 *   OPCODE   a ModRM byte that is a third opcode byte
 *   CONTROL  a ModRM byte that names two registers whatever its mod field says (MOV CR)
 *   MEMORY   ModRM with memory only
 *   MOFFS    an absolute address of address size
 */
enum form { FORM_PLAIN, FORM_OPCODE, FORM_CONTROL, FORM_MEMORY, FORM_MOFFS };

/*
 * IMMEDIATE  MOV of an immediate: of operand size, at most 4 bytes
 * EXTEND     the register is wider than the memory operand; SIGN: and takes its sign
 * ONLY_64    another instruction outside 64-bit mode
 */
enum flag { FLAG_IMMEDIATE = 1, FLAG_EXTEND = 2, FLAG_SIGN = 4, FLAG_ONLY_64 = 8 };
enum { REX_B = 1, REX_R = 4, REX_W = 8, MOVSXD = 0x63 };

/* One row of the opcode table: the first and last opcode, from 0x0f00 on in the two-byte map; ModRM must match under
 * `modrm_mask`. */
struct rule {
    uint16_t first, last;
    uint8_t modrm_mask, modrm, form, flags;
    enum insn_kind kind;
};

static const struct rule rules[] = {
    {0xf4, 0xf4, 0, 0, FORM_PLAIN, 0, INSN_HLT},
    {0x0f08, 0x0f08, 0, 0, FORM_PLAIN, 0, INSN_INVD},
    {0x0f09, 0x0f09, 0, 0, FORM_PLAIN, 0, INSN_WBINVD},
    {0x0f30, 0x0f30, 0, 0, FORM_PLAIN, 0, INSN_WRMSR},
    {0x0f32, 0x0f32, 0, 0, FORM_PLAIN, 0, INSN_RDMSR},
    {0x0fa2, 0x0fa2, 0, 0, FORM_PLAIN, 0, INSN_CPUID},
    {0x0f22, 0x0f22, 0, 0, FORM_CONTROL, 0, INSN_MOV_TO_CR},
    {0x0f01, 0x0f01, 0xff, 0xc1, FORM_OPCODE, 0, INSN_VMCALL},
    {0x0f01, 0x0f01, 0xff, 0xd1, FORM_OPCODE, 0, INSN_XSETBV},
    {0x0f01, 0x0f01, 0xff, 0xd9, FORM_OPCODE, 0, INSN_VMMCALL},
    {0x88, 0x89, 0, 0, FORM_MEMORY, 0, INSN_MOV_STORE},
    {0x8a, 0x8b, 0, 0, FORM_MEMORY, 0, INSN_MOV_LOAD},
    {0xa0, 0xa1, 0, 0, FORM_MOFFS, 0, INSN_MOV_LOAD},
    {0xa2, 0xa3, 0, 0, FORM_MOFFS, 0, INSN_MOV_STORE},
    {0xc6, 0xc7, 0x38, 0, FORM_MEMORY, FLAG_IMMEDIATE, INSN_MOV_STORE},
    {MOVSXD, MOVSXD, 0, 0, FORM_MEMORY, FLAG_EXTEND | FLAG_SIGN | FLAG_ONLY_64, INSN_MOV_LOAD},
    {0x0fb6, 0x0fb7, 0, 0, FORM_MEMORY, FLAG_EXTEND, INSN_MOV_LOAD},
    {0x0fbe, 0x0fbf, 0, 0, FORM_MEMORY, FLAG_EXTEND | FLAG_SIGN, INSN_MOV_LOAD},
};

/* The bytes being read and what has been learnt from them. Past the end zeros are read; in the end `at` tells. */
struct cursor {
    const uint8_t *bytes;
    size_t count, at;
    enum insn_mode mode;
    bool operand_prefix, address_prefix, lock;
    uint8_t rex, modrm;
    uint16_t opcode;
};

static uint8_t peek(const struct cursor *c) { return c->at < c->count ? c->bytes[c->at] : 0; }

static uint8_t take(struct cursor *c) {
    uint8_t byte = peek(c);
    c->at++;
    return byte;
}

/* Little-endian, sign-extended from `bytes` (1, 2 or 4). */
static uint64_t take_signed(struct cursor *c, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)take(c) << (8 * i);
    uint64_t sign = 1ull << (8 * bytes - 1);
    return (value ^ sign) - sign;
}

static bool note_legacy_prefix(struct cursor *c, uint8_t byte) {
    bool segment = (byte & 0xe7) == 0x26 || byte == 0x64 || byte == 0x65; /* 26 2E 36 3E, 64 65 */
    c->operand_prefix |= byte == 0x66;
    c->address_prefix |= byte == 0x67;
    c->lock |= byte == 0xf0;
    return segment || byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3;
}

/* A REX prefix counts only if it stands last: any prefix behind it cancels it. */
static void take_prefixes(struct cursor *c) {
    for (;; c->at++) {
        uint8_t byte = peek(c);
        bool rex = c->mode == INSN_MODE_64 && (byte & 0xf0) == 0x40;
        if (!rex && !note_legacy_prefix(c, byte)) return;
        c->rex = rex ? byte : 0;
    }
}

static uint8_t operand_bytes(const struct cursor *c) {
    if (c->rex & REX_W) return 8;
    return (c->mode == INSN_MODE_16) == c->operand_prefix ? 4 : 2;
}

static unsigned address_bytes(const struct cursor *c) {
    if (c->mode == INSN_MODE_64) return c->address_prefix ? 4 : 8;
    return (c->mode == INSN_MODE_16) == c->address_prefix ? 4 : 2;
}

static bool rule_matches(const struct rule *rule, const struct cursor *c) {
    if (c->opcode < rule->first || c->opcode > rule->last) return false;
    if ((rule->flags & FLAG_ONLY_64) && c->mode != INSN_MODE_64) return false;
    if (rule->form == FORM_MEMORY && peek(c) >= 0xc0) return false;
    return (peek(c) & rule->modrm_mask) == rule->modrm;
}

static const struct rule *find_rule(const struct cursor *c) {
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (rule_matches(&rules[i], c)) return &rules[i];
    }
    return NULL;
}

/* Skips SIB and displacement. REX.B does not change which encodings have them. */
static void skip_memory_operand(struct cursor *c) {
    uint8_t mod = c->modrm >> 6, base = c->modrm & 7;
    bool narrow = address_bytes(c) == 2;
    if (!narrow && base == 4) base = take(c) & 7;
    if (mod == 1)
        c->at += 1;
    else if (mod == 2 || base == (narrow ? 6 : 5))
        c->at += narrow ? 2 : 4;
}

static uint8_t modrm_reg(const struct cursor *c) { return (uint8_t)(((c->modrm >> 3) & 7) | (c->rex & REX_R ? 8 : 0)); }

/* Bit 0 of every MOV opcode tells byte (0) from operand size (1); of the extending forms, byte from word. */
static void fill_sizes(const struct cursor *c, const struct rule *rule, struct insn *insn) {
    uint8_t operand = operand_bytes(c);
    if (!(rule->flags & FLAG_EXTEND)) {
        insn->access_bytes = insn->register_bytes = c->opcode & 1 ? operand : 1;
        return;
    }
    insn->register_bytes = operand;
    insn->sign_extend = rule->flags & FLAG_SIGN;
    if (c->opcode == MOVSXD)
        insn->access_bytes = operand < 4 ? operand : 4;
    else
        insn->access_bytes = c->opcode & 1 ? 2 : 1;
}

/* Without REX, byte registers 4..7 are AH, CH, DH, BH. */
static void take_mov(struct cursor *c, const struct rule *rule, struct insn *insn) {
    fill_sizes(c, rule, insn);
    if (rule->form == FORM_MOFFS) {
        c->at += address_bytes(c);
        return;
    }
    skip_memory_operand(c);
    insn->has_immediate = rule->flags & FLAG_IMMEDIATE;
    if (insn->has_immediate) {
        insn->immediate = take_signed(c, insn->access_bytes < 4 ? insn->access_bytes : 4);
        return;
    }
    insn->gpr = modrm_reg(c);
    insn->high_byte = insn->register_bytes == 1 && !c->rex && insn->gpr >= 4;
    if (insn->high_byte) insn->gpr &= 3;
}

/* AMD: LOCK before MOV CR0 names CR8 outside 64-bit mode too (APM volume 3, MOV CRn). */
static void take_operands(struct cursor *c, const struct rule *rule, struct insn *insn) {
    if (rule->form != FORM_PLAIN && rule->form != FORM_MOFFS) c->modrm = take(c);
    if (rule->form == FORM_CONTROL) {
        insn->control = (uint8_t)(modrm_reg(c) | (c->lock ? 8 : 0));
        insn->gpr = (uint8_t)((c->modrm & 7) | (c->rex & REX_B ? 8 : 0));
    }
    if (rule->kind == INSN_MOV_STORE || rule->kind == INSN_MOV_LOAD) take_mov(c, rule, insn);
}

int insn_decode(const uint8_t *bytes, size_t count, enum insn_mode mode, struct insn *insn) {
    struct cursor c = {.bytes = bytes, .count = count < INSN_MAX_BYTES ? count : INSN_MAX_BYTES, .mode = mode};
    *insn = (struct insn){.kind = INSN_UNKNOWN};
    take_prefixes(&c);
    c.opcode = take(&c);
    if (c.opcode == 0x0f) c.opcode = (uint16_t)(0x0f00 | take(&c));
    const struct rule *rule = find_rule(&c);
    if (!rule) return -1;
    struct insn found = {.kind = rule->kind};
    take_operands(&c, rule, &found);
    if (c.at > c.count) return -1;
    found.length = (uint8_t)c.at;
    *insn = found;
    return 0;
}
