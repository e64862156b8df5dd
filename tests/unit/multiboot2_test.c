/* SPDX-License-Identifier: MIT */
/* The loader's memory map: overlapping entries, and more of them than the VMM takes. The VMM's command line.
 */
#include "boot/multiboot2.h"
#include "unit.h"

#include <string.h>

#define MAX_ENTRIES 200u

/* Boot information with one tag, a memory map. */
static struct {
    uint32_t bytes, zero;
    uint32_t type, tag_bytes, entry_bytes, version;
    struct {
        uint64_t start, bytes;
        uint32_t type, zero;
    } entries[MAX_ENTRIES + 1]; /* the last holds the end tag */
} map;

static struct boot_info info;
static uint32_t entry_count;

void text_copy(char *to, const char *from, size_t bytes)
{
    strncpy(to, from, bytes - 1);
}

bool text_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void entry(uint64_t start, uint64_t end, uint32_t type)
{
    map.entries[entry_count].start = start;
    map.entries[entry_count].bytes = end - start;
    map.entries[entry_count++].type = type;
}

static void read_map(void)
{
    map.type = 6;
    map.tag_bytes = 16 + entry_count * 24;
    map.entry_bytes = 24;
    multiboot2_read((uint64_t)(uintptr_t)&map, &info);
}

static bool is_ram(uint64_t address)
{
    for (uint32_t i = 0; i < info.ram_count; i++) {
        if (address >= info.ram[i].start && address - info.ram[i].start < info.ram[i].bytes)
            return true;
    }
    return false;
}

static int fresh(void **state)
{
    (void)state;
    memset(&map, 0, sizeof(map));
    memset(&info, 0, sizeof(info));
    entry_count = 0;
    return 0;
}

static void what_another_entry_claims_is_no_ram(void **state)
{
    (void)state;
    entry(0x5000, 0x6000, 2); /* in the middle, told before the RAM */
    entry(0x1000, 0x9000, 1);
    entry(0x0000, 0x2000, 3);
    entry(0x8800, 0xa000, 4);
    entry(0x20000, 0x30000, 1);
    entry(0x1f000, 0x31000, 2); /* all of it */
    read_map();
    for (uint64_t at = 0; at < 0x40000; at += 0x800)
        assert_int_equal(is_ram(at), at >= 0x2000 && at < 0x8800 && (at < 0x5000 || at >= 0x6000));
    assert_int_equal(info.ram_dropped, 0);
}

static void sizes_past_the_end_of_addresses_are_cut(void **state)
{
    (void)state;
    entry(0x1000, 0x100000, 1);
    entry(0x80000, 0x7ffff, 2); /* 2^64 - 1 bytes */
    read_map();
    assert_true(is_ram(0x7ffff));
    assert_false(is_ram(0x80000));
    assert_false(is_ram(0xfffff));
}

static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MAX_ENTRIES; i++)
        entry(i * 0x10000ull, i * 0x10000ull + 0x8000, 1);
    read_map();
    assert_int_equal(info.ram_count, BOOT_MAX_RAM);
    assert_int_equal(info.ram_dropped, MAX_ENTRIES - BOOT_MAX_RAM);
}

static void entries_of_no_size_end_the_map(void **state)
{
    (void)state;
    entry(0x1000, 0x9000, 1);
    map.type = 6;
    map.tag_bytes = 40;
    multiboot2_read((uint64_t)(uintptr_t)&map, &info);
    assert_int_equal(info.ram_count, 0);
}

static void an_entry_that_the_tag_cuts_off_is_not_read(void **state)
{
    (void)state;
    entry(0x1000, 0x9000, 1);
    entry(0x1000, 0x9000, 0); /* its type is behind the tag: the end tag */
    map.type = 6;
    map.tag_bytes = 16 + 24 + 16;
    map.entry_bytes = 24;
    multiboot2_read((uint64_t)(uintptr_t)&map, &info);
    assert_true(is_ram(0x1000));
}

/* Boot information with many tags of one kind. */
static struct {
    uint32_t bytes, zero;
    struct {
        uint32_t type, bytes, words[10];
    } tags[BOOT_MAX_MODULES + 3];
} other;

static void modules_that_do_not_fit_are_counted(void **state)
{
    (void)state;
    memset(&other, 0, sizeof other);
    for (uint32_t i = 0; i < BOOT_MAX_MODULES + 2; i++) {
        other.tags[i].type = 3;
        other.tags[i].bytes = sizeof other.tags[i];
        other.tags[i].words[0] = i << 12;
        other.tags[i].words[1] = (i << 12) + 16;
    }
    multiboot2_read((uint64_t)(uintptr_t)&other, &info);
    assert_int_equal(info.module_count, BOOT_MAX_MODULES);
    assert_int_equal(info.modules_dropped, 2);
    assert_int_equal(info.ram_count, 0);
    assert_int_equal(info.modules[BOOT_MAX_MODULES - 1].start, (BOOT_MAX_MODULES - 1) << 12);
}

static void the_longer_rsdp_is_taken_if_it_has_a_known_size(void **state)
{
    (void)state;
    static const struct {
        uint32_t type, rsdp_bytes;
    } rows[] = {{15, 36}, {14, 40 /* none has so many */}, {14, 20 /* and nothing behind it: the end */}};
    memset(&other, 0, sizeof other);
    for (uint32_t i = 0; i < 3; i++) {
        other.tags[i].type = rows[i].type;
        other.tags[i].bytes = 8 + rows[i].rsdp_bytes;
        memset(other.tags[i].words, (int)i + 1, rows[i].rsdp_bytes);
    }
    multiboot2_read((uint64_t)(uintptr_t)&other, &info);
    assert_int_equal(info.rsdp_bytes, 36);
    assert_int_equal(info.rsdp[0], 1);
    assert_int_equal(info.rsdp[35], 1);
}

/* @return whether this command line asks for the byte link */
static bool asks_for_byte_link(const char *text)
{
    static struct {
        uint32_t bytes, zero;
        uint32_t type, tag_bytes;
        char text[32];
        uint32_t end_type, end_bytes;
    } line;
    line.type = 1;
    line.tag_bytes = 8 + sizeof(line.text);
    memset(line.text, 0, sizeof(line.text));
    text_copy(line.text, text, sizeof(line.text));
    memset(&info, 0, sizeof(info));
    multiboot2_read((uint64_t)(uintptr_t)&line, &info);
    return info.byte_link;
}

static void only_the_exact_command_line_asks_for_the_byte_link(void **state)
{
    (void)state;
    assert_true(asks_for_byte_link("byte-link=com2"));
    assert_false(asks_for_byte_link(""));
    assert_false(asks_for_byte_link("byte-link=com1"));
    assert_false(asks_for_byte_link("byte-link=com"));
    assert_false(asks_for_byte_link("byte-link=com2 "));
    assert_false(asks_for_byte_link("quiet byte-link=com2"));
    memset(&info, 0, sizeof(info));
    read_map();
    assert_false(info.byte_link); /* no command line at all */
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_another_entry_claims_is_no_ram),
        TEST(sizes_past_the_end_of_addresses_are_cut),
        TEST(what_does_not_fit_is_counted),
        TEST(entries_of_no_size_end_the_map),
        TEST(an_entry_that_the_tag_cuts_off_is_not_read),
        TEST(modules_that_do_not_fit_are_counted),
        TEST(the_longer_rsdp_is_taken_if_it_has_a_known_size),
        TEST(only_the_exact_command_line_asks_for_the_byte_link),
    };
    return cmocka_run_group_tests_name("multiboot2", tests, NULL, NULL);
}
