/* SPDX-License-Identifier: MIT */
/* Instruction lengths: see insn.h. */
#include "x86/insn.h"

enum opcode_map {
    MAP_ONE,
    MAP_0F,
    MAP_0F38,
};

/* What follows the opcode. */
enum form {
    FORM_PLAIN,   /* nothing */
    FORM_IMM8,    /* one byte */
    FORM_OPCODE,  /* a ModRM byte that is a third opcode byte */
    FORM_CONTROL, /* a ModRM byte that names two registers whatever its mod field says (MOV CR, MOV DR) */
    FORM_MODRM,   /* ModRM with register or memory */
    FORM_MEMORY,  /* ModRM with memory only */
    FORM_MOFFS,   /* an absolute address of address size */
};

enum flag {
    FLAG_IMMEDIATE = 1, /* MOV of an immediate: of operand size, at most 4 bytes */
    FLAG_EXTEND = 2,    /* the register is wider than the memory operand */
    FLAG_SIGN = 4,
    FLAG_ONLY_64 = 8, /* another instruction outside 64-bit mode */
};

#define ANY  0xff
#define NONE 0x00

/* One row of the opcode table: `prefix` is the mandatory prefix, ModRM must match under `modrm_mask`, the
 * first matching row counts. */
struct rule {
    uint8_t map;
    uint8_t first, last; /* opcodes */
    uint8_t prefix;
    uint8_t modrm_mask, modrm;
    uint8_t form;
    uint8_t flags;
    enum insn_kind kind;
};

