/* SPDX-License-Identifier: MIT */
/* Finding a guest's instruction bytes through its own page tables, in every paging mode. */
#include "fake_hvm.h"
#include "unit.h"
#include "x86/asm.h"
#include "x86/guest_walk.h"

#include <string.h>

#define RAM_BYTES 0x40000u

static uint8_t ram[RAM_BYTES];
static struct partition partition;
static struct vcpu vcpu;

int partition_read(const struct partition *p, gpa_t from, void *to, size_t bytes)
{
    (void)p;
    if (from.v > RAM_BYTES || bytes > RAM_BYTES - from.v)
        return -MULLION_E_BAD_ADDRESS;
    memcpy(to, ram + from.v, bytes);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    fake_hvm_reset();
    memset(ram, 0, sizeof(ram));
    memset(&vcpu, 0, sizeof(vcpu));
    vcpu.partition = &partition;
    return 0;
}

static void put(uint64_t at, const char *bytes, size_t count)
{
    memcpy(ram + at, bytes, count);
}

#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static void put64(uint64_t at, uint64_t value)
{
    memcpy(ram + at, &value, 8);
}

static void put32(uint64_t at, uint32_t value)
{
    memcpy(ram + at, &value, 4);
}

static void expect(enum insn_kind kind)
{
    struct insn insn;
    uint64_t linear;
    assert_int_equal(guest_decode(&vcpu, &insn, &linear), 0);
    assert_int_equal(insn.kind, kind);
}

static void expect_error(int error, uint64_t at)
{
    struct insn insn;
    uint64_t linear;
    assert_int_equal(guest_decode(&vcpu, &insn, &linear), error);
    assert_true(linear == at);
}

static void long_mode_on(uint64_t rip)
{
    fake_hvm.registers[HVM_CR0] = CR0_PG;
    fake_hvm.registers[HVM_CR4] = CR4_PAE;
    fake_hvm.registers[HVM_EFER] = EFER_LMA;
    fake_hvm.registers[HVM_CR3] = 0x10000;
    fake_hvm.registers[HVM_RIP] = rip;
    fake_hvm.code = (struct hvm_code){.long_mode = true};
}

static void real_mode_adds_the_segment_base(void **state)
{
    (void)state;
    fake_hvm.registers[HVM_CS_BASE] = 0x20000;
    fake_hvm.registers[HVM_RIP] = 0x34;
    PUT(0x20034, "\x0f\xa2");
    expect(INSN_CPUID);
}

static void outside_long_mode_addresses_wrap_at_4_gib(void **state)
{
    (void)state;
    fake_hvm.registers[HVM_CS_BASE] = 0xfffff000;
    fake_hvm.registers[HVM_RIP] = 0x1234;
    PUT(0x234, "\xf4");
    expect(INSN_HLT);
}

static void the_code_segment_decides_the_mode(void **state)
{
    (void)state;
    PUT(0, "\x66\x0f\xa2"); /* 66 makes no difference to the length here */
    expect(INSN_CPUID);
    PUT(0, "\xc7\x06\x00\x00\x34\x12\x90\x90"); /* 16 bits: mov $imm16, disp16 */
    struct insn insn;
    uint64_t linear;
    assert_int_equal(guest_decode(&vcpu, &insn, &linear), 0);
    assert_int_equal(insn.length, 6);
    fake_hvm.code.big = true;
    assert_int_equal(guest_decode(&vcpu, &insn, &linear), 0);
    assert_int_equal(insn.length, 6); /* 32 bits: mov $imm32, (%esi) */
    assert_int_equal(insn.access_bytes, 4);
}

static void four_level_paging_is_walked(void **state)
{
    (void)state;
    long_mode_on(0xffff800000201ffe);
    put64(0x10000 + 256 * 8, 0x11003);
    put64(0x11000, 0x12003);
    put64(0x12000 + 1 * 8, 0x13003);
    put64(0x13000 + 1 * 8, 0x20003);
    put64(0x13000 + 2 * 8, 0x8000000000030003); /* NX does not matter to the walk */
    PUT(0x20ffe, "\xf3\x0f");
    PUT(0x30000, "\x09");
    expect(INSN_WBINVD);
}

