/* SPDX-License-Identifier: MIT */
/* The API as its handler: every path, who may, what is refused and how; each answer is parsed by the agent's
 * own strict JSON reader. */
#include "agent_box.h"
#include "api/api.h"
#include "model/json.h"
#include "model/network.h"
#include "serial/byte_link.h"

static struct http_response response;
static struct json json;
static const struct json_node *answer;
static enum http_outcome outcome;

struct ask {
    enum http_method method;
    const char *path, *query, *body, *token;
    uint64_t waited_ms;
};

static unsigned ask(const struct ask *a)
{
    static struct problem_list problems;
    const char *body = a->body != NULL ? a->body : "";
    struct http_request request = {
        .method = a->method,
        .path = a->path,
        .query = a->query != NULL ? a->query : "",
        .bearer = a->token != NULL ? a->token : machine.token,
        .body = body,
        .body_bytes = strlen(body),
        .waited_ms = a->waited_ms,
    };
    free(response.body);
    memset(&response, 0, sizeof(response));
    outcome = api_handle(&machine, &request, &response);
    answer = NULL;
    assert_false(response.overflow);
    if (outcome == HTTP_DONE && response.content_type != NULL &&
        strcmp(response.content_type, "application/json") == 0) {
        memset(&problems, 0, sizeof(problems));
        answer = json_parse(&json, "answer", response.body, response.body_bytes, &problems);
        if (answer == NULL) {
            fail_msg("%s", problems.text[0]);
        }
    }
    return response.status;
}

static unsigned get(const char *path)
{
    return ask(&(struct ask){.path = path});
}

static unsigned post(const char *path, const char *body)
{
    return ask(&(struct ask){.method = HTTP_POST, .path = path, .body = body});
}

/* The value at a path like "network.address" or "partitions.0.name". */
static const struct json_node *at(const char *path)
{
    const struct json_node *node = answer;
    char word[64];
    assert_non_null(node);
    while (node != NULL && *path != 0) {
        size_t length = strcspn(path, ".");
        snprintf(word, sizeof(word), "%.*s", (int)length, path);
        path += length + (path[length] == '.' ? 1 : 0);
        if (node->type == JSON_ARRAY) {
            unsigned index = (unsigned)strtoul(word, NULL, 10);
            node = node->child;
            for (; node != NULL && index > 0; index--) {
                node = node->next;
            }
        } else {
            node = json_member(node, word);
        }
        if (node == NULL) {
            print_error("no %s\n", word);
        }
    }
    assert_non_null(node);
    return node;
}

static const char *text(const char *path)
{
    assert_int_equal(at(path)->type, JSON_STRING);
    return at(path)->string;
}

static int64_t number(const char *path)
{
    assert_true(at(path)->is_integer);
    return at(path)->integer;
}

static void assert_error(unsigned status, const char *code)
{
    assert_int_equal(response.status, status);
    assert_string_equal(text("code"), code);
    assert_true(strlen(text("message")) > 0);
    assert_true(strlen(text("remedy")) > 0);
}

static int boot(void **state)
{
    (void)state;
    box_boot();
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(response.body);
    memset(&response, 0, sizeof(response));
    return 0;
}

/* ---- who may
 * ----------------------------------------------------------------------------------------------------- */

static void wrong_tokens_are_refused_everywhere_alike(void **state)
{
    static const char *const paths[] = {"/api/v1/system", "/api/v1/nothing", "/elsewhere", "/api"};
    static const char *const tokens[] = {"", "x", "00000000000000000000000000000000"};
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        for (size_t k = 0; k < COUNT(tokens); k++) {
            ask(&(struct ask){.path = paths[i], .token = tokens[k]});
            assert_error(401, "unauthorized");
        }
    }
    ask(&(struct ask){.path = "/", .token = "wrong"});
    assert_error(401, "unauthorized");
}

static void token_has_128_bits_and_differs_from_boot_to_boot(void **state)
{
    char first[STATE_TOKEN_BYTES];
    (void)state;
    memcpy(first, machine.token, sizeof(first));
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    box_boot();
    assert_string_not_equal(machine.token, first);
}

static void box_without_entropy_lets_nobody_in(void **state)
{
    (void)state;
    machine.token[0] = 0;
    ask(&(struct ask){.path = "/api/v1/system", .token = ""});
    assert_error(401, "unauthorized");
}

