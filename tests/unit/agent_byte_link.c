/* SPDX-License-Identifier: MIT */
/* The API's server over the byte link of the model: what the client sees on the wire, byte by byte. */
#include "agent_test.h"
#include "http/error.h"
#include "http/server.h"
#include "os/linux/model.h"
#include "os/os.h"
#include "serial/byte_link.h"

#define DLE       "\x10"
#define WIRE_ROOM 4096u

static uint64_t now_ms = 1000;
static char got[0x20000];
static size_t got_bytes;
static unsigned handled;

/* "/wait" never has an answer, "/long" a long one, all else its path. */
static enum http_outcome handle(void *context, const struct http_request *request,
                                struct http_response *response)
{
    (void)context;
    handled += request->waited_ms == 0;
    if (strcmp(request->path, "/wait") == 0) {
        response->wait_limit_ms = 60000;
        return HTTP_WAIT;
    }
    response->status = 200;
    response->content_type = "text/plain";
    http_append(response, request->path, strlen(request->path));
    for (unsigned i = 0; i < 3000 && strcmp(request->path, "/long") == 0; i++) {
        char line[16];
        http_append(response, line, (size_t)snprintf(line, sizeof(line), "%u" DLE, i));
    }
    return HTTP_DONE;
}

static void accept_plain(struct stream *stream)
{
    server_accept_plain(stream, now_ms);
}

/* As the agent's main loop does it. */
static void turn(void)
{
    struct mullion_event_wait wait = {.deadline_tsc = 0};
    assert_int_equal(os_hypercall(MULLION_CALL_EVENT_WAIT, &wait), 0);
    if ((wait.events & MULLION_EVENT_BYTE_LINK) != 0) {
        byte_link_receive();
    }
    server_turn(now_ms);
    byte_link_send();
    got_bytes += model_wire_take(got + got_bytes, sizeof(got) - 1 - got_bytes);
    got[got_bytes] = 0;
}

static int boot(size_t room)
{
    model_boot(4);
    model_add_byte_link(room);
    server_start(NULL, handle, NULL);
    byte_link_start(accept_plain);
    got_bytes = handled = 0;
    return byte_link_listens() ? 0 : -1;
}

static int fresh(void **state)
{
    (void)state;
    return boot(WIRE_ROOM);
}

/* Every connection is over. */
static int finish(void **state)
{
    (void)state;
    model_wire_lose();
    model_wire_send("x", 1);
    turn();
    now_ms += 2 * CONNECTION_IDLE_MS;
    turn();
    return server_clients() == 0 ? 0 : -1;
}

static void send_text(const char *text)
{
    model_wire_send(text, strlen(text));
    turn();
}

/* What the client got since the last call. */
static void assert_got(const char *expected)
{
    assert_string_equal(got, expected);
    got_bytes = 0;
    got[0] = 0;
}

/* Sends a request as a client does, waiting for grants; they are left in `got`. */
static void ask(const char *path)
{
    char text[128];
    size_t bytes = (size_t)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    for (size_t at = 0; at < bytes; at += BYTE_LINK_GRANT) {
        model_wire_send(text + at, bytes - at < BYTE_LINK_GRANT ? bytes - at : BYTE_LINK_GRANT);
        turn();
    }
}

/* Takes the escapes out of `got`, and counts the controls. */
static unsigned decode(char *controls)
{
    size_t kept = 0;
    unsigned count = 0;
    for (size_t i = 0; i < got_bytes; i++) {
        if (got[i] == DLE[0] && got[++i] != DLE[0]) {
            controls[count++] = got[i];
        } else {
            got[kept++] = got[i];
        }
    }
    got[kept] = 0;
    got_bytes = kept;
    return count;
}

static void without_a_byte_link_nobody_listens(void **state)
{
    (void)state;
    model_boot(4);
    byte_link_start(accept_plain);
    assert_false(byte_link_listens());
    byte_link_receive();
    assert_false(byte_link_send());
}

static void what_comes_before_a_connection_is_not_heard(void **state)
{
    (void)state;
    send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    send_text(DLE DLE DLE "x" DLE "+" DLE "." DLE "/" DLE ":");
    assert_int_equal(server_clients(), 0);
    assert_got("");
    send_text("\n" DLE "7");
    assert_int_equal(server_clients(), 1);
    assert_got(DLE "7");
}

