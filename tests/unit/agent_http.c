/* SPDX-License-Identifier: MIT */
/* Heads of requests, bodies of errors, and a connection through its whole life, with a clock of the test's
 * own. */
#include "agent_test.h"
#include "http/connection.h"
#include "http/error.h"
#include "http/response.h"

#define START_MS 1000u

static struct parse_head head;

static enum parse_result parse(const char *text)
{
    return parse_head(text, strlen(text), &head);
}

static void head_is_read_with_places_of_path_query_and_token(void **state)
{
    (void)state;
    static char text[] = "POST /a%20b?c=%41 HTTP/1.1\r\nhost: x\r\nauthorization: bearer  tok.en "
                         "\r\nContent-Length: 2\r\n\r\nhi";
    struct http_request request;
    assert_int_equal(parse(text), PARSE_OK);
    assert_int_equal(head.head_bytes + head.body_bytes, sizeof(text) - 1);
    assert_true(parse_finish(text, &head, &request));
    assert_int_equal(request.method, HTTP_POST);
    assert_string_equal(request.path, "/a b");
    assert_string_equal(request.query, "c=%41");
    assert_string_equal(request.bearer, "tok.en");
    assert_memory_equal(request.body, "hi", 2);
}

static void every_cut_of_a_head_asks_for_more(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n";
    for (size_t bytes = 0; bytes + 1 < sizeof(text); bytes++) {
        assert_int_equal(parse_head(text, bytes, &head), PARSE_MORE);
    }
    assert_int_equal(parse_head(text, sizeof(text) - 1, &head), PARSE_OK);
}

static void requests_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum parse_result result;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", PARSE_HOST},
        {"GET / HTTP/1.0\r\n\r\n", PARSE_OK},
        {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", PARSE_TARGET},
        {"GET https://x HTTP/1.1\r\nHost: x\r\n\r\n", PARSE_TARGET},
        {"GET https://x/y HTTP/1.1\r\nHost: x\r\n\r\n", PARSE_OK},
        {"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", PARSE_MALFORMED},
        {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", PARSE_VERSION},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", PARSE_LONG_BODY},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", PARSE_LONG_BODY},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1,1\r\n\r\n", PARSE_LENGTH},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", PARSE_LENGTH},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", PARSE_CHUNKED},
        {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", PARSE_CODING},
        {"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
         PARSE_MALFORMED},
        {"GET / HTTP/1.1\r\nHost: x\r\nExpect: 200\r\n\r\n", PARSE_EXPECTATION},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (parse(cases[i].text) != cases[i].result) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static void bad_escapes_in_a_path_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"/%", "/%4", "/%zz", "/%00", "/a%0g"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        char text[64];
        struct http_request request;
        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        assert_int_equal(parse(text), PARSE_OK);
        assert_false(parse_finish(text, &head, &request));
    }
}

static void every_refusal_has_status_code_and_remedy(void **state)
{
    (void)state;
    for (enum parse_result result = PARSE_MALFORMED; result < PARSE_RESULT_COUNT; result++) {
        struct http_response response = {.status = 0};
        parse_refuse(result, &response);
        assert_in_range(response.status, 400, 599);
        assert_non_null(parse_code(result));
        assert_non_null(strstr(response.body, "\"remedy\":\""));
        free(response.body);
    }
}

static void error_bodies_escape_what_they_quote(void **state)
{
    (void)state;
    struct http_response response = {.status = 0};
    http_append(&response, "half an answer", 14);
    http_error(&response, 404, "not-found", "look", "%s",
               "a\"b\\c\n\x1f\xff\xc3\xa4\xed\xa0\x80\xf0\x9f\x98\x80");
    static const char expected[] =
        "{\"code\":\"not-found\",\"message\":"
        "\"a\\\"b\\\\c\\u000a\\u001f\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
        "\xf0\x9f\x98\x80\",\"remedy\":\"look\"}\n";
    assert_int_equal(response.body_bytes, sizeof(expected) - 1);
    assert_memory_equal(response.body, expected, sizeof(expected) - 1);
    free(response.body);
}

static void body_above_the_limit_overflows_and_stays_so(void **state)
{
    (void)state;
    static char large[HTTP_BODY_MAX];
    struct http_response response = {.status = 200};
    http_append(&response, large, sizeof(large));
    assert_false(response.overflow);
    http_append(&response, "x", 1);
    http_append(&response, "", 0);
    assert_true(response.overflow);
    free(response.body);
}