static const struct rule rules[] = {
    {MAP_ONE, 0x6c, 0x6f, ANY, 0, 0, FORM_PLAIN, 0, INSN_IO},
    {MAP_ONE, 0xe4, 0xe7, ANY, 0, 0, FORM_IMM8, 0, INSN_IO},
    {MAP_ONE, 0xec, 0xef, ANY, 0, 0, FORM_PLAIN, 0, INSN_IO},
    {MAP_ONE, 0xf4, 0xf4, ANY, 0, 0, FORM_PLAIN, 0, INSN_HLT},
    {MAP_ONE, 0x90, 0x90, 0xf3, 0, 0, FORM_PLAIN, 0, INSN_PAUSE},
    {MAP_0F, 0x06, 0x06, ANY, 0, 0, FORM_PLAIN, 0, INSN_CLTS},
    {MAP_0F, 0x08, 0x08, ANY, 0, 0, FORM_PLAIN, 0, INSN_INVD},
    {MAP_0F, 0x09, 0x09, ANY, 0, 0, FORM_PLAIN, 0, INSN_WBINVD},
    {MAP_0F, 0x30, 0x30, ANY, 0, 0, FORM_PLAIN, 0, INSN_WRMSR},
    {MAP_0F, 0x31, 0x31, ANY, 0, 0, FORM_PLAIN, 0, INSN_RDTSC},
    {MAP_0F, 0x32, 0x32, ANY, 0, 0, FORM_PLAIN, 0, INSN_RDMSR},
    {MAP_0F, 0x33, 0x33, ANY, 0, 0, FORM_PLAIN, 0, INSN_RDPMC},
    {MAP_0F, 0xa2, 0xa2, ANY, 0, 0, FORM_PLAIN, 0, INSN_CPUID},
    {MAP_0F, 0x20, 0x20, ANY, 0, 0, FORM_CONTROL, 0, INSN_MOV_FROM_CR},
    {MAP_0F, 0x22, 0x22, ANY, 0, 0, FORM_CONTROL, 0, INSN_MOV_TO_CR},
    {MAP_0F, 0x21, 0x21, ANY, 0, 0, FORM_CONTROL, 0, INSN_MOV_DR},
    {MAP_0F, 0x23, 0x23, ANY, 0, 0, FORM_CONTROL, 0, INSN_MOV_DR},
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xc1, FORM_OPCODE, 0, INSN_VMCALL},
    {MAP_0F, 0x01, 0x01, ANY, 0xfe, 0xc2, FORM_OPCODE, 0, INSN_VIRT}, /* VMLAUNCH, VMRESUME */
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xc4, FORM_OPCODE, 0, INSN_VIRT}, /* VMXOFF */
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xc8, FORM_OPCODE, 0, INSN_MONITOR},
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xc9, FORM_OPCODE, 0, INSN_MWAIT},
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xd1, FORM_OPCODE, 0, INSN_XSETBV},
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xd4, FORM_OPCODE, 0, INSN_VIRT}, /* VMFUNC */
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xd9, FORM_OPCODE, 0, INSN_VMMCALL},
    /* VMRUN, VMLOAD, VMSAVE, STGI, CLGI, SKINIT, INVLPGA: all around VMMCALL */
    {MAP_0F, 0x01, 0x01, ANY, 0xf8, 0xd8, FORM_OPCODE, 0, INSN_VIRT},
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xf9, FORM_OPCODE, 0, INSN_RDTSCP},
    {MAP_0F, 0x01, 0x01, NONE, 0xff, 0xfa, FORM_OPCODE, 0, INSN_MONITOR}, /* MONITORX; F3 makes it MCOMMIT */
    {MAP_0F, 0x01, 0x01, ANY, 0xff, 0xfb, FORM_OPCODE, 0, INSN_MWAIT},    /* MWAITX */
    {MAP_0F, 0x01, 0x01, ANY, 0x38, 6 << 3, FORM_MODRM, 0, INSN_LMSW},
    {MAP_0F, 0x01, 0x01, ANY, 0x38, 7 << 3, FORM_MEMORY, 0, INSN_INVLPG},
    {MAP_0F, 0xc7, 0xc7, NONE, 0x38, 6 << 3, FORM_MEMORY, 0, INSN_VIRT}, /* VMPTRLD */
    {MAP_0F, 0xc7, 0xc7, 0x66, 0x38, 6 << 3, FORM_MEMORY, 0, INSN_VIRT}, /* VMCLEAR */
    {MAP_0F, 0xc7, 0xc7, 0xf3, 0x38, 6 << 3, FORM_MEMORY, 0, INSN_VIRT}, /* VMXON */
    {MAP_0F, 0xc7, 0xc7, NONE, 0x38, 7 << 3, FORM_MEMORY, 0, INSN_VIRT}, /* VMPTRST */
    {MAP_0F, 0x78, 0x79, NONE, 0, 0, FORM_MODRM, 0, INSN_VIRT},          /* VMREAD, VMWRITE */
    {MAP_0F38, 0x80, 0x81, 0x66, 0, 0, FORM_MEMORY, 0, INSN_VIRT},       /* INVEPT, INVVPID */
    {MAP_ONE, 0x88, 0x89, ANY, 0, 0, FORM_MEMORY, 0, INSN_MOV_STORE},
    {MAP_ONE, 0x8a, 0x8b, ANY, 0, 0, FORM_MEMORY, 0, INSN_MOV_LOAD},
    {MAP_ONE, 0xa0, 0xa1, ANY, 0, 0, FORM_MOFFS, 0, INSN_MOV_LOAD},
    {MAP_ONE, 0xa2, 0xa3, ANY, 0, 0, FORM_MOFFS, 0, INSN_MOV_STORE},
    {MAP_ONE, 0xc6, 0xc7, ANY, 0x38, 0, FORM_MEMORY, FLAG_IMMEDIATE, INSN_MOV_STORE},
    {MAP_ONE, 0x63, 0x63, ANY, 0, 0, FORM_MEMORY, FLAG_EXTEND | FLAG_SIGN | FLAG_ONLY_64, INSN_MOV_LOAD},
    {MAP_0F, 0xb6, 0xb7, ANY, 0, 0, FORM_MEMORY, FLAG_EXTEND, INSN_MOV_LOAD},
    {MAP_0F, 0xbe, 0xbf, ANY, 0, 0, FORM_MEMORY, FLAG_EXTEND | FLAG_SIGN, INSN_MOV_LOAD},
};

#define REX_W 8
#define REX_R 4
#define REX_B 1

