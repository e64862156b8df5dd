/* SPDX-License-Identifier: MIT */
/* Frames in a stream that may hold anything, and answers that may say anything. */
#include "agent_test.h"
#include "driver/client.h"
#include "store/crc32.h"

static struct rpc_stream stream;
static struct client client;
static uint64_t now_ms;

static int begin(void **state)
{
    (void)state;
    memset(&stream, 0, sizeof(stream));
    memset(&client, 0, sizeof(client));
    now_ms = 1000;
    client_begin(&client, now_ms, 60000);
    return 0;
}

static size_t frame_make(uint8_t *to, enum rpc_type type, uint32_t sequence, uint16_t status,
                         const void *payload, size_t bytes)
{
    struct rpc_header header;
    size_t total = rpc_write(to, type, sequence, payload, bytes);
    memcpy(&header, to, sizeof(header));
    header.status = status;
    header.crc32 = 0;
    memcpy(to, &header, sizeof(header));
    header.crc32 = crc32_add(0, to, total);
    memcpy(to, &header, sizeof(header));
    return total;
}

/* ---- frames
 * ------------------------------------------------------------------------------------------------------ */

static void frame_is_found_byte_by_byte(void **state)
{
    uint8_t bytes[RPC_FRAME_BYTES];
    struct rpc_frame frame;
    (void)state;
    size_t total = rpc_write(bytes, RPC_NIC, 7, "abcd", 4);
    for (size_t i = 0; i < total; i++) {
        assert_false(rpc_next(&stream, &frame));
        assert_int_equal(rpc_feed(&stream, bytes + i, 1), 1);
    }
    assert_true(rpc_next(&stream, &frame));
    assert_int_equal(frame.header.sequence, 7);
    assert_memory_equal(frame.payload, "abcd", 4);
    assert_int_equal(stream.skipped_bytes, 0);
}

static void rubbish_around_frames_is_skipped(void **state)
{
    uint8_t bytes[RPC_FRAME_BYTES];
    struct rpc_frame frame;
    (void)state;
    size_t total = rpc_write(bytes, RPC_HELLO, 1, NULL, 0);
    rpc_feed(&stream, (const uint8_t *)"MULxMULMULL", 11);
    rpc_feed(&stream, bytes, total);
    rpc_feed(&stream, (const uint8_t *)"M", 1);
    rpc_feed(&stream, bytes, total);
    assert_true(rpc_next(&stream, &frame));
    assert_true(rpc_next(&stream, &frame));
    assert_false(rpc_next(&stream, &frame));
    assert_int_equal(stream.skipped_bytes, 12);
}

static void frame_with_any_bit_wrong_is_refused(void **state)
{
    uint8_t good[RPC_FRAME_BYTES];
    struct rpc_frame frame;
    (void)state;
    size_t total = rpc_write(good, RPC_NIC, 7, "abcd", 4);
    for (size_t bit = 0; bit < total * 8; bit++) {
        uint8_t bad[RPC_FRAME_BYTES];
        memset(&stream, 0, sizeof(stream));
        memcpy(bad, good, total);
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        rpc_feed(&stream, bad, total);
        assert_false(rpc_next(&stream, &frame));
    }
}

static void longest_frame_fits(void **state)
{
    uint8_t bytes[RPC_FRAME_BYTES];
    uint8_t payload[RPC_MAX_BYTES];
    struct rpc_frame frame;
    (void)state;
    memset(payload, 'M', sizeof(payload));
    size_t total = rpc_write(bytes, RPC_NIC, 7, payload, sizeof(payload));
    assert_int_equal(rpc_feed(&stream, bytes, total), total);
    assert_true(rpc_next(&stream, &frame));
}

/* ---- answers
 * ----------------------------------------------------------------------------------------------------- */

static void send_request(void)
{
    if (client_step(&client, now_ms)) {
        client.out_sent = client.out_bytes;
    }
}

static void answer(uint16_t status, const void *payload, size_t bytes)
{
    uint8_t frame[RPC_FRAME_BYTES];
    send_request();
    size_t total = frame_make(frame, client.asked, client.sequence, status, payload, bytes);
    client_take(&client, frame, total, now_ms);
}

static struct rpc_hello hello(void)
{
    return (struct rpc_hello){.function_count = 1, .nic_count = 1, .kernel = "6.12"};
}

static struct rpc_nic nic(void)
{
    return (struct rpc_nic){
        .slot = 42, .carrier = 1, .mac = {0x52, 0x54, 0, 1, 2, 3}, .driver = "virtio_net", .name = "eth0"};
}

static void greet(void)
{
    struct rpc_hello good = hello();
    answer(RPC_OK, &good, sizeof(good));
    assert_true(client.greeted);
}

static void nonsense_in_a_greeting_is_refused(void **state)
{
    struct rpc_hello bad = hello();
    (void)state;
    memset(bad.kernel, 'x', sizeof(bad.kernel));
    answer(RPC_OK, &bad, sizeof(bad));
    bad = hello();
    bad.kernel[1] = '\x1b';
    answer(RPC_OK, &bad, sizeof(bad));
    answer(RPC_OK, &bad, sizeof(bad) - 1);
    answer(RPC_STATUS_COUNT, NULL, 0);
    assert_false(client.greeted);
    assert_int_equal(client.bad_in_a_row, 4);
    greet();
    assert_int_equal(client.bad_in_a_row, 0);
}

static void more_ports_than_there_is_room_for_are_cut(void **state)
{
    struct rpc_hello many = hello();
    (void)state;
    many.nic_count = CLIENT_MAX_NICS + 1;
    many.function_count = UINT32_MAX;
    answer(RPC_OK, &many, sizeof(many));
    assert_true(client.greeted);
    assert_int_equal(client.nic_count, CLIENT_MAX_NICS);
    assert_int_equal(client.function_count, CLIENT_MAX_FUNCTIONS);
}