static void each_eight_bytes_that_the_server_has_read_are_granted(void **state)
{
    (void)state;
    send_text(DLE "0");
    assert_got(DLE "0");
    send_text("GET /ab");
    assert_got("");
    send_text("c");
    assert_got(DLE "+");
    send_text("d HTTP/1.1\r\nHos");
    assert_got(DLE "+");
    send_text("t");
    assert_got(DLE "+");
}

static void requests_are_answered_one_after_the_other(void **state)
{
    (void)state;
    static const char *const paths[] = {"/a", "/a%10b", "/c"};
    send_text(DLE "0");
    for (size_t i = 0; i < COUNT(paths); i++) {
        char controls[64];
        got_bytes = 0;
        ask(paths[i]);
        unsigned count = decode(controls);
        assert_in_range(count, 3, 5);
        assert_memory_equal(controls, "+++", 3);
        assert_int_equal(strncmp(got, "HTTP/1.1 200 OK\r\n", 17), 0);
        assert_string_equal(strstr(got, "\r\n\r\n") + 4, i == 1 ? "/a" DLE "b" : paths[i]);
    }
    assert_int_equal(handled, 3);
    assert_int_equal(server_clients(), 1);
}

static void escaped_bytes_of_a_request_arrive_as_one(void **state)
{
    (void)state;
    send_text(DLE "0");
    ask("/" DLE DLE);
    assert_non_null(
        strstr(got, "400 Bad Request")); /* a control character; unescaped it would begin a connection */
    assert_int_equal(server_clients(), 1);
}

static void a_server_that_does_not_read_grants_nothing(void **state)
{
    (void)state;
    unsigned granted = 0;
    send_text(DLE "0");
    ask("/wait");
    for (; granted < 1000; granted++) { /* the server reads until its buffer is full */
        got_bytes = 0;
        send_text("GET /abc");
        if (got_bytes == 0) {
            break;
        }
    }
    assert_in_range(granted, 1, 2048 / BYTE_LINK_GRANT);
    send_text("GET /abc");
    assert_got("");
    assert_int_equal(handled, 1);
    assert_int_equal(server_clients(), 1);
}

static void a_client_that_does_not_wait_for_grants_is_let_go(void **state)
{
    (void)state;
    static char flood[2000];
    memset(flood, 'x', sizeof(flood));
    send_text(DLE "0");
    got_bytes = 0;
    model_wire_send(flood, sizeof(flood));
    turn();
    assert_got(DLE ".");
    turn();
    assert_int_equal(server_clients(), 0);
    send_text("GET / HTTP/1.1\r\n");
    assert_got("");
    send_text(DLE "1");
    assert_got(DLE "1");
}

/* Escapes are no payload, and fill no buffer: they are counted all the same. */
static void a_client_that_sends_escapes_without_end_is_let_go(void **state)
{
    (void)state;
    static char flood[20000];
    for (size_t i = 0; i < sizeof(flood); i += 2) {
        memcpy(flood + i, DLE "x", 2);
    }
    send_text(DLE "0");
    got_bytes = 0;
    for (size_t at = 0; at < sizeof(flood); at += 2000) {
        model_wire_send(flood + at, 2000);
        turn();
    }
    assert_got(DLE ".");
    turn();
    assert_int_equal(server_clients(), 0);
}

static void lost_bytes_end_the_connection(void **state)
{
    (void)state;
    send_text(DLE "0");
    send_text("GET /a");
    got_bytes = 0;
    model_wire_lose();
    send_text("HTTP/1.1\r\n");
    assert_got(DLE ".");
    turn();
    assert_int_equal(server_clients(), 0);
}

