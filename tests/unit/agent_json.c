/* SPDX-License-Identifier: MIT */
/* The JSON reader: what it accepts, and the exact text with which it refuses. */
#include "agent_test.h"
#include "model/json.h"
#include "model/json_write.h"

static struct json json;
static struct problem_list problems;

static const struct json_node *parse(const char *text, size_t bytes)
{
    memset(&problems, 0, sizeof(problems));
    /* A copy of its own, so that the sanitizer sees a read past the end. */
    static char *copy;
    free(copy);
    copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, text, bytes);
    return json_parse(&json, "t", copy, bytes, &problems);
}

static const struct json_node *parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static void json_accepts_every_kind_of_value(void **state)
{
    (void)state;
    const struct json_node *root = parse_text(
        " {\"a\": [1, -20, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\": {}, \"c\": 1.5e-3}\r\n");
    assert_non_null(root);
    assert_int_equal(problems.count, 0);
    assert_int_equal(root->child_count, 3);
    const struct json_node *a = json_member(root, "a");
    assert_int_equal(a->child_count, 6);
    assert_int_equal(a->child->integer, 1);
    assert_int_equal(a->child->next->integer, -20);
    const struct json_node *text = a->child->next->next->next->next->next;
    assert_string_equal(text->string, "x\xc3\xa9\xf0\x9f\x98\x80\n");
    assert_int_equal(json_member(root, "b")->type, JSON_OBJECT);
    assert_false(json_member(root, "c")->is_integer);
}

static void json_keeps_integers_exactly_or_not_at_all(void **state)
{
    (void)state;
    assert_int_equal(parse_text("999999999999999999")->integer, 999999999999999999);
    assert_false(parse_text("1000000000000000000")->is_integer);
    assert_false(parse_text("1.0")->is_integer);
}

static void json_refuses_with_place_and_reason(void **state)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"", "t:1:1: /: found the end of the text; wanted a value: object, array, \"string\", number, true, "
             "false or null"},
        {"{\n  \"a\": 1,\n}",
         "t:3:1: /: found '}'; wanted a key in double quotes; remove the comma before it"},
        {"[1,]", "t:1:4: /1: found ']'; wanted a value: object, array, \"string\", number, true, false or "
                 "null; remove the comma before it"},
        {"{\"a\" 1}", "t:1:6: /: found '1' after the key \"a\"; wanted ':'"},
        {"{\"a\": 1 \"b\": 2}", "t:1:9: /: found '\"'; wanted ',' or '}'"},
        {"{\"a\": 01}", "t:1:9: /a: this is no number; wanted digits without a leading zero"},
        {"{\"a\": +1}",
         "t:1:7: /a: found '+'; wanted a value: object, array, \"string\", number, true, false or null"},
        {"[1.]", "t:1:4: /0: no digit after the decimal point"},
        {"[1e]", "t:1:4: /0: no digit in the exponent"},
        {"[tru]",
         "t:1:2: /0: found 't'; wanted a value: object, array, \"string\", number, true, false or null"},
        {"{\"a\": \"x", "t:1:9: /a: the string does not end; wanted '\"'"},
        {"{\"a\": \"x\ny\"}", "t:1:9: /a: control character 0x0a in a string; close the string with '\"' or "
                              "write the escape \\u000a"},
        {"[\"\\q\"]", "t:1:4: /0: backslash before 'q'; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u; "
                      "write \\\\ for a backslash"},
        {"[\"\\u0000\"]", "t:1:9: /0: \\u escape is no character; wanted four hexadecimal digits (a "
                          "surrogate pair above ffff), not 0000"},
        {"[\"\\ud800x\"]", "t:1:9: /0: \\u escape is no character; wanted four hexadecimal digits (a "
                           "surrogate pair above ffff), not 0000"},
        {"[\"\xff\"]", "t:1:3: /0: byte 0xff is not UTF-8; save the file as UTF-8"},
        {"[\"\xc0\x80\"]", "t:1:3: /0: byte 0xc0 is not UTF-8; save the file as UTF-8"},
        {"\xef\xbb\xbf{}", "t:1:1: /: the file begins with a byte-order mark; save it as UTF-8 without BOM"},
        {"{} x", "t:1:4: /: found 'x' after the end of the value; remove it"},
        {"/* c */ {}",
         "t:1:1: /: found '/'; wanted a value: object, array, \"string\", number, true, false or null"},
        {"{\"b\\u00fc\": [0, x]}", "t:1:17: /b\xc3\xbc/1: found 'x'; wanted a value: object, array, "
                                   "\"string\", number, true, false or null"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_null(parse_text(cases[i].text));
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.text[0], cases[i].problem);
    }
}

