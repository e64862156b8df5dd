/* SPDX-License-Identifier: MIT */
/* Which of the kernel's offloads suit a guest's virtio-net features. */
#include "drivervm_test.h"
#include "net/offload.h"

static void offload_suits_only_who_negotiated_it(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t features;
        bool suits;
    } cases[] = {
        {"tx-checksum-ip-generic", 0, false},
        {"tx-checksum-ip-generic", 1u << 1, true},
        {"tx-tcp-segmentation", 1u << 7, false}, /* segments need the checksum offload, too */
        {"tx-tcp-segmentation", 1u << 7 | 1u << 1, true},
        {"tx-tcp-segmentation", 1u << 8 | 1u << 1, false},
        {"tx-tcp6-segmentation", 1u << 8 | 1u << 1, true},
        {"tx-tcp-ecn-segmentation", 1u << 7 | 1u << 1, false},
        {"tx-udp-segmentation", 1ull << 54 | 1u << 1,
         false}, /* Linux has one switch for both versions of IP */
        {"tx-udp-segmentation", 3ull << 54 | 1u << 1, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_ours = false;
        assert_int_equal(offload_suits(cases[i].name, cases[i].features, &is_ours), cases[i].suits);
        assert_true(is_ours);
    }
}

static void offload_of_no_matter_to_the_guest_is_left_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"", "tx-generic-segmentation", "rx-gro", "tx-tcp",
                                        "tx-tcp-segmentation2"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool is_ours = true;
        assert_true(offload_suits(names[i], 0, &is_ours));
        assert_false(is_ours);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offload_suits_only_who_negotiated_it),
        cmocka_unit_test(offload_of_no_matter_to_the_guest_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