static void a_refused_request_ends_the_connection_and_the_next_is_heard(void **state)
{
    (void)state;
    char controls[64];
    send_text(DLE "0");
    got_bytes = 0;
    send_text("\x01\x02\r\n\r\n");
    turn();
    unsigned count = decode(controls);
    assert_int_equal(controls[count - 1], '.');
    assert_int_equal(strncmp(got, "HTTP/1.1 400 ", 13), 0);
    assert_non_null(strstr(got, "Connection: close"));
    got_bytes = 0;
    send_text("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(handled, 0);
    send_text(DLE "1");
    got_bytes = 0;
    ask("/again");
    assert_non_null(strstr(got, "/again"));
}

static void a_new_connection_ends_the_one_before_whatever_it_does(void **state)
{
    (void)state;
    send_text(DLE "0");
    ask("/wait");
    send_text("GET /half");
    got_bytes = 0;
    send_text(DLE "1");
    turn();
    assert_got(DLE "1");
    assert_int_equal(server_clients(), 1);
    ask("/b");
    assert_non_null(strstr(got, "\r\n\r\n/b"));
}

static void a_connection_cut_within_an_escape_is_forgotten_too(void **state)
{
    (void)state;
    send_text(DLE "0");
    send_text("GET /" DLE);
    got_bytes = 0;
    send_text("\n" DLE "2");
    assert_got(DLE "2");
}

/* Turns until the long answer is there; the wire takes `room` bytes at a time. */
static void long_answer_arrives_whole(size_t room)
{
    char controls[64];
    assert_int_equal(boot(room), 0);
    send_text(DLE "0");
    ask("/long");
    for (unsigned i = 0; i < 40000 && (got_bytes < 2 || strstr(got, "2999") == NULL); i++) {
        turn();
    }
    turn(), turn(); /* an escaped byte is two */
    assert_in_range(decode(controls), 2, sizeof(controls));
    const char *body = strstr(got, "\r\n\r\n/long");
    assert_non_null(body);
    body += 9;
    for (unsigned i = 0; i < 3000; i++) {
        char line[16];
        int bytes = snprintf(line, sizeof(line), "%u" DLE, i);
        assert_memory_equal(body, line, (size_t)bytes);
        body += bytes;
    }
    assert_int_equal(*body, 0);
    assert_int_equal(server_clients(), 1);
}

static void a_wire_that_takes_one_byte_at_a_time_loses_nothing(void **state)
{
    (void)state;
    long_answer_arrives_whole(1);
}

static void a_wire_that_takes_a_fifo_at_a_time_loses_nothing(void **state)
{
    (void)state;
    long_answer_arrives_whole(16);
}

static void what_was_left_of_an_answer_comes_before_the_next_connection(void **state)
{
    (void)state;
    assert_int_equal(boot(1), 0);
    send_text(DLE "0");
    ask("/long");
    send_text(DLE "9");
    for (unsigned i = 0; i < 10000; i++) {
        turn();
    }
    assert_memory_equal(got + got_bytes - 2, DLE "9", 2);
    got_bytes = 0;
    turn();
    assert_got("");
}

static void a_silent_client_is_told_that_its_time_is_over(void **state)
{
    (void)state;
    send_text(DLE "0");
    got_bytes = 0;
    now_ms += CONNECTION_FIRST_MS + 1;
    turn();
    assert_got(DLE ".");
    assert_int_equal(server_clients(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_byte_link_nobody_listens),
        TEST(what_comes_before_a_connection_is_not_heard),
        TEST(each_eight_bytes_that_the_server_has_read_are_granted),
        TEST(requests_are_answered_one_after_the_other),
        TEST(escaped_bytes_of_a_request_arrive_as_one),
        TEST(a_server_that_does_not_read_grants_nothing),
        TEST(a_client_that_does_not_wait_for_grants_is_let_go),
        TEST(a_client_that_sends_escapes_without_end_is_let_go),
        TEST(lost_bytes_end_the_connection),
        TEST(a_refused_request_ends_the_connection_and_the_next_is_heard),
        TEST(a_new_connection_ends_the_one_before_whatever_it_does),
        TEST(a_connection_cut_within_an_escape_is_forgotten_too),
        TEST(a_wire_that_takes_one_byte_at_a_time_loses_nothing),
        TEST(a_wire_that_takes_a_fifo_at_a_time_loses_nothing),
        TEST(what_was_left_of_an_answer_comes_before_the_next_connection),
        TEST(a_silent_client_is_told_that_its_time_is_over),
    };
    return cmocka_run_group_tests_name("byte link", tests, NULL, NULL);
}