static void first_page_needs_no_token(void **state)
{
    (void)state;
    assert_int_equal(ask(&(struct ask){.path = "/", .token = ""}), 200);
    assert_string_equal(response.content_type, "text/plain; charset=utf-8");
}

/* ---- paths and methods
 * ------------------------------------------------------------------------------------------- */

static void unknown_paths_are_404(void **state)
{
    static const char *const paths[] = {"/api/v1/nothing",
                                        "/api/v2/system",
                                        "/api/v1/system/",
                                        "/api/v1/partitions/nobody",
                                        "/api/v1/partitions//console",
                                        "/api/v1/partitions/alpha/x"};
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_int_equal(get(paths[i]), 404);
        assert_true(strlen(text("remedy")) > 0);
    }
    assert_int_equal(post("/api/v1/partitions/alpha/actions/explode", NULL), 404);
    assert_int_equal(post("/api/v1/actions/explode", NULL), 404);
    assert_int_equal(post("/api/v1/partitions/nobody/actions/stop", NULL), 404);
}

static unsigned lines_about_tokens(void)
{
    unsigned count = 0;
    for (const char *here = announced; (here = strstr(here, "wrong token")) != NULL; here++) {
        count++;
    }
    return count;
}

static void wrong_tokens_are_told_once_a_minute_with_their_number(void **state)
{
    (void)state;
    const struct ask wrong = {.path = "/api/v1/system", .token = "wrong"};
    ask(&(struct ask){.path = "/api/v1/system", .token = ""});
    assert_int_equal(lines_about_tokens(), 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(ask(&wrong), 401);
    }
    assert_int_equal(lines_about_tokens(), 1);
    model_advance(61000);
    ask(&wrong);
    assert_int_equal(lines_about_tokens(), 2);
    assert_non_null(strstr(announced, "since the last such line: 100\n"));
    assert_int_equal(get("/api/v1/system"), 200);
    assert_int_equal(number("http.refused.unauthorized"),
                     0); /* the server counts, which this test goes round */
}

static void wrong_methods_are_405_and_say_what_is_allowed(void **state)
{
    (void)state;
    ask(&(struct ask){.method = HTTP_DELETE, .path = "/api/v1/partitions/alpha"});
    assert_error(405, "method-not-allowed");
    assert_string_equal(response.allow, "GET, HEAD");
    get("/api/v1/partitions/alpha/actions/stop");
    assert_error(405, "method-not-allowed");
    assert_string_equal(response.allow, "POST");
    assert_int_equal(ask(&(struct ask){.method = HTTP_HEAD, .path = "/api/v1/system"}), 200);
}

static void bad_queries_are_400(void **state)
{
    static const char *const queries[] = {
        "offset=-1", "offset=",      "offset=1x", "offset=99999999999999999999",
        "follow=2",  "encoding=hex", "limit=1",   "x"};
    (void)state;
    for (size_t i = 0; i < COUNT(queries); i++) {
        assert_int_equal(ask(&(struct ask){.path = "/api/v1/partitions/alpha/console", .query = queries[i]}),
                         400);
        assert_true(strlen(text("remedy")) > 0);
    }
    assert_int_equal(ask(&(struct ask){.path = "/api/v1/system", .query = "verbose=1"}), 400);
}

static void bad_bodies_are_400(void **state)
{
    static const char *const bodies[] = {
        "{", "[]", "{\"force\":1}", "{\"force\":true,\"force\":true}", "{\"x\":1}", "nul"};
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        post("/api/v1/partitions/alpha/actions/stop", bodies[i]);
        assert_error(400, "bad-body");
    }
    post("/api/v1/partitions/alpha/actions/pause", "{\"force\":true}");
    assert_error(400, "bad-body");
    assert_string_equal((get("/api/v1/partitions/alpha"), text("state")), "running");
}

/* ---- what is shown
 * ----------------------------------------------------------------------------------------------- */

static void system_shows_the_box(void **state)
{
    (void)state;
    assert_int_equal(get("/api/v1/system"), 200);
    assert_string_equal(text("site"), "box");
    assert_string_equal(text("isolation.dma"), "none");
    assert_string_equal(text("driverVm.state"), "running");
    assert_int_equal(number("memory.driverBytes"), DRIVER_MEMORY_BYTES);
    assert_int_equal(number("cpus.count"), 4);
    assert_int_equal(at("problems")->child_count, 0);
    assert_int_equal(number("http.refused.body-too-large"), 0);
    assert_null(memmem(response.body, response.body_bytes, machine.token, strlen(machine.token)));
}