/* The bytes being read and what has been learnt from them. `ended` is set by a read past the end. */
struct cursor {
    const uint8_t *bytes;
    size_t count, at;
    bool ended;
    enum insn_mode mode;
    bool operand_prefix, address_prefix, lock;
    uint8_t rep, rex;
    uint8_t map, opcode, modrm;
};

static uint8_t peek(struct cursor *c) {
    if (c->at >= c->count) {
        c->ended = true;
        return 0;
    }
    return c->bytes[c->at];
}

static uint8_t take(struct cursor *c) {
    uint8_t byte = peek(c);
    c->at++;
    return byte;
}

/* Little-endian, sign-extended from `bytes` (1, 2, 4 or 8). */
static uint64_t take_signed(struct cursor *c, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= (uint64_t)take(c) << (8 * i);
    uint64_t sign = 1ull << (8 * bytes - 1);
    return (value ^ sign) - sign;
}

static bool note_legacy_prefix(struct cursor *c, uint8_t byte) {
    bool segment = (byte & 0xe7) == 0x26 || byte == 0x64 || byte == 0x65; /* 26 2E 36 3E, 64 65 */
    bool rep = byte == 0xf2 || byte == 0xf3;
    if (rep) c->rep = byte;
    c->operand_prefix |= byte == 0x66;
    c->address_prefix |= byte == 0x67;
    c->lock |= byte == 0xf0;
    return segment || rep || byte == 0x66 || byte == 0x67 || byte == 0xf0;
}

/* A REX prefix counts only if it stands last: any prefix behind it cancels it. */
static void take_prefixes(struct cursor *c) {
    for (;;) {
        uint8_t byte = peek(c);
        if (c->ended) return;
        if (c->mode == INSN_MODE_64 && (byte & 0xf0) == 0x40)
            c->rex = byte;
        else if (note_legacy_prefix(c, byte))
            c->rex = 0;
        else
            return;
        c->at++;
    }
}

static void take_opcode(struct cursor *c) {
    c->opcode = take(c);
    if (c->opcode != 0x0f) return;
    c->map = MAP_0F;
    c->opcode = take(c);
    if (c->opcode != 0x38) return;
    c->map = MAP_0F38;
    c->opcode = take(c);
}

static unsigned operand_bytes(const struct cursor *c) {
    if (c->rex & REX_W) return 8;
    return (c->mode == INSN_MODE_16) == c->operand_prefix ? 4 : 2;
}

static unsigned address_bytes(const struct cursor *c) {
    if (c->mode == INSN_MODE_64) return c->address_prefix ? 4 : 8;
    return (c->mode == INSN_MODE_16) == c->address_prefix ? 4 : 2;
}

static uint8_t mandatory_prefix(const struct cursor *c) {
    if (c->rep) return c->rep;
    return c->operand_prefix ? 0x66 : NONE;
}

static bool rule_needs_modrm(const struct rule *rule) { return rule->form >= FORM_OPCODE && rule->form <= FORM_MEMORY; }

/* Peeks at ModRM only for a rule that has one: the byte need not exist otherwise. */
static bool rule_matches(const struct rule *rule, struct cursor *c) {
    if (rule->map != c->map || c->opcode < rule->first || c->opcode > rule->last) return false;
    if (rule->prefix != ANY && rule->prefix != mandatory_prefix(c)) return false;
    if ((rule->flags & FLAG_ONLY_64) && c->mode != INSN_MODE_64) return false;
    if (!rule_needs_modrm(rule)) return true;
    uint8_t modrm = peek(c);
    if (rule->form == FORM_MEMORY && modrm >= 0xc0) return false;
    return (modrm & rule->modrm_mask) == rule->modrm;
}

static const struct rule *find_rule(struct cursor *c) {
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (rule_matches(&rules[i], c)) return &rules[i];
    }
    return NULL;
}

/* Skips SIB and displacement. REX.B does not change which encodings have them. */
static void skip_memory_operand(struct cursor *c) {
    uint8_t mod = c->modrm >> 6;
    uint8_t base = c->modrm & 7;
    bool narrow = address_bytes(c) == 2;
    if (mod == 3) return;
    if (!narrow && base == 4) base = take(c) & 7;
    if (mod == 1)
        c->at += 1;
    else if (mod == 2 || base == (narrow ? 6 : 5))
        c->at += narrow ? 2 : 4;
}