static void large_pages_end_the_walk(void **state)
{
    (void)state;
    long_mode_on(0x5034);
    put64(0x10000, 0x11003);
    put64(0x11000, 0x83); /* 1 GiB at 0 */
    PUT(0x5034, "\xf4");
    expect(INSN_HLT);
    put64(0x11000, 0x12003);
    put64(0x12000, 0x1083); /* 2 MiB at 0; bit 12 is PAT */
    expect(INSN_HLT);
}

static void pae_paging_has_four_directories(void **state)
{
    (void)state;
    fake_hvm.registers[HVM_CR0] = CR0_PG;
    fake_hvm.registers[HVM_CR4] = CR4_PAE;
    fake_hvm.registers[HVM_CR3] = 0x10020;
    fake_hvm.registers[HVM_RIP] = 0xc0003010;
    fake_hvm.code.big = true;
    put64(0x10020 + 3 * 8, 0x12001);
    put64(0x12000, 0x13003);
    put64(0x13000 + 3 * 8, 0x21003);
    PUT(0x21010, "\x0f\x32");
    expect(INSN_RDMSR);
}

static void legacy_paging_with_and_without_large_pages(void **state)
{
    (void)state;
    fake_hvm.registers[HVM_CR0] = CR0_PG;
    fake_hvm.registers[HVM_CR3] = 0x10000;
    fake_hvm.registers[HVM_RIP] = 0xc0003010;
    fake_hvm.code.big = true;
    put32(0x10000 + 768 * 4, 0x12003);
    put32(0x12000 + 3 * 4, 0x21003);
    PUT(0x21010, "\x0f\x30");
    expect(INSN_WRMSR);
    fake_hvm.registers[HVM_CR4] = CR4_PSE;
    put32(0x10000 + 768 * 4, 0x83);
    PUT(0x3010, "\xf4");
    expect(INSN_HLT);
}

static void an_unmapped_page_is_told(void **state)
{
    (void)state;
    long_mode_on(0x400000);
    expect_error(-MULLION_E_BAD_ADDRESS, 0x400000);
    put64(0x10000, 0x000ffffffff00003); /* a table outside RAM */
    expect_error(-MULLION_E_BAD_ADDRESS, 0x400000);
}

static void an_instruction_that_ends_before_the_unmapped_page_is_decoded(void **state)
{
    (void)state;
    long_mode_on(0x5fff);
    put64(0x10000, 0x11003);
    put64(0x11000, 0x12003);
    put64(0x12000, 0x13003);
    put64(0x13000 + 5 * 8, 0x20003);
    PUT(0x20fff, "\xf4");
    expect(INSN_HLT);
    PUT(0x20fff, "\x0f");
    expect_error(-MULLION_E_RANGE, 0x5fff);
}

static void tables_that_point_to_themselves_end(void **state)
{
    (void)state;
    long_mode_on(0);
    put64(0x10000, 0x10003);
    PUT(0x10000 + 8, "\xf4");
    expect_error(-MULLION_E_RANGE, 0);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(real_mode_adds_the_segment_base),
        TEST(outside_long_mode_addresses_wrap_at_4_gib),
        TEST(the_code_segment_decides_the_mode),
        TEST(four_level_paging_is_walked),
        TEST(large_pages_end_the_walk),
        TEST(pae_paging_has_four_directories),
        TEST(legacy_paging_with_and_without_large_pages),
        TEST(an_unmapped_page_is_told),
        TEST(an_instruction_that_ends_before_the_unmapped_page_is_decoded),
        TEST(tables_that_point_to_themselves_end),
    };
    return cmocka_run_group_tests_name("guest walk", tests, NULL, NULL);
}
