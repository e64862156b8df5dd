/* SPDX-License-Identifier: MIT */
/* Instruction lengths, against the assembler's own. */
#include "unit.h"
#include "x86/insn.h"

#include <stdio.h>
#include <string.h>

/* A row of insn_cases.S. */
struct insn_case {
    const uint8_t *code;
    const char *kind;
    const char *text;
    uint8_t length;
    uint8_t mode;
};

extern const struct insn_case insn_cases[];
extern const size_t insn_case_count;

_Static_assert(sizeof(struct insn_case) == 32, "as insn_cases.S lays it out");

static const char *const kind_names[] = {
    [INSN_UNKNOWN] = "INSN_UNKNOWN",   [INSN_CPUID] = "INSN_CPUID",   [INSN_HLT] = "INSN_HLT",
    [INSN_RDMSR] = "INSN_RDMSR",       [INSN_WRMSR] = "INSN_WRMSR",   [INSN_MOV_TO_CR] = "INSN_MOV_TO_CR",
    [INSN_XSETBV] = "INSN_XSETBV",     [INSN_INVD] = "INSN_INVD",     [INSN_WBINVD] = "INSN_WBINVD",
    [INSN_VMMCALL] = "INSN_VMMCALL",   [INSN_VMCALL] = "INSN_VMCALL", [INSN_MOV_STORE] = "INSN_MOV_STORE",
    [INSN_MOV_LOAD] = "INSN_MOV_LOAD",
};

/* 0 if kind and length are the assembler's; else says what differs. */
static int check_case(const struct insn_case *c)
{
    struct insn insn;
    int result = insn_decode(c->code, c->length, (enum insn_mode)c->mode, &insn);
    bool known = strcmp(c->kind, "INSN_UNKNOWN") != 0;
    unsigned length = known ? c->length : 0;
    if ((result == 0) == known && strcmp(kind_names[insn.kind], c->kind) == 0 && insn.length == length)
        return 0;
    print_error("mode %u: %s: want %s %u, got %s %u\n", c->mode, c->text, c->kind, length,
                kind_names[insn.kind], insn.length);
    return 1;
}

static void every_length_and_kind_is_the_assemblers(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < insn_case_count; i++)
        wrong += check_case(&insn_cases[i]);
    print_message("%zu instructions compared\n", insn_case_count);
    assert_int_equal(wrong, 0);
    assert_true(insn_case_count > 1500);
}

static void every_kind_and_mode_has_a_case(void **state)
{
    (void)state;
    unsigned seen[ARRAY_COUNT(kind_names)] = {0};
    for (size_t i = 0; i < insn_case_count; i++) {
        for (size_t kind = 0; kind < ARRAY_COUNT(kind_names); kind++) {
            if (strcmp(insn_cases[i].kind, kind_names[kind]) == 0)
                seen[kind] |= 1u << insn_cases[i].mode;
        }
    }
    for (size_t kind = 0; kind < ARRAY_COUNT(kind_names); kind++)
        assert_int_equal(seen[kind], 7);
}

/* Copies to an exact heap block, so that the address sanitizer sees a read past the end. */
static void a_truncated_instruction_is_unknown_and_never_read_past(void **state)
{
    (void)state;
    for (size_t i = 0; i < insn_case_count; i++) {
        const struct insn_case *c = &insn_cases[i];
        if (strcmp(c->kind, "INSN_UNKNOWN") == 0)
            continue;
        for (size_t count = 0; count < c->length; count++) {
            uint8_t *bytes = test_malloc(count + 1);
            memcpy(bytes + 1, c->code, count);
            struct insn insn;
            assert_true(insn_decode(bytes + 1, count, (enum insn_mode)c->mode, &insn) < 0);
            assert_int_equal(insn.kind, INSN_UNKNOWN);
            assert_int_equal(insn.length, 0);
            test_free(bytes);
        }
    }
}

static void bytes_behind_the_instruction_do_not_matter(void **state)
{
    (void)state;
    for (size_t i = 0; i < insn_case_count; i++) {
        const struct insn_case *c = &insn_cases[i];
        uint8_t bytes[INSN_MAX_BYTES + 17];
        memset(bytes, 0xff, sizeof(bytes));
        memcpy(bytes, c->code, c->length);
        struct insn insn;
        (void)insn_decode(bytes, sizeof(bytes), (enum insn_mode)c->mode, &insn);
        assert_int_equal(insn.length, strcmp(c->kind, "INSN_UNKNOWN") ? c->length : 0);
    }
}

static struct insn decode(enum insn_mode mode, const char *bytes, size_t count)
{
    struct insn insn;
    assert_int_equal(insn_decode((const uint8_t *)bytes, count, mode, &insn), 0);
    return insn;
}

#define DECODE(mode, literal) decode(mode, literal, sizeof(literal) - 1)

static void mov_cr_names_both_registers(void **state)
{
    (void)state;
    struct insn insn = DECODE(INSN_MODE_64, "\x41\x0f\x22\xdf"); /* mov %r15, %cr3 */
    assert_int_equal(insn.gpr, 15);
    assert_int_equal(insn.control, 3);
    insn = DECODE(INSN_MODE_64, "\x44\x0f\x22\xc6"); /* mov %rsi, %cr8 */
    assert_int_equal(insn.gpr, 6);
    assert_int_equal(insn.control, 8);
}

static void lock_mov_cr0_is_cr8(void **state)
{
    (void)state;
    for (enum insn_mode mode = INSN_MODE_16; mode <= INSN_MODE_64; mode++) {
        assert_int_equal(DECODE(mode, "\xf0\x0f\x22\xc2").control, 8);
        assert_int_equal(DECODE(mode, "\x0f\x22\xc2").control, 0);
    }
}

