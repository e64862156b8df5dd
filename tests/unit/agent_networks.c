/* SPDX-License-Identifier: MIT */
/* Networks in manifest and site configuration: what is read, what is refused with which words, and which port
 * goes where. */
#include "agent_test.h"
#include "model/identity.h"
#include "model/manifest.h"
#include "model/ports.h"
#include "model/site.h"

#define HEAD "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Machine\",\"partitions\":[\n"
#define PART(n, more)                                                                                        \
    "{\"name\":\"" n "\",\"cpus\":1,\"memory\":\"64MiB\",\"boot\":{\"kernel\":\"k\"}" more "}"
#define NICS(list)  ",\"nics\":[" list "]"
#define LINKS(list) "],\n\"links\":[" list "]}"
#define UPLINK      "{\"network\":\"uplink\"}"
#define SITE(net)   "{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\",\n\"network\":" net "}"

static struct json json;
static struct manifest manifest;
static struct site site;
static struct problem_list problems;

static void manifest_text(const char *text)
{
    memset(&problems, 0, sizeof(problems));
    manifest_read(&manifest, &json, text, strlen(text), &problems);
}

static bool site_text(const char *text)
{
    memset(&problems, 0, sizeof(problems));
    return site_read(&json, text, strlen(text), &site, &problems);
}

static void manifest_reads_nics_and_links(void **state)
{
    (void)state;
    manifest_text(HEAD PART(
        "a", NICS(UPLINK ",{\"network\":\"uplink\",\"mac\":\"02:00:00:00:00:fE\"}")) "," PART("b", "")
                      LINKS("{\"kind\":\"net\",\"between\":[\"b\",\"a\"]},"
                            "{\"kind\":\"console\",\"between\":[\"a\",\"b\"]}"));
    assert_int_equal(problems.count, 0);
    assert_int_equal(manifest.partitions[0].nic_count, 2);
    assert_false(manifest.partitions[0].nics[0].has_mac);
    assert_int_equal(manifest.partitions[0].nics[1].mac[5], 0xfe);
    assert_int_equal(manifest.link_count, 2);
    assert_int_equal(manifest.links[0].ends[0], 1);
    assert_int_equal(manifest.links[1].kind, MULLION_PORT_CONSOLE);
}

static void manifest_with_an_error_in_a_link_keeps_its_partitions(void **state)
{
    (void)state;
    manifest_text(HEAD PART("a", "") "," PART("b", "") LINKS(
        "{\"kind\":\"net\",\"between\":[\"a\",\"x\"]},{\"kind\":\"net\",\"between\":[\"a\",\"b\"]}"));
    assert_int_equal(problems.count, 1);
    assert_true(manifest.partitions[0].valid && manifest.partitions[1].valid);
    assert_int_equal(manifest.link_count, 1);
}

static void ports_follow_from_the_manifest_alone(void **state)
{
    struct port_plan plans[PORT_MAX];
    (void)state;
    manifest_text(HEAD PART("a", NICS(UPLINK)) "," PART("b", NICS(UPLINK "," UPLINK)) LINKS(
        "{\"kind\":\"net\",\"between\":[\"a\",\"b\"]},{\"kind\":\"console\",\"between\":[\"b\",\"a\"]}"));
    assert_int_equal(ports_plan(&manifest, 0, plans), 3);
    assert_int_equal(plans[0].peer_slot, DRIVER_SLOT_JACKS);
    assert_int_equal(plans[1].slot, PORT_FIRST_SLOT + 1);
    assert_int_equal(plans[1].peer, 1);
    assert_int_equal(plans[1].peer_slot, PORT_FIRST_SLOT + 2);
    assert_int_equal(plans[2].kind, MULLION_PORT_CONSOLE);
    assert_int_equal(plans[2].peer_slot, PORT_FIRST_SLOT + 3);
    assert_int_equal(ports_plan(&manifest, 1, plans), 4);
    assert_int_equal(plans[0].peer_slot, DRIVER_SLOT_JACKS + 1);
    assert_int_equal(plans[1].peer_slot, DRIVER_SLOT_JACKS + 2);
    assert_int_equal(plans[2].peer, 0);
    assert_int_equal(plans[2].peer_slot, PORT_FIRST_SLOT + 1);
    assert_int_equal(plans[2].index, 2);
}