static void json_marks_each_duplicate_key(void **state)
{
    (void)state;
    const struct json_node *root = parse_text("{\"a\": 1,\n \"\\u0061\": 2,\n \"b\": {\"c\": 1, \"c\": 2}}");
    assert_non_null(root);
    assert_ptr_equal(root->child->next->duplicate_of, root->child);
    const struct json_node *c = json_member(root, "b")->child;
    assert_null(c->duplicate_of);
    assert_ptr_equal(c->next->duplicate_of, c);
    json_complain_duplicate(&json, root->child->next);
    json_complain_duplicate(&json, c->next);
    assert_string_equal(
        problems.text[0],
        "t:2:2: /a: this key stands twice in the object (first in line 1); remove one of them");
    assert_string_equal(
        problems.text[1],
        "t:3:16: /b/c: this key stands twice in the object (first in line 3); remove one of them");
}

static void json_columns_count_characters(void **state)
{
    (void)state;
    assert_null(parse_text("{\"\xc3\xa9\xc3\xa9\": x}"));
    assert_memory_equal(problems.text[0], "t:1:8:", 6);
}

static void json_refuses_too_deep_too_big_too_many(void **state)
{
    (void)state;
    static char text[JSON_MAX_BYTES + 2];
    memset(text, '[', JSON_MAX_DEPTH + 1);
    assert_null(parse(text, JSON_MAX_DEPTH + 1));
    assert_non_null(strstr(problems.text[0], "nested deeper than 16 levels"));
    memset(text, ' ', sizeof(text));
    assert_null(parse(text, sizeof(text)));
    assert_string_equal(problems.text[0],
                        "t:1:1: /: the file has 262146 bytes; at most 262144 are read; make it smaller");
    for (size_t i = 0; i < JSON_MAX_NODES; i++) {
        memcpy(text + 2 * i, i == 0 ? "[0" : ",0", 2);
    }
    assert_null(parse(text, 2 * (size_t)JSON_MAX_NODES));
    assert_non_null(strstr(problems.text[0], "more than 16384 values; split the file"));
}

static void json_every_prefix_of_a_document_is_refused(void **state)
{
    static const char text[] = "{\"a\": [1, {\"b\": \"\\u00e9x\"}, true, null, -1.5e+2]}";
    (void)state;
    for (size_t bytes = 0; bytes < sizeof(text) - 1; bytes++) {
        assert_null(parse(text, bytes));
        assert_int_equal(problems.count, 1);
    }
    assert_non_null(parse(text, sizeof(text) - 1));
}

/* ---- canonical form and comparison ------------------------------------------------------------------------
 */

struct written {
    char text[256];
    size_t bytes;
};

static void keep(void *to, const char *text, size_t bytes)
{
    struct written *written = to;
    assert_true(written->bytes + bytes < sizeof(written->text));
    memcpy(written->text + written->bytes, text, bytes);
    written->bytes += bytes;
    written->text[written->bytes] = 0;
}

static void json_is_written_in_one_form(void **state)
{
    struct written written = {.bytes = 0};
    (void)state;
    json_write(
        parse_text(
            " { \"a\" : [ 1 , -20, true, false, null, {}, [] ],\n\"b\\\"\": \"x\\u00e9\\n\\\\/\\u001b\" } "),
        keep, &written);
    assert_string_equal(written.text,
                        "{\"a\":[1,-20,true,false,null,{},[]],\"b\\\"\":\"x\xc3\xa9\\u000a\\\\/\\u001b\"}");
}