static void mov_store_tells_register_and_size(void **state)
{
    (void)state;
    struct insn insn = DECODE(INSN_MODE_64, "\x4c\x89\x08"); /* mov %r9, (%rax) */
    assert_int_equal(insn.gpr, 9);
    assert_int_equal(insn.access_bytes, 8);
    assert_false(insn.has_immediate);
    insn = DECODE(INSN_MODE_64, "\x66\x89\x18"); /* mov %bx, (%rax) */
    assert_int_equal(insn.gpr, 3);
    assert_int_equal(insn.access_bytes, 2);
    insn = DECODE(INSN_MODE_16, "\x89\x07"); /* mov %ax, (%bx) */
    assert_int_equal(insn.access_bytes, 2);
    insn = DECODE(INSN_MODE_16, "\x66\x89\x07");
    assert_int_equal(insn.access_bytes, 4);
}

static void byte_registers_are_high_only_without_rex(void **state)
{
    (void)state;
    struct insn insn = DECODE(INSN_MODE_64, "\x88\x30"); /* mov %dh, (%rax) */
    assert_true(insn.high_byte);
    assert_int_equal(insn.gpr, 2);
    insn = DECODE(INSN_MODE_64, "\x40\x88\x30"); /* mov %sil, (%rax) */
    assert_false(insn.high_byte);
    assert_int_equal(insn.gpr, 6);
    insn = DECODE(INSN_MODE_64, "\x8a\x20"); /* mov (%rax), %ah */
    assert_true(insn.high_byte);
    assert_int_equal(insn.gpr, 0);
    insn = DECODE(INSN_MODE_64, "\x0f\xb6\x20"); /* movzbl (%rax), %esp: the register is no byte register */
    assert_false(insn.high_byte);
    assert_int_equal(insn.gpr, 4);
}

static void immediates_are_sign_extended(void **state)
{
    (void)state;
    struct insn insn = DECODE(INSN_MODE_64, "\x48\xc7\x00\xfe\xff\xff\xff"); /* movq $-2, (%rax) */
    assert_true(insn.has_immediate);
    assert_int_equal(insn.access_bytes, 8);
    assert_true(insn.immediate == (uint64_t)-2);
    insn = DECODE(INSN_MODE_32, "\xc7\x05\x78\x56\x34\x12\xef\xcd\xab\x89");
    assert_int_equal(insn.access_bytes, 4);
    assert_int_equal((uint32_t)insn.immediate, 0x89abcdef);
    insn = DECODE(INSN_MODE_32, "\x66\xc7\x00\x34\x12");
    assert_int_equal(insn.access_bytes, 2);
    assert_int_equal(insn.immediate, 0x1234);
    insn = DECODE(INSN_MODE_32, "\xc6\x00\x80");
    assert_int_equal(insn.access_bytes, 1);
    assert_true(insn.immediate == (uint64_t)-128);
}

static void loads_tell_how_to_fill_the_register(void **state)
{
    (void)state;
    struct insn insn = DECODE(INSN_MODE_64, "\x4c\x0f\xbe\x08"); /* movsbq (%rax), %r9 */
    assert_int_equal(insn.gpr, 9);
    assert_int_equal(insn.access_bytes, 1);
    assert_int_equal(insn.register_bytes, 8);
    assert_true(insn.sign_extend);
    insn = DECODE(INSN_MODE_64, "\x0f\xb7\x08"); /* movzwl (%rax), %ecx */
    assert_int_equal(insn.access_bytes, 2);
    assert_int_equal(insn.register_bytes, 4);
    assert_false(insn.sign_extend);
    insn = DECODE(INSN_MODE_64, "\x48\x63\x08"); /* movslq (%rax), %rcx */
    assert_int_equal(insn.access_bytes, 4);
    assert_int_equal(insn.register_bytes, 8);
    assert_true(insn.sign_extend);
    insn = DECODE(INSN_MODE_64, "\x8b\x08"); /* mov (%rax), %ecx */
    assert_int_equal(insn.access_bytes, 4);
    assert_int_equal(insn.register_bytes, 4);
}

static void absolute_forms_use_rax(void **state)
{
    (void)state;
    struct insn insn = DECODE(INSN_MODE_32, "\xa1\x00\x00\xc0\xfe");
    assert_int_equal(insn.kind, INSN_MOV_LOAD);
    assert_int_equal(insn.gpr, 0);
    assert_int_equal(insn.access_bytes, 4);
    insn = DECODE(INSN_MODE_32, "\xa2\x00\x00\xc0\xfe");
    assert_int_equal(insn.kind, INSN_MOV_STORE);
    assert_int_equal(insn.access_bytes, 1);
    assert_false(insn.high_byte);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_and_kind_is_the_assemblers),
        cmocka_unit_test(every_kind_and_mode_has_a_case),
        cmocka_unit_test(a_truncated_instruction_is_unknown_and_never_read_past),
        cmocka_unit_test(bytes_behind_the_instruction_do_not_matter),
        cmocka_unit_test(mov_cr_names_both_registers),
        cmocka_unit_test(lock_mov_cr0_is_cr8),
        cmocka_unit_test(mov_store_tells_register_and_size),
        cmocka_unit_test(byte_registers_are_high_only_without_rex),
        cmocka_unit_test(immediates_are_sign_extended),
        cmocka_unit_test(loads_tell_how_to_fill_the_register),
        cmocka_unit_test(absolute_forms_use_rax),
    };
    return cmocka_run_group_tests_name("insn", tests, NULL, NULL);
}
