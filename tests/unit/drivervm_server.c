/* SPDX-License-Identifier: MIT */
/* Requests of the agent and their answers, with a switch and a bus that only write down what they are asked.
 */
#include "drivervm_test.h"
#include "init/functions.h"
#include "init/power.h"
#include "init/server.h"
#include "net/switch.h"

static int switch_result;
static unsigned switch_calls;
static struct rpc_uplink uplink;
static struct rpc_jack jack;
static bool is_off_wanted;

uint32_t functions_count(void)
{
    return 2;
}

bool functions_describe(uint32_t index, struct rpc_function *answer)
{
    answer->slot = 8 + index;
    return index < 2;
}

uint32_t switch_nic_count(void)
{
    return 1;
}

bool switch_describe_nic(uint32_t index, struct rpc_nic *answer)
{
    answer->sent_bytes = 0x0102030405060708u;
    return index < 1;
}

int switch_set_uplink(uint32_t slot, const uint8_t mac[6])
{
    switch_calls++;
    uplink.slot = slot;
    memcpy(uplink.mac, mac, sizeof uplink.mac);
    return switch_result;
}

int switch_set_jack(uint32_t slot, bool in_bridge, uint64_t features)
{
    switch_calls++;
    jack = (struct rpc_jack){slot, in_bridge, features};
    return switch_result;
}

void power_off_soon(void)
{
    is_off_wanted = true;
}

static struct frame request, answer;

static int setup(void **state)
{
    (void)state;
    switch_result = 0;
    switch_calls = 0;
    is_off_wanted = false;
    return 0;
}

static uint16_t ask(uint8_t type, const void *payload, uint16_t bytes)
{
    request_of(&request, type, payload, bytes);
    const size_t size = server_answer(&request, &answer);
    struct frame_reader reader = {0};
    struct frame read;
    assert_int_equal(frame_feed(&reader, (const uint8_t *)&answer, size), size);
    assert_true(frame_next(&reader, &read));
    assert_int_equal(read.header.type, type);
    assert_int_equal(read.header.sequence, 7);
    return read.header.status;
}

static void hello_counts_ports_and_names_the_kernel(void **state)
{
    (void)state;
    assert_int_equal(ask(RPC_HELLO, NULL, 0), RPC_OK);
    struct rpc_hello hello;
    assert_int_equal(answer.header.bytes, sizeof hello);
    memcpy(&hello, answer.payload, sizeof hello);
    assert_int_equal(hello.function_count, 2);
    assert_int_equal(hello.nic_count, 1);
    assert_true(hello.kernel[0] != '\0');
    assert_int_equal(hello.kernel[sizeof hello.kernel - 1], 0);
}

static void lists_end_at_their_count(void **state)
{
    (void)state;
    static const uint32_t past[] = {2, 3, 0x7fffffff, 0xffffffff};
    const uint32_t last = 1;
    assert_int_equal(ask(RPC_FUNCTION, &last, sizeof last), RPC_OK);
    assert_int_equal(answer.header.bytes, sizeof(struct rpc_function));
    assert_int_equal(ask(RPC_NIC, &last, sizeof last), RPC_E_RANGE);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(ask(RPC_FUNCTION, &past[i], sizeof past[i]), RPC_E_RANGE);
        assert_int_equal(answer.header.bytes, 0);
    }
}

static void uplink_is_passed_on_and_its_failure_comes_back(void **state)
{
    (void)state;
    const struct rpc_uplink wanted = {.slot = 24, .mac = {1, 2, 3, 4, 5, 6}};
    assert_int_equal(ask(RPC_SET_UPLINK, &wanted, sizeof wanted), RPC_OK);
    assert_memory_equal(&uplink, &wanted, sizeof wanted);
    assert_int_equal(answer.header.bytes, 0);
    switch_result = -16;
    assert_int_equal(ask(RPC_SET_UPLINK, &wanted, sizeof wanted), RPC_E_KERNEL);
    assert_int_equal(answer.header.detail, 16);
    switch_result = -SWITCH_NO_PORT;
    assert_int_equal(ask(RPC_SET_UPLINK, &wanted, sizeof wanted), RPC_E_NO_PORT);
}

static void jack_is_passed_on_if_it_is_in_or_out(void **state)
{
    (void)state;
    const struct rpc_jack wanted = {9, 1, 0x8000000000000183u};
    const struct rpc_jack odd = {9, 2, 0};
    assert_int_equal(ask(RPC_SET_JACK, &wanted, sizeof wanted), RPC_OK);
    assert_memory_equal(&jack, &wanted, sizeof wanted);
    assert_int_equal(ask(RPC_SET_JACK, &odd, sizeof odd), RPC_E_RANGE);
    assert_int_equal(switch_calls, 1);
}

static void request_of_any_wrong_size_does_nothing(void **state)
{
    (void)state;
    static const uint16_t right[RPC_TYPE_COUNT] = {
        [RPC_FUNCTION] = 4, [RPC_NIC] = 4, [RPC_SET_UPLINK] = 16, [RPC_SET_JACK] = 16};
    uint8_t payload[RPC_MAX_BYTES] = {0};
    for (unsigned type = RPC_HELLO; type <= RPC_POWER_OFF; type++) {
        for (uint16_t bytes = 0; bytes <= RPC_MAX_BYTES; bytes++) {
            if (bytes != right[type]) {
                assert_int_equal(ask((uint8_t)type, payload, bytes), RPC_E_SIZE);
            }
        }
    }
    assert_int_equal(switch_calls, 0);
    assert_false(is_off_wanted);
}

static void unknown_type_and_the_unasked_one_are_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        if (type < RPC_HELLO || type > RPC_POWER_OFF) {
            assert_int_equal(ask((uint8_t)type, NULL, 0), RPC_E_TYPE);
        }
    }
}

static void other_version_is_refused_before_anything_else(void **state)
{
    (void)state;
    request = (struct frame){.header = {.version = 2, .type = RPC_POWER_OFF}};
    server_answer(&request, &answer);
    assert_int_equal(answer.header.status, RPC_E_VERSION);
    assert_int_equal(answer.header.version, RPC_VERSION);
    assert_false(is_off_wanted);
}

static void power_off_is_answered_first(void **state)
{
    (void)state;
    assert_int_equal(ask(RPC_POWER_OFF, NULL, 0), RPC_OK);
    assert_true(is_off_wanted);
}

static void change_is_told_without_number_or_payload(void **state)
{
    (void)state;
    assert_int_equal(server_changed(&answer), sizeof answer.header);
    assert_int_equal(answer.header.type, RPC_CHANGED);
    assert_int_equal(answer.header.sequence, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hello_counts_ports_and_names_the_kernel, setup),
        cmocka_unit_test_setup(lists_end_at_their_count, setup),
        cmocka_unit_test_setup(uplink_is_passed_on_and_its_failure_comes_back, setup),
        cmocka_unit_test_setup(jack_is_passed_on_if_it_is_in_or_out, setup),
        cmocka_unit_test_setup(request_of_any_wrong_size_does_nothing, setup),
        cmocka_unit_test_setup(unknown_type_and_the_unasked_one_are_refused, setup),
        cmocka_unit_test_setup(other_version_is_refused_before_anything_else, setup),
        cmocka_unit_test_setup(power_off_is_answered_first, setup),
        cmocka_unit_test_setup(change_is_told_without_number_or_payload, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
