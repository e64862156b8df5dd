/* SPDX-License-Identifier: MIT */
/* Patterns mean what they mean in a JSON Schema; words that are meant are found; patterns of the tables are
 * ones that the reader knows. */
#include "agent_test.h"

#include <regex.h>

#include "model/manifest_formats.h"
#include "model/schema_near.h"
#include "model/schema_pattern.h"

static void pattern_covers_the_whole_text(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool covers;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "a", true},
        {"a", "ab", false},
        {"a", "ba", false},
        {"a?", "", true},
        {"a?", "aa", false},
        {"a*", "", true},
        {"a*", "aaaa", true},
        {"a+", "", false},
        {"a{3}", "aaa", true},
        {"a{3}", "aa", false},
        {"a{2,3}", "aaaa", false},
        {"a{0,2}", "", true},
        {"[a-c]", "b", true},
        {"[a-c]", "d", false},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[a-c-]", "-", true},
        {"[.]", "x", false},
        {"\\.", ".", true},
        {"\\.", "x", false},
        {"ab|cd", "cd", true},
        {"ab|cd", "ad", false},
        {"(ab|c)d", "cd", true},
        {"(ab|c)d", "abd", true},
        {"(ab|c)d", "ad", false},
        {"(a|ab)(c|bcd)", "abcd", true}, /* the first way to begin is the wrong one */
        {"(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
        {"(a|)b", "b", true},
        {"((a)(b)?){2}", "aba", true},
        {"x(y(z)+)*", "xyzzyz", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (schema_pattern_covers(cases[i].pattern, cases[i].text) != cases[i].covers) {
            fail_msg("%s on \"%s\"", cases[i].pattern, cases[i].text);
        }
    }
}

static void pattern_covers_no_text_longer_than_its_limit(void **state)
{
    char text[SCHEMA_PATTERN_BYTES + 2];
    (void)state;
    memset(text, 'a', sizeof(text));
    text[SCHEMA_PATTERN_BYTES] = 0;
    assert_true(schema_pattern_covers("a*", text));
    text[SCHEMA_PATTERN_BYTES] = 'a';
    text[SCHEMA_PATTERN_BYTES + 1] = 0;
    assert_false(schema_pattern_covers("a*", text));
}

/* The C library's regular expressions as a second opinion, on texts near each format's example. */
static void patterns_agree_with_regcomp(void **state)
{
    static const struct schema_format *const formats[] = {
        &format_name,        &format_image, &format_memory,   &format_mac,      &format_ipv4,
        &format_ipv4_prefix, &format_port,  &format_function, &format_duration, &format_moment,
        &format_sha256,      &format_uuid,  &format_server};
    static const char letters[] = "aAfgz09:.-/ Mmis";
    (void)state;
    srand(1);
    for (size_t i = 0; i < COUNT(formats); i++) {
        char pattern[300];
        regex_t regex;
        unsigned covered = 0;
        snprintf(pattern, sizeof(pattern), "^(%s)$", formats[i]->pattern);
        assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
        for (unsigned round = 0; round < 3000; round++) {
            char text[80];
            snprintf(text, sizeof(text), "%s", formats[i]->example);
            size_t length = strlen(text);
            for (int k = rand() % 3; k > 0; k--) {
                text[(size_t)rand() % length] = letters[(size_t)rand() % (sizeof(letters) - 1)];
            }
            text[rand() % 8 == 0 ? (size_t)rand() % length : length] = 0;
            bool covers = schema_pattern_covers(formats[i]->pattern, text);
            if (covers != (regexec(&regex, text, 0, NULL, 0) == 0)) {
                fail_msg("%s on \"%s\"", formats[i]->pattern, text);
            }
            covered += covers ? 1 : 0;
        }
        regfree(&regex);
        assert_in_range(covered, 1, 2999);
    }
}

static void near_words_are_found_and_far_ones_are_not(void **state)
{
    static const char *const known[] = {"cpus", "memory", "autostart", "onCrash", "onReboot"};
    static const struct {
        const char *word, *best;
    } cases[] = {
        {"cpu", "cpus"},          {"cups", "cpus"}, {"memroy", "memory"}, {"AutoStart", "autostart"},
        {"onCarsh", "onCrash"},   {"colour", NULL}, {"m", NULL},          {"on", NULL},
        {"autstrt", "autostart"}, {"auto", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schema_near near = {.word = cases[i].word};
        for (size_t k = 0; k < COUNT(known); k++) {
            schema_near_try(&near, known[k]);
        }
        if (cases[i].best == NULL) {
            assert_null(near.best);
        } else {
            assert_non_null(near.best);
            assert_string_equal(near.best, cases[i].best);
        }
    }
}

static void times_and_sizes_are_read_in_their_units(void **state)
{
    (void)state;
    assert_int_equal(format_duration_us("500us"), 500);
    assert_int_equal(format_duration_us("10ms"), 10000);
    assert_int_equal(format_duration_us("2min"), 120000000);
    assert_int_equal(format_duration_us("1h"), 3600000000);
    assert_int_equal(format_duration_us("0ms"), 0);
    assert_true(format_memory_bytes("9999999GiB") == 9999999ull << 30);
    assert_int_equal(format_memory_bytes("1TiB"), 0);
    assert_int_equal(format_memory_bytes("MiB"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pattern_covers_the_whole_text),
        cmocka_unit_test(pattern_covers_no_text_longer_than_its_limit),
        cmocka_unit_test(patterns_agree_with_regcomp),
        cmocka_unit_test(near_words_are_found_and_far_ones_are_not),
        cmocka_unit_test(times_and_sizes_are_read_in_their_units),
    };
    return cmocka_run_group_tests_name("agent_schema", tests, NULL, NULL);
}