static void longest_head_fits_its_room(void **state)
{
    (void)state;
    struct http_response response = {.status = 401,
                                     .content_type =
                                         "application/vnd.mullion.something-long+json; charset=utf-8",
                                     .body_bytes = SIZE_MAX};
    memset(response.allow, 'A', sizeof(response.allow) - 1);
    const struct response_frame frame = {.close = true, .http_1_0 = true};
    char text[RESPONSE_HEAD_BYTES];
    size_t bytes = response_head(&response, &frame, text);
    assert_in_range(bytes, 1, RESPONSE_HEAD_BYTES - 2);
    assert_memory_equal(text + bytes - 4, "\r\n\r\n", 4);
}

/* ---- a connection over a stream of the test's ---- */

static struct {
    struct stream stream;
    const char *input;
    size_t window; /* bytes that the client takes */
    bool gone, closed, aborted, finished, kept;
    char output[4096];
    size_t output_bytes;
} client;

static long client_read(struct stream *stream, void *to, size_t room)
{
    (void)stream;
    size_t bytes = strlen(client.input) < room ? strlen(client.input) : room;
    memcpy(to, client.input, bytes);
    client.input += bytes;
    return bytes == 0 && client.gone ? STREAM_END : (long)bytes;
}

static long client_write(struct stream *stream, const void *from, size_t bytes)
{
    (void)stream;
    bytes = bytes < client.window ? bytes : client.window;
    memcpy(client.output + client.output_bytes, from, bytes);
    client.output_bytes += bytes;
    client.window -= bytes;
    return (long)bytes;
}

static void client_flush(struct stream *stream)
{
    (void)stream;
}

static void client_finish(struct stream *stream)
{
    (void)stream;
    client.finished = true;
}

static void client_close(struct stream *stream, bool abort)
{
    (void)stream;
    client.closed = true;
    client.aborted = abort;
}

static void client_keep(struct stream *stream)
{
    (void)stream;
    client.kept = true;
}

static const struct stream_operations operations = {.read = client_read,
                                                    .write = client_write,
                                                    .flush = client_flush,
                                                    .finish = client_finish,
                                                    .close = client_close,
                                                    .keep = client_keep};

static struct connection c;
static struct connection_service service;
static unsigned status_to_give;
static uint64_t wait_for_ms;
static unsigned handled;

static enum http_outcome handle(void *context, const struct http_request *request,
                                struct http_response *response)
{
    (void)context;
    handled++;
    response->wait_limit_ms = wait_for_ms;
    if (request->waited_ms < wait_for_ms) {
        return HTTP_WAIT;
    }
    response->status = status_to_give;
    http_append(response, "answer", 6);
    return HTTP_DONE;
}

static int connect_client(void **state)
{
    (void)state;
    memset(&client, 0, sizeof(client));
    client.stream.operations = &operations;
    client.input = "";
    client.window = sizeof(client.output);
    service = (struct connection_service){.handler = handle};
    status_to_give = 200;
    wait_for_ms = 0;
    handled = 0;
    connection_open(&c, &client.stream, START_MS);
    return 0;
}

static int drop_client(void **state)
{
    (void)state;
    if (c.phase != CONNECTION_FREE) {
        connection_drop(&c);
    }
    return 0;
}

static void say(const char *text, uint64_t now_ms)
{
    client.input = text;
    connection_turn(&c, &service, now_ms);
}

static bool was_told(const char *text)
{
    client.output[client.output_bytes] = 0;
    return strstr(client.output, text) != NULL;
}

static void silent_client_is_let_go_after_its_time(void **state)
{
    (void)state;
    say("", START_MS + CONNECTION_FIRST_MS - 1);
    assert_false(client.closed);
    assert_int_equal(connection_deadline(&c), START_MS + CONNECTION_FIRST_MS);
    say("", START_MS + CONNECTION_FIRST_MS);
    assert_true(client.finished && client.closed);
    assert_int_equal(client.output_bytes, 0);
    assert_int_equal(service.counters.timeouts, 1);
}

static void dripping_a_head_does_not_buy_time(void **state)
{
    (void)state;
    say("GET /", START_MS);
    for (uint64_t ms = 1000; ms < CONNECTION_HEAD_MS; ms += 1000) {
        say("x", START_MS + ms);
    }
    say("", START_MS + CONNECTION_HEAD_MS);
    connection_turn(&c, &service, START_MS + CONNECTION_HEAD_MS);
    assert_true(was_told("HTTP/1.1 408 "));
    assert_true(client.finished);
    connection_turn(&c, &service, START_MS + CONNECTION_HEAD_MS + CONNECTION_LINGER_MS);
    assert_true(client.closed);
}