static void ignore_client(struct stream *stream)
{
    (void)stream;
}

static void system_tells_of_an_open_byte_link(void **state)
{
    (void)state;
    get("/api/v1/system");
    assert_false(at("byteLink")->boolean);
    model_add_byte_link(1);
    byte_link_start(ignore_client);
    get("/api/v1/system");
    assert_true(at("byteLink")->boolean);
}

static void system_shows_the_network(void **state)
{
    struct net_status status = {.link = true,
                                .source = NET_FROM_DHCP,
                                .address = "10.0.2.15/24",
                                .gateway = "10.0.2.2",
                                .https_port = 443,
                                .generation = 1};
    (void)state;
    machine.boot_ms = 1;
    machine_net_changed(&machine, &status);
    assert_true(machine.has_lease);
    assert_non_null(strstr(announced, "url: https://10.0.2.15/"));
    get("/api/v1/system");
    assert_string_equal(text("network.source"), "dhcp");
    assert_string_equal(text("network.url"), "https://10.0.2.15/");
}

static void partitions_are_listed_with_state_and_counters(void **state)
{
    (void)state;
    assert_int_equal(get("/api/v1/partitions"), 200);
    assert_int_equal(at("partitions")->child_count, 2);
    assert_string_equal(text("partitions.0.name"), "alpha");
    assert_string_equal(text("partitions.1.state"), "running");
    assert_int_equal(number("partitions.1.counters.exits.CPUID"), 0);
}

static void partition_shows_reason_memory_and_ports(void **state)
{
    (void)state;
    struct partition *alpha = machine_partition(&machine, "alpha");
    model_end_partition(alpha->id, MULLION_REASON_MMIO_UNMAPPED, 0xd0000000);
    box_turns(2);
    assert_int_equal(get("/api/v1/partitions/alpha"), 200);
    assert_string_equal(text("state"), "stopped");
    assert_string_equal(text("reason.code"), "mmio-unmapped");
    assert_non_null(strstr(text("reason.text"), "0xd0000000"));
    assert_int_equal(number("memory.ranges.0.bytes"), 64 << 20);
    assert_int_equal(at("ports")->child_count, 2);
    assert_string_equal(text("ports.0.peer.partition"), "driver");
    assert_string_equal(text("ports.1.peer.partition"), "beta");
    assert_int_equal(number("ports.1.sent.frames"), 0);
    assert_int_equal(number("counters.vcpus.0.vcpu"), 0);
}

static void driver_vm_can_be_looked_at_and_not_touched(void **state)
{
    (void)state;
    assert_int_equal(get("/api/v1/partitions/driver"), 200);
    assert_string_equal(text("state"), "running");
    post("/api/v1/partitions/driver/actions/stop", NULL);
    assert_error(409, "conflict");
}

static void hardware_names_owner_driver_and_reason(void **state)
{
    (void)state;
    model_add_pci(0xf8, 0x8086, 0x2918, 0x060100, MULLION_PCI_BRIDGE);
    machine.box.platform.pci_count = 2;
    assert_int_equal(get("/api/v1/hardware"), 200);
    assert_string_equal(text("functions.0.address"), "0000:00:03.0");
    assert_string_equal(text("functions.0.vendor"), "1af4");
    assert_string_equal(text("functions.0.owner"), "driver");
    assert_string_equal(text("functions.0.driver"), "virtio-pci");
    assert_int_equal(at("functions.0.reason")->type, JSON_NULL);
    assert_int_equal(at("functions.1.owner")->type, JSON_NULL);
    assert_non_null(strstr(text("functions.1.reason"), "bridge"));
    assert_string_equal(text("nics.0.mac"), "52:54:00:12:34:00");
    assert_true(at("nics.0.carrier")->boolean);
    assert_string_equal(text("nics.0.function"), "0000:00:03.0");
}

/* ---- the console
 * ------------------------------------------------------------------------------------------------- */

static unsigned console(const char *query, uint64_t waited_ms)
{
    return ask(
        &(struct ask){.path = "/api/v1/partitions/alpha/console", .query = query, .waited_ms = waited_ms});
}