static void json_values_are_equal_if_they_mean_the_same(void **state)
{
    static const struct {
        const char *pair; /* a list of two */
        bool equal;
    } cases[] = {
        {"[true, true]", true},
        {"[false, false]", true},
        {"[true, false]", false},
        {"[1, 1]", true},
        {"[1, 2]", false},
        {"[1, \"1\"]", false},
        {"[null, null]", true},
        {"[null, false]", false},
        {"[\"a\", \"\\u0061\"]", true},
        {"[\"a\", \"b\"]", false},
        {"[[1, 2], [1, 2]]", true},
        {"[[1, 2], [2, 1]]", false},
        {"[[1], [1, 2]]", false},
        {"[{\"a\": 1, \"b\": 2}, {\"b\": 2, \"a\": 1}]", true},
        {"[{\"a\": 1, \"b\": 2}, {\"a\": 1}]", false},
        {"[{\"a\": 1}, {\"b\": 1}]", false},
        {"[{\"a\": 1}, {\"a\": 2}]", false},
        {"[{\"a\": [{}]}, {\"a\": [[]]}]", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct json_node *root = parse_text(cases[i].pair);
        if (json_equals(root->child, root->child->next) != cases[i].equal) {
            fail_msg("%s", cases[i].pair);
        }
        assert_true(json_equals(root->child->next, root->child) == cases[i].equal);
        assert_ptr_equal(json_element(root, 1), root->child->next);
        assert_null(json_element(root, 2));
    }
}

static void json_pointer_that_is_too_long_says_so(void **state)
{
    char text[400];
    char key[JSON_POINTER_BYTES + 1];
    char buffer[JSON_POINTER_BYTES];
    memset(&problems, 0, sizeof(problems));
    (void)state;
    memset(key, 'k', sizeof(key));
    key[sizeof(key) - 1] = 0;
    snprintf(text, sizeof(text), "{\"a\":{\"%s\":{\"b\":[1]}}}", key);
    const struct json_node *node = json_parse(&json, "t", text, strlen(text), &problems);
    node = node->child->child;
    assert_string_equal(json_pointer(node, buffer), "...");
    assert_string_equal(json_pointer(node->child->child, buffer), ".../b/0");
    assert_string_equal(json_pointer(node->parent, buffer), "/a");
}

/* U+009B begins a command of a terminal. */
static void problem_shows_no_control_characters_of_a_key(void **state)
{
    memset(&problems, 0, sizeof(problems));
    static const char text[] = "{\"\xc2\x9b[2J\x7f\xc2\xa7\":1,\"\xc2\x9b[2J\x7f\xc2\xa7\":1}";
    (void)state;
    const struct json_node *root = json_parse(&json, "t", text, strlen(text), &problems);
    json_complain_duplicate(&json, root->child->next);
    assert_non_null(strstr(problems.text[0], "/??[2J?\xc2\xa7: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_written_in_one_form),
        cmocka_unit_test(json_values_are_equal_if_they_mean_the_same),
        cmocka_unit_test(json_accepts_every_kind_of_value),
        cmocka_unit_test(json_keeps_integers_exactly_or_not_at_all),
        cmocka_unit_test(json_refuses_with_place_and_reason),
        cmocka_unit_test(json_marks_each_duplicate_key),
        cmocka_unit_test(json_columns_count_characters),
        cmocka_unit_test(json_refuses_too_deep_too_big_too_many),
        cmocka_unit_test(json_every_prefix_of_a_document_is_refused),
        cmocka_unit_test(json_pointer_that_is_too_long_says_so),
        cmocka_unit_test(problem_shows_no_control_characters_of_a_key),
    };
    return cmocka_run_group_tests_name("agent_json", tests, NULL, NULL);
}
