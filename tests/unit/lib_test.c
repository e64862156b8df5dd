/* SPDX-License-Identifier: MIT */
/* The VMM's own library functions, against the host's. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under other names, so that the host's stay what they are. */
#define memcpy  vmm_memcpy
#define memmove vmm_memmove
#define memset  vmm_memset
#define memcmp  vmm_memcmp
#define strlen  vmm_strlen
#include "core/lib.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

__attribute__((format(printf, 3, 4))) static size_t format(char *to, size_t bytes, const char *text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    size_t used = text_format(to, bytes, text, arguments);
    va_end(arguments);
    return used;
}

#define AGREES(...)                                                                                          \
    do {                                                                                                     \
        char ours[128], theirs[128];                                                                         \
        size_t used = format(ours, sizeof(ours), __VA_ARGS__);                                               \
        snprintf(theirs, sizeof(theirs), __VA_ARGS__);                                                       \
        assert_string_equal(ours, theirs);                                                                   \
        assert_int_equal(used, strlen(theirs));                                                              \
    } while (0)

static void text_format_agrees_with_printf(void **state)
{
    (void)state;
    AGREES("plain");
    AGREES("%s, 100%%", "text");
    AGREES("%u %u %x", 0u, 4294967295u, 0xdeadbeefu);
    AGREES("%lu %lx", UINT64_MAX, UINT64_MAX);
}

static void text_format_never_writes_past_the_end(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 20; bytes++) {
        char *to = malloc(bytes);
        size_t used = format(to, bytes, "%s %u", "0123456789", 12345u);
        assert_true(used < bytes);
        assert_int_equal(to[used], 0);
        free(to);
    }
}

static void text_copy_cuts_and_terminates(void **state)
{
    (void)state;
    char to[4];
    text_copy(to, "abcdef", sizeof(to));
    assert_string_equal(to, "abc");
    text_copy(to, "", sizeof(to));
    assert_string_equal(to, "");
    assert_true(text_equal("abc", "abc"));
    assert_false(text_equal("abc", "abcd"));
    assert_false(text_equal("abd", "abc"));
}

static void crc32_has_the_standard_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32(crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
    assert_int_equal(crc32(0, "", 0), 0);
}

static void mul_div_does_not_overflow(void **state)
{
    (void)state;
    assert_true(mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(mul_div(UINT64_MAX, 1000000, 2500000) == (uint64_t)7378697629483820646ull);
    assert_true(mul_div(7, 3, 2) == 10);
}

static void memory_functions_agree_with_the_hosts(void **state)
{
    (void)state;
    uint8_t ours[64], theirs[64];
    for (size_t from = 0; from < 32; from += 3) {
        for (size_t to = 0; to < 32; to += 5) {
            for (size_t i = 0; i < sizeof(ours); i++)
                ours[i] = theirs[i] = (uint8_t)i;
            vmm_memmove(ours + to, ours + from, 30);
            memmove(theirs + to, theirs + from, 30);
            assert_memory_equal(ours, theirs, sizeof(ours));
        }
    }
    vmm_memset(ours, 0x5a, 64);
    memset(theirs, 0x5a, 64);
    assert_memory_equal(ours, theirs, 64);
    assert_true(vmm_memcmp("abc", "abd", 3) < 0 && vmm_memcmp("b", "a", 1) > 0);
    assert_int_equal(vmm_memcmp("abc", "abd", 2), 0);
    assert_int_equal(vmm_strlen("hello"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_format_agrees_with_printf),
        cmocka_unit_test(text_format_never_writes_past_the_end),
        cmocka_unit_test(text_copy_cuts_and_terminates),
        cmocka_unit_test(crc32_has_the_standard_check_value),
        cmocka_unit_test(mul_div_does_not_overflow),
        cmocka_unit_test(memory_functions_agree_with_the_hosts),
    };
    return cmocka_run_group_tests_name("lib", tests, NULL, NULL);
}