static void console_is_read_from_an_offset(void **state)
{
    (void)state;
    uint32_t id = machine_partition(&machine, "alpha")->id;
    model_guest_output(id, "first\r\n\x1b[6n\"second\"");
    assert_int_equal(console("", 0), 200);
    assert_string_equal(text("text"), "first\r\n\x1b[6n\"second\"");
    assert_int_equal(number("next"), 19);
    assert_int_equal(console("offset=7", 0), 200);
    assert_string_equal(text("text"), "\x1b[6n\"second\"");
    assert_int_equal(console("offset=19", 0), 200);
    assert_string_equal(text("text"), "");
    assert_int_equal(number("next"), 19);
}

static void console_bytes_that_are_no_text_are_marked_and_kept_in_base64(void **state)
{
    (void)state;
    uint32_t id = machine_partition(&machine, "alpha")->id;
    model_guest_output(id, "a\xff\x80z");
    assert_int_equal(console("", 0), 200);
    assert_string_equal(text("text"), "a\xef\xbf\xbd\xef\xbf\xbdz");
    assert_int_equal(console("encoding=base64", 0), 200);
    assert_string_equal(text("base64"), "Yf+Aeg==");
    assert_int_equal(number("next"), 4);
}

static void console_leaves_half_a_character_for_later(void **state)
{
    (void)state;
    uint32_t id = machine_partition(&machine, "alpha")->id;
    model_guest_output(id, "ab\xe2\x82");
    assert_int_equal(console("", 0), 200);
    assert_string_equal(text("text"), "ab");
    model_guest_output(id, "\xac");
    assert_int_equal(console("offset=2", 0), 200);
    assert_string_equal(text("text"), "\xe2\x82\xac");
}

static void console_says_how_much_was_lost(void **state)
{
    char line[101];
    (void)state;
    uint32_t id = machine_partition(&machine, "alpha")->id;
    memset(line, 'x', 100);
    line[100] = 0;
    for (unsigned i = 0; i < 50; i++) {
        model_guest_output(id, line);
    }
    assert_int_equal(console("offset=10", 0), 200);
    assert_int_equal(number("lost"), 5000 - 4096 - 10);
    assert_int_equal(number("offset"), 5000 - 4096);
}

static void console_that_is_followed_waits_for_output(void **state)
{
    (void)state;
    uint32_t id = machine_partition(&machine, "alpha")->id;
    console("follow=1", 0);
    assert_int_equal(outcome, HTTP_WAIT);
    assert_true(response.wait_limit_ms > 0);
    model_guest_output(id, "news");
    console("follow=1", 100);
    assert_int_equal(outcome, HTTP_DONE);
    assert_string_equal(text("text"), "news");
    console("follow=1&offset=4", 60000);
    assert_int_equal(outcome, HTTP_DONE);
    assert_string_equal(text("text"), "");
    model_end_partition(id, MULLION_REASON_POWER_OFF, 0);
    box_turns(2);
    console("follow=1&offset=4", 0);
    assert_int_equal(outcome, HTTP_DONE); /* nothing more will come */
}

static void log_is_read_from_an_offset(void **state)
{
    (void)state;
    assert_int_equal(get("/api/v1/log"), 200);
    assert_non_null(strstr(text("text"), "model"));
    assert_int_equal(ask(&(struct ask){.path = "/api/v1/log", .query = "offset=29"}), 200);
    assert_string_equal(text("text"), "");
}

/* ---- actions
 * ----------------------------------------------------------------------------------------------------- */

static const char *state_of(const char *name)
{
    static char path[80];
    snprintf(path, sizeof(path), "/api/v1/partitions/%s", name);
    assert_int_equal(get(path), 200);
    return text("state");
}

static void actions_change_the_state(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/partitions/beta/actions/pause", NULL), 200);
    assert_string_equal(state_of("beta"), "paused");
    assert_int_equal(post("/api/v1/partitions/beta/actions/resume", "{}"), 200);
    assert_string_equal(state_of("beta"), "running");
    assert_int_equal(post("/api/v1/partitions/beta/actions/stop", "{\"force\":true}"), 200);
    assert_string_equal(state_of("beta"), "stopped");
    assert_int_equal(post("/api/v1/partitions/beta/actions/start", NULL), 200);
    assert_int_equal(post("/api/v1/partitions/beta/actions/reset", NULL), 200);
    assert_string_equal(state_of("beta"), "running");
    assert_int_equal(number("starts"), 3);
}

