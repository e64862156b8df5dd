/* SPDX-License-Identifier: MIT */
/* Frames in a stream that holds anything: what is found, what is skipped, and that nothing gets the reader
 * stuck. */
#include "drivervm_test.h"

static struct frame_reader reader;
static struct frame found;

static int setup(void **state)
{
    (void)state;
    reader = (struct frame_reader){0};
    return 0;
}

/* Feeds all bytes as the channel does. @return frames found; the last is in `found` */
static unsigned feed(const void *data, size_t count)
{
    /* A copy of its own, so that the sanitizer sees a read past the end. */
    uint8_t *bytes = malloc(count ? count : 1);
    memcpy(bytes, data, count);
    unsigned frames = 0;
    for (size_t taken = 0; taken < count;) {
        const size_t now = frame_feed(&reader, bytes + taken, count - taken);
        assert_true(now > 0);
        taken += now;
        frames += frame_next(&reader, &found);
    }
    while (frame_next(&reader, &found)) {
        frames++;
    }
    free(bytes);
    return frames;
}

static void frame_is_found_whole(void **state)
{
    (void)state;
    struct frame sent;
    const uint32_t index = 0x12345678;
    const size_t bytes = request_of(&sent, RPC_NIC, &index, sizeof index);
    assert_int_equal(feed(&sent, bytes), 1);
    assert_int_equal(found.header.type, RPC_NIC);
    assert_int_equal(found.header.sequence, 7);
    assert_memory_equal(found.payload, &index, sizeof index);
    assert_int_equal(reader.used, 0);
}

static void frame_is_found_when_it_comes_byte_by_byte(void **state)
{
    (void)state;
    struct frame sent;
    const size_t bytes = request_of(&sent, RPC_HELLO, NULL, 0);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(feed((const uint8_t *)&sent + i, 1), i + 1 == bytes);
    }
}

static void frame_of_greatest_size_is_found_after_any_garbage(void **state)
{
    (void)state;
    uint8_t payload[RPC_MAX_BYTES], stream[3 * sizeof(struct frame)];
    memset(payload, 0x55, sizeof payload);
    for (size_t garbage = 0; garbage < 2 * sizeof(struct frame); garbage += 7) {
        struct frame sent;
        const size_t bytes = request_of(&sent, RPC_SET_JACK, payload, sizeof payload);
        memset(stream, 'M', garbage);
        memcpy(stream + garbage, &sent, bytes);
        assert_int_equal(feed(stream, garbage + bytes), 1);
        assert_memory_equal(found.payload, payload, sizeof payload);
    }
}

static void frame_with_any_bit_flipped_is_no_frame(void **state)
{
    (void)state;
    const uint32_t index = 3;
    struct frame sent;
    const size_t bytes = request_of(&sent, RPC_FUNCTION, &index, sizeof index);
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        setup(NULL);
        struct frame wrong = sent;
        ((uint8_t *)&wrong)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(feed(&wrong, bytes), 0);
    }
}

static void frame_behind_one_that_claims_too_much_is_found(void **state)
{
    (void)state;
    struct {
        struct rpc_header liar;
        struct frame sent;
    } stream = {.liar = {.magic = RPC_MAGIC, .version = RPC_VERSION, .bytes = RPC_MAX_BYTES + 1}};
    const size_t bytes = request_of(&stream.sent, RPC_HELLO, NULL, 0);
    assert_int_equal(feed(&stream, sizeof stream.liar + bytes), 1);
}

/* The liar's 512 bytes must come before it shows; then everything behind its header counts. */
static void frames_inside_one_with_a_wrong_checksum_are_found(void **state)
{
    (void)state;
    struct frame hello;
    const size_t bytes = request_of(&hello, RPC_HELLO, NULL, 0);
    struct frame outer = {.header = {.magic = RPC_MAGIC, .version = RPC_VERSION, .bytes = RPC_MAX_BYTES}};
    const unsigned inside = (unsigned)(RPC_MAX_BYTES / bytes);
    for (unsigned i = 0; i < inside; i++) {
        memcpy(outer.payload + i * bytes, &hello, bytes);
    }
    assert_int_equal(feed(&outer, sizeof outer), inside);
}

static void checksum_is_the_one_of_ethernet(void **state)
{
    (void)state;
    struct frame frame = {.header = {.type = RPC_HELLO, .sequence = 1}};
    frame_seal(&frame);
    /* zlib.crc32 of the same 20 bytes */
    assert_int_equal(frame.header.crc32, 0x0ea06577u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frame_is_found_whole, setup),
        cmocka_unit_test_setup(frame_is_found_when_it_comes_byte_by_byte, setup),
        cmocka_unit_test_setup(frame_of_greatest_size_is_found_after_any_garbage, setup),
        cmocka_unit_test_setup(frame_with_any_bit_flipped_is_no_frame, setup),
        cmocka_unit_test_setup(frame_behind_one_that_claims_too_much_is_found, setup),
        cmocka_unit_test_setup(frames_inside_one_with_a_wrong_checksum_are_found, setup),
        cmocka_unit_test_setup(checksum_is_the_one_of_ethernet, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