static void missing_body_is_408(void **state)
{
    (void)state;
    say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", START_MS);
    say("c", START_MS + CONNECTION_BODY_MS);
    connection_turn(&c, &service, START_MS + CONNECTION_BODY_MS);
    assert_true(was_told("HTTP/1.1 408 "));
    assert_int_equal(handled, 0);
}

static void idle_connection_is_kept_longer_than_a_new_one(void **state)
{
    (void)state;
    say("GET / HTTP/1.1\r\nHost: x\r\n\r\n", START_MS);
    assert_true(was_told("HTTP/1.1 200 OK\r\n") && was_told("\r\n\r\nanswer"));
    assert_int_equal(connection_deadline(&c), START_MS + CONNECTION_IDLE_MS);
}

static void long_poll_asks_again_and_at_its_limit(void **state)
{
    (void)state;
    wait_for_ms = 500;
    say("GET / HTTP/1.1\r\nHost: x\r\n\r\n", START_MS);
    assert_int_equal(connection_deadline(&c), START_MS + 500);
    connection_turn(&c, &service, START_MS + 100);
    assert_int_equal(handled, 2);
    assert_int_equal(client.output_bytes, 0);
    connection_turn(&c, &service, START_MS + 500);
    assert_true(was_told("answer"));
}

static void long_poll_whose_client_leaves_is_closed(void **state)
{
    (void)state;
    wait_for_ms = 500;
    client.gone = true;
    say("GET / HTTP/1.1\r\nHost: x\r\n\r\n", START_MS);
    assert_int_equal(handled, 1);
    assert_true(client.closed);
}

static void slow_reader_gets_all_of_it_and_a_stuck_one_is_cut_off(void **state)
{
    (void)state;
    client.window = 10;
    say("GET / HTTP/1.1\r\nHost: x\r\n\r\n", START_MS);
    assert_int_equal(client.output_bytes, 10);
    client.window = sizeof(client.output) - 10;
    connection_turn(&c, &service, START_MS + 20000);
    assert_true(was_told("\r\n\r\nanswer"));
    client.window = 0;
    say("GET / HTTP/1.1\r\nHost: x\r\n\r\n", START_MS + 20001);
    connection_turn(&c, &service, START_MS + 20001 + CONNECTION_WRITE_MS);
    assert_true(client.closed && client.aborted);
}

static void token_that_the_handler_takes_earns_a_place(void **state)
{
    (void)state;
    status_to_give = 401;
    say("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n", START_MS);
    assert_true(was_told("WWW-Authenticate: Bearer"));
    assert_false(c.trusted || client.kept);
    status_to_give = 200;
    say("GET / HTTP/1.1\r\nHost: x\r\n\r\n", START_MS);
    assert_false(c.trusted);
    say("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\n\r\n", START_MS);
    assert_true(c.trusted && client.kept);
}

static void many_pipelined_requests_take_several_turns(void **state)
{
    (void)state;
    static const char one[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    static char text[12 * sizeof(one)];
    for (unsigned i = 0; i < 12; i++) {
        memcpy(text + i * (sizeof(one) - 1), one, sizeof(one));
    }
    say(text, START_MS);
    assert_in_range(handled, 1, 8);
    assert_int_equal(connection_deadline(&c), 0);
    for (unsigned i = 0; i < 12 && handled < 12; i++) {
        connection_turn(&c, &service, START_MS);
    }
    assert_int_equal(handled, 12);
}

#define WITH_CLIENT(test) cmocka_unit_test_setup_teardown(test, connect_client, drop_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_is_read_with_places_of_path_query_and_token),
        cmocka_unit_test(every_cut_of_a_head_asks_for_more),
        cmocka_unit_test(requests_are_judged),
        cmocka_unit_test(bad_escapes_in_a_path_are_refused),
        cmocka_unit_test(every_refusal_has_status_code_and_remedy),
        cmocka_unit_test(error_bodies_escape_what_they_quote),
        cmocka_unit_test(body_above_the_limit_overflows_and_stays_so),
        cmocka_unit_test(longest_head_fits_its_room),
        WITH_CLIENT(silent_client_is_let_go_after_its_time),
        WITH_CLIENT(dripping_a_head_does_not_buy_time),
        WITH_CLIENT(missing_body_is_408),
        WITH_CLIENT(idle_connection_is_kept_longer_than_a_new_one),
        WITH_CLIENT(long_poll_asks_again_and_at_its_limit),
        WITH_CLIENT(long_poll_whose_client_leaves_is_closed),
        WITH_CLIENT(slow_reader_gets_all_of_it_and_a_stuck_one_is_cut_off),
        WITH_CLIENT(token_that_the_handler_takes_earns_a_place),
        WITH_CLIENT(many_pipelined_requests_take_several_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