static void action_in_the_wrong_state_is_409_with_a_remedy(void **state)
{
    (void)state;
    post("/api/v1/partitions/alpha/actions/resume", NULL);
    assert_error(409, "conflict");
    assert_non_null(strstr(text("message"), "alpha"));
    assert_string_equal(text("remedy"), "see `info`");
}

static void stop_waits_for_the_guest_and_then_forces(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/partitions/beta/actions/stop", NULL), 202);
    assert_int_equal(number("forcedAfterMs"), 30000);
    assert_string_equal(state_of("beta"), "running");
    assert_true(at("stopping")->boolean);
    model_advance(29000);
    box_turns(2);
    assert_string_equal(state_of("beta"), "running");
    model_advance(2000);
    box_turns(2);
    assert_string_equal(state_of("beta"), "stopped");
    assert_string_equal(text("reason.code"), "requested");
    assert_non_null(strstr(announced, "did not react to the power button"));
}

static void stop_by_the_guest_itself_is_told_as_power_off(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/partitions/beta/actions/stop", NULL), 202);
    model_end_partition(machine_partition(&machine, "beta")->id, MULLION_REASON_POWER_OFF, 0);
    box_turns(2);
    assert_string_equal(state_of("beta"), "stopped");
    assert_string_equal(text("reason.code"), "power-off");
    assert_int_equal(post("/api/v1/partitions/beta/actions/start", NULL), 200);
}

static void guest_that_reboots_instead_of_stopping_stays_down(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/partitions/beta/actions/stop", NULL), 202);
    model_end_partition(machine_partition(&machine, "beta")->id, MULLION_REASON_RESET, 0);
    box_turns(2);
    assert_string_equal(state_of("beta"), "stopped");
}

static void stop_begun_by_a_dead_agent_is_carried_on(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/partitions/beta/actions/stop", NULL), 202);
    model_restart_agent();
    box_agent_begin();
    box_turns(5);
    assert_string_equal(state_of("beta"), "running");
    model_advance(31000);
    box_turns(2);
    assert_string_equal(state_of("beta"), "stopped");
}

static void reboot_ends_partitions_then_the_driver_vm_then_the_box(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/actions/reboot", NULL), 202);
    post("/api/v1/actions/reboot", NULL);
    assert_error(409, "conflict");
    post("/api/v1/partitions/beta/actions/start", NULL);
    assert_error(409, "conflict");
    model_advance(600);
    box_turns(2);
    assert_int_equal(machine.driver.phase, DRIVER_UP);
    assert_int_equal(model_power(), MODEL_POWER_ON);
    model_end_partition(machine_partition(&machine, "alpha")->id, MULLION_REASON_POWER_OFF, 0);
    model_end_partition(machine_partition(&machine, "beta")->id, MULLION_REASON_POWER_OFF, 0);
    box_turns(10);
    struct mullion_partition_info driver = {.id = machine.driver.id};
    assert_int_equal(os_hypercall(MULLION_CALL_PARTITION_INFO, &driver), 0);
    assert_int_equal(driver.reason, MULLION_REASON_POWER_OFF); /* it was asked, not killed */
    assert_int_equal(model_power(), MODEL_POWER_RESET);
}

static void boxs_power_button_ends_partitions_and_switches_off(void **state)
{
    static const uint8_t dsdt[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 5, 0, 0};
    (void)state;
    box_make(BOX_BOTH, BOX_UUID, BOX_SITE);
    model_add_module("host-dsdt", dsdt, sizeof(dsdt));
    box_agent_begin();
    box_turns(20);
    machine_event(&machine, &(struct mullion_event_wait){.events = MULLION_EVENT_POWER});
    assert_int_equal(machine.ending, BOX_POWERS_OFF);
    assert_string_equal(announced, "stopping alpha\nstopping beta\n");
    model_advance(32000);
    box_turns(10);
    assert_string_equal(state_of("beta"), "stopped");
    assert_int_equal(model_power(), MODEL_POWER_OFF);
}

static void partition_cannot_come_back_while_the_box_goes_down(void **state)
{
    static const char *const actions[] = {"start", "reset", "pause", "resume"};
    char path[80];
    (void)state;
    assert_int_equal(post("/api/v1/actions/reboot", NULL), 202);
    for (size_t i = 0; i < COUNT(actions); i++) {
        snprintf(path, sizeof(path), "/api/v1/partitions/beta/actions/%s", actions[i]);
        post(path, NULL);
        assert_error(409, "conflict");
        assert_non_null(strstr(text("message"), "going down"));
    }
}