static void nonsense_about_a_port_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct rpc_nic bad = nic();
        bad.slot = i == 0 ? 64 : i == 1 ? 0 : bad.slot;
        bad.carrier = i == 2 ? 2 : bad.carrier;
        bad.mac[0] |= i == 3 ? 1 : 0;
        bad.name[3] = i == 4 ? '\n' : '0';
        begin(NULL);
        greet();
        answer(RPC_OK, &bad, sizeof(bad));
        assert_int_equal(client.bad_in_a_row, 1);
        assert_int_equal(client.nics[0].slot, 0);
    }
}

static void only_nonsense_means_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_false(client_is_lost(&client, now_ms));
        answer(RPC_OK, "x", 1);
    }
    assert_true(client_is_lost(&client, now_ms));
}

static void answer_to_an_older_request_is_ignored(void **state)
{
    uint8_t frame[RPC_FRAME_BYTES];
    struct rpc_hello good = hello();
    (void)state;
    send_request();
    size_t total = frame_make(frame, RPC_HELLO, client.sequence - 1, RPC_OK, &good, sizeof(good));
    client_take(&client, frame, total, now_ms);
    assert_false(client.greeted);
    assert_int_equal(client.bad_frames, 0);
    total = frame_make(frame, RPC_HELLO, client.sequence + 1, RPC_OK, &good, sizeof(good));
    client_take(&client, frame, total, now_ms);
    assert_false(client.greeted);
    assert_int_equal(client.bad_frames, 1);
}

static void answer_before_the_request_was_sent_is_ignored(void **state)
{
    uint8_t frame[RPC_FRAME_BYTES];
    struct rpc_hello good = hello();
    (void)state;
    client_step(&client, now_ms);
    size_t total = frame_make(frame, client.asked, client.sequence, RPC_OK, &good, sizeof(good));
    client_take(&client, frame, total, now_ms);
    assert_false(client.greeted);
}

static void request_without_answer_is_sent_again_and_the_late_answer_counts(void **state)
{
    uint8_t frame[RPC_FRAME_BYTES];
    struct rpc_hello good = hello();
    (void)state;
    send_request();
    uint32_t sequence = client.sequence;
    assert_false(client_step(&client, now_ms));
    now_ms += 2500;
    assert_true(client_step(&client, now_ms));
    client.out_sent = client.out_bytes;
    assert_int_equal(client.sequence, sequence);
    size_t total = frame_make(frame, RPC_HELLO, sequence, RPC_OK, &good, sizeof(good));
    client_take(&client, frame, total, now_ms);
    assert_true(client.greeted);
    client_take(&client, frame, total, now_ms); /* the answer to the second */
    assert_int_equal(client.bad_frames, 0);
}

static void silence_means_lost_after_patience(void **state)
{
    (void)state;
    greet();
    send_request();
    assert_true(client.asked != 0);
    assert_false(client_is_lost(&client, now_ms + 15000));
    assert_true(client_is_lost(&client, now_ms + 20000));
}

static void jack_that_changes_while_it_is_told_is_told_again(void **state)
{
    (void)state;
    greet();
    client_set_jack(&client, 10, 1);
    send_request();
    assert_int_equal(client.asked, RPC_SET_JACK);
    client_set_jack(&client, 10, 3);
    answer(RPC_OK, NULL, 0);
    assert_int_equal(client.jacks[10].state, JACK_TO_TELL);
    send_request();
    answer(RPC_OK, NULL, 0);
    assert_int_equal(client.jacks[10].state, JACK_CONFIRMED);
    assert_int_equal(client.jacks[10].features, 3);
}

static void refused_jack_is_told_again_with_the_next_heartbeat(void **state)
{
    (void)state;
    greet();
    struct rpc_nic good = nic();
    client_set_jack(&client, 10, 1);
    answer(RPC_E_NO_PORT, NULL, 0);
    assert_int_equal(client.jacks[10].state, JACK_REFUSED);
    answer(RPC_OK, &good, sizeof(good));
    now_ms += 30000;
    send_request();
    assert_int_equal(client.asked, RPC_HELLO);
    greet();
    send_request();
    assert_int_equal(client.asked, RPC_SET_JACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frame_is_found_byte_by_byte, begin),
        cmocka_unit_test_setup(rubbish_around_frames_is_skipped, begin),
        cmocka_unit_test_setup(frame_with_any_bit_wrong_is_refused, begin),
        cmocka_unit_test_setup(longest_frame_fits, begin),
        cmocka_unit_test_setup(nonsense_in_a_greeting_is_refused, begin),
        cmocka_unit_test_setup(more_ports_than_there_is_room_for_are_cut, begin),
        cmocka_unit_test_setup(nonsense_about_a_port_is_refused, begin),
        cmocka_unit_test_setup(only_nonsense_means_lost, begin),
        cmocka_unit_test_setup(answer_to_an_older_request_is_ignored, begin),
        cmocka_unit_test_setup(answer_before_the_request_was_sent_is_ignored, begin),
        cmocka_unit_test_setup(request_without_answer_is_sent_again_and_the_late_answer_counts, begin),
        cmocka_unit_test_setup(silence_means_lost_after_patience, begin),
        cmocka_unit_test_setup(jack_that_changes_while_it_is_told_is_told_again, begin),
        cmocka_unit_test_setup(refused_jack_is_told_again_with_the_next_heartbeat, begin),
    };
    return cmocka_run_group_tests_name("agent_rpc", tests, NULL, NULL);
}