/* ---- site
 * -------------------------------------------------------------------------------------------------------- */

static void site_defaults_are_as_documented(void **state)
{
    (void)state;
    assert_true(site_text("{\"apiVersion\":\"mullion/v1\",\"kind\":\"Site\",\"name\":\"box\"}"));
    assert_true(site.dhcp);
    assert_false(site.has_address);
    assert_int_equal(site.uplink, UPLINK_ANY);
    assert_true(site_text(SITE("{\"address\":\"192.0.2.10/24\"}")));
    assert_false(site.dhcp);
    assert_true(site_text(SITE("{\"address\":\"192.0.2.10/24\",\"dhcp\":true}")));
    assert_true(site.dhcp && site.has_address);
}

static void site_reads_the_network(void **state)
{
    (void)state;
    assert_true(site_text(SITE("{\"dhcp\":false,\"address\":\"10.0.2.15/"
                               "24\",\"gateway\":\"10.0.2.2\",\"uplink\":\"0000:01:02.3\"}")));
    assert_int_equal(site.address[3], 15);
    assert_int_equal(site.prefix, 24);
    assert_int_equal(site.gateway[3], 2);
    assert_int_equal(site.uplink, UPLINK_PCI);
    assert_int_equal(site.uplink_bdf, 0x0113);
    assert_true(site_text(SITE("{\"uplink\":\"52:54:00:12:34:56\"}")));
    assert_int_equal(site.uplink, UPLINK_MAC);
    assert_int_equal(site.uplink_mac[5], 0x56);
}

/* The texts of errors stand in tests/unit/golden/. */
static void site_keeps_what_is_right(void **state)
{
    (void)state;
    assert_false(site_text(SITE("{\"address\":\"10.0.2.15/24\",\"gateway\":\"10.0.3.2\"}")));
    assert_true(site.has_address);
    assert_false(site.has_gateway);
    assert_false(site_text(SITE("{\"dhcp\":false}")));
    assert_true(site.dhcp);
    assert_false(site_text(SITE("[]")));
    assert_true(site.dhcp);
}

/* ---- identity
 * ---------------------------------------------------------------------------------------------------- */

static void blank_uuids_are_none(void **state)
{
    static const char *const blank[] = {"",
                                        "uuid=",
                                        "uuid=none",
                                        "uuid=00000000-0000-0000-0000-000000000000",
                                        "uuid=FFFFFFFF-ffff-ffff-ffff-ffffffffffff",
                                        "uuid=03000200-0400-0500-0006-000700080009",
                                        "uuid=12345678-1234-5678-9abc-def01234567",
                                        "uuid=12345678-1234-5678-9abc-def0123456789"};
    uint8_t seed[STATE_SEED_BYTES];
    (void)state;
    for (size_t i = 0; i < COUNT(blank); i++) {
        assert_int_equal(identity_from_words(blank[i], seed), IDENTITY_NONE);
    }
    assert_int_equal(identity_from_words("uuid=12345678-1234-5678-9ABC-def012345678", seed), IDENTITY_UUID);
    assert_int_equal(seed[9], 0xbc);
}

static void host_name_is_the_sites_or_derived(void **state)
{
    uint8_t seed[STATE_SEED_BYTES] = {1};
    char name[32];
    (void)state;
    identity_host_name(seed, "rack-7", name, sizeof(name));
    assert_string_equal(name, "rack-7");
    identity_host_name(seed, "Rack 7", name, sizeof(name));
    assert_int_equal(strncmp(name, "mullion-", 8), 0);
    assert_int_equal(strlen(name), 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_reads_nics_and_links),
        cmocka_unit_test(manifest_with_an_error_in_a_link_keeps_its_partitions),
        cmocka_unit_test(ports_follow_from_the_manifest_alone),
        cmocka_unit_test(site_defaults_are_as_documented),
        cmocka_unit_test(site_reads_the_network),
        cmocka_unit_test(site_keeps_what_is_right),
        cmocka_unit_test(blank_uuids_are_none),
        cmocka_unit_test(host_name_is_the_sites_or_derived),
    };
    return cmocka_run_group_tests_name("agent_networks", tests, NULL, NULL);
}