static uint8_t modrm_reg(const struct cursor *c) { return (uint8_t)(((c->modrm >> 3) & 7) | (c->rex & REX_R ? 8 : 0)); }

static uint8_t modrm_rm(const struct cursor *c) { return (uint8_t)((c->modrm & 7) | (c->rex & REX_B ? 8 : 0)); }

static void take_operands(struct cursor *c, const struct rule *rule) {
    if (rule_needs_modrm(rule)) c->modrm = take(c);
    if (rule->form == FORM_MODRM || rule->form == FORM_MEMORY) skip_memory_operand(c);
    if (rule->form == FORM_MOFFS) c->at += address_bytes(c);
    if (rule->form == FORM_IMM8) c->at++;
}

/* Without REX, byte registers 4..7 are AH, CH, DH, BH. */
static void name_byte_register(const struct cursor *c, struct insn *insn) {
    if (c->rex || insn->gpr < 4) return;
    insn->high_byte = true;
    insn->gpr = (uint8_t)(insn->gpr - 4);
}

/* Bit 0 of every MOV opcode tells byte (0) from operand size (1); of the extending forms, byte from word. */
static void fill_mov(struct cursor *c, const struct rule *rule, struct insn *insn) {
    unsigned operand = operand_bytes(c);
    unsigned access = c->opcode & 1 ? operand : 1;
    insn->register_bytes = (uint8_t)access;
    if (rule->flags & FLAG_EXTEND) {
        access = c->opcode & 1 ? 2 : 1;
        if (c->map == MAP_ONE) /* MOVSXD */
            access = operand < 4 ? operand : 4;
        insn->register_bytes = (uint8_t)operand;
    }
    insn->access_bytes = (uint8_t)access;
    insn->sign_extend = rule->flags & FLAG_SIGN;
    if (rule->flags & FLAG_IMMEDIATE) {
        insn->has_immediate = true;
        insn->register_bytes = 0;
        insn->immediate = take_signed(c, access < 4 ? access : 4);
        return;
    }
    insn->gpr = rule->form == FORM_MOFFS ? 0 : modrm_reg(c);
    if (insn->register_bytes == 1) name_byte_register(c, insn);
}

/* AMD: LOCK before MOV CR0 names CR8 outside 64-bit mode too (APM volume 3, MOV CRn). */
static void fill_registers(struct cursor *c, const struct rule *rule, struct insn *insn) {
    if (rule->form == FORM_CONTROL) {
        insn->control = (uint8_t)(modrm_reg(c) | (c->lock ? 8 : 0));
        insn->gpr = modrm_rm(c);
    }
    if (rule->kind == INSN_LMSW && c->modrm >= 0xc0)
        insn->gpr = modrm_rm(c);
    else if (rule->kind == INSN_LMSW)
        insn->access_bytes = 2;
    if (rule->kind == INSN_MOV_STORE || rule->kind == INSN_MOV_LOAD) fill_mov(c, rule, insn);
}

int insn_decode(const uint8_t *bytes, size_t count, enum insn_mode mode, struct insn *insn) {
    struct cursor c = {
        .bytes = bytes,
        .count = count < INSN_MAX_BYTES ? count : INSN_MAX_BYTES,
        .mode = mode,
    };
    *insn = (struct insn){0};
    take_prefixes(&c);
    take_opcode(&c);
    const struct rule *rule = find_rule(&c);
    if (!rule || c.ended) return -1;
    /* F3 REX.B 90 is XCHG R8, RAX. */
    if (rule->kind == INSN_PAUSE && (c.rex & REX_B)) return -1;
    take_operands(&c, rule);
    fill_registers(&c, rule, insn);
    if (c.ended || c.at > c.count) {
        *insn = (struct insn){0};
        return -1;
    }
    insn->kind = rule->kind;
    insn->length = (uint8_t)c.at;
    return 0;
}