static void reboot_outlives_the_agent(void **state)
{
    (void)state;
    assert_int_equal(post("/api/v1/actions/reboot", NULL), 202);
    model_restart_agent();
    box_agent_begin();
    box_turns(5);
    assert_int_equal(machine.ending, BOX_REBOOTS);
    model_advance(32000);
    box_turns(20);
    model_advance(6000);
    box_turns(5);
    assert_int_equal(model_power(), MODEL_POWER_RESET);
}

static void power_off_without_the_firmwares_word_is_409(void **state)
{
    (void)state;
    post("/api/v1/actions/poweroff", NULL);
    assert_error(409, "conflict");
    assert_string_equal(text("remedy"), "use its power switch");
    assert_string_equal(state_of("alpha"), "running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_tokens_are_refused_everywhere_alike, boot, end),
        cmocka_unit_test_setup_teardown(token_has_128_bits_and_differs_from_boot_to_boot, boot, end),
        cmocka_unit_test_setup_teardown(box_without_entropy_lets_nobody_in, boot, end),
        cmocka_unit_test_setup_teardown(first_page_needs_no_token, boot, end),
        cmocka_unit_test_setup_teardown(unknown_paths_are_404, boot, end),
        cmocka_unit_test_setup_teardown(wrong_tokens_are_told_once_a_minute_with_their_number, boot, end),
        cmocka_unit_test_setup_teardown(wrong_methods_are_405_and_say_what_is_allowed, boot, end),
        cmocka_unit_test_setup_teardown(bad_queries_are_400, boot, end),
        cmocka_unit_test_setup_teardown(bad_bodies_are_400, boot, end),
        cmocka_unit_test_setup_teardown(system_shows_the_box, boot, end),
        cmocka_unit_test_setup_teardown(system_shows_the_network, boot, end),
        cmocka_unit_test_setup_teardown(partitions_are_listed_with_state_and_counters, boot, end),
        cmocka_unit_test_setup_teardown(partition_shows_reason_memory_and_ports, boot, end),
        cmocka_unit_test_setup_teardown(driver_vm_can_be_looked_at_and_not_touched, boot, end),
        cmocka_unit_test_setup_teardown(hardware_names_owner_driver_and_reason, boot, end),
        cmocka_unit_test_setup_teardown(console_is_read_from_an_offset, boot, end),
        cmocka_unit_test_setup_teardown(console_bytes_that_are_no_text_are_marked_and_kept_in_base64, boot,
                                        end),
        cmocka_unit_test_setup_teardown(console_leaves_half_a_character_for_later, boot, end),
        cmocka_unit_test_setup_teardown(console_says_how_much_was_lost, boot, end),
        cmocka_unit_test_setup_teardown(console_that_is_followed_waits_for_output, boot, end),
        cmocka_unit_test_setup_teardown(log_is_read_from_an_offset, boot, end),
        cmocka_unit_test_setup_teardown(actions_change_the_state, boot, end),
        cmocka_unit_test_setup_teardown(action_in_the_wrong_state_is_409_with_a_remedy, boot, end),
        cmocka_unit_test_setup_teardown(stop_waits_for_the_guest_and_then_forces, boot, end),
        cmocka_unit_test_setup_teardown(stop_by_the_guest_itself_is_told_as_power_off, boot, end),
        cmocka_unit_test_setup_teardown(guest_that_reboots_instead_of_stopping_stays_down, boot, end),
        cmocka_unit_test_setup_teardown(stop_begun_by_a_dead_agent_is_carried_on, boot, end),
        cmocka_unit_test_setup_teardown(reboot_ends_partitions_then_the_driver_vm_then_the_box, boot, end),
        cmocka_unit_test_setup_teardown(boxs_power_button_ends_partitions_and_switches_off, boot, end),
        cmocka_unit_test_setup_teardown(partition_cannot_come_back_while_the_box_goes_down, boot, end),
        cmocka_unit_test_setup_teardown(reboot_outlives_the_agent, boot, end),
        cmocka_unit_test_setup_teardown(power_off_without_the_firmwares_word_is_409, boot, end),
        cmocka_unit_test_setup_teardown(system_tells_of_an_open_byte_link, boot, end), /* nothing closes it */
    };
    return cmocka_run_group_tests_name("agent_api", tests, NULL, NULL);
}
