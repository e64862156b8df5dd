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

struct wrong {
    const char *text, *problem;
};

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

static void manifest_names_each_error_about_networks(void **state)
{
    static const struct wrong cases[] = {
        {HEAD PART("a", ",\"nics\":{}") LINKS(""), "manifest:2:68: /partitions/0/nics: this is an object; "
                                                   "wanted a list like [{\"network\": \"uplink\"}]"},
        {HEAD PART("a", NICS("{}")) LINKS(""),
         "manifest:2:69: /partitions/0/nics/0: field \"network\" is missing; wanted \"uplink\"; add it"},
        {HEAD PART("a", NICS("{\"network\":\"lan\"}")) LINKS(""),
         "manifest:2:80: /partitions/0/nics/0/network: \"lan\" is not known here; wanted \"uplink\""},
        {HEAD PART("a", NICS("{\"network\":\"uplink\",\"mac\":\"01:00:00:00:00:01\"}")) LINKS(""),
         "manifest:2:95: /partitions/0/nics/0/mac: \"01:00:00:00:00:01\" is no MAC address of a single port; "
         "wanted "
         "one like \"02:00:00:00:00:01\", or remove it: then it is derived"},
        {HEAD PART("a", NICS("{\"network\":\"uplink\",\"mac\":\"02:00:00:00:00:01\"}")) "," PART(
             "b", NICS("{\"network\":\"uplink\",\"mac\":\"02:00:00:00:00:01\"}")) LINKS(""),
         "manifest:2:212: /partitions/1/nics/0/mac: partition \"a\" has a nic with this MAC address already; "
         "give this "
         "one another"},
        {HEAD PART("a", NICS(UPLINK "," UPLINK "," UPLINK "," UPLINK "," UPLINK "," UPLINK "," UPLINK
                                    "," UPLINK "," UPLINK)) LINKS(""),
         "manifest:2:68: /partitions/0/nics: 9 nics; a partition has at most 8; remove some"},
        {HEAD PART("a", "") LINKS("{\"kind\":\"net\",\"between\":[\"a\",\"x\"]}"),
         "manifest:3:39: /links/0/between/1: there is no partition \"x\"; name one of this manifest"},
        {HEAD PART("a", "") LINKS("{\"kind\":\"net\",\"between\":[\"a\",\"a\"]}"),
         "manifest:3:34: /links/0/between: both ends are partition \"a\"; a link joins two different ones; "
         "name "
         "another"},
        {HEAD PART("a", "") LINKS("{\"kind\":\"net\",\"between\":[\"a\"]}"),
         "manifest:3:34: /links/0/between: a link joins two partitions; this list has 1; name two"},
        {HEAD PART("a", "") LINKS("{\"kind\":\"disk\",\"between\":[\"a\",\"a\"]}"),
         "manifest:3:18: /links/0/kind: \"disk\" is not known here; wanted \"net\" or \"console\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        manifest_text(cases[i].text);
        assert_true(problems.count >= 1);
        assert_string_equal(problems.text[0], cases[i].problem);
        assert_true(manifest.usable);
        assert_int_equal(manifest.link_count, 0);
    }
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

static void site_names_each_error(void **state)
{
    static const struct wrong cases[] = {
        {SITE("{\"address\":\"10.0.2.15\"}"), "site:2:22: /network/address: \"10.0.2.15\" is no address with "
                                              "prefix; wanted four numbers and the network's "
                                              "prefix of 1 to 30, for example \"192.0.2.10/24\""},
        {SITE("{\"address\":\"10.0.2.255/24\"}"), "site:2:22: /network/address: no host can have the address "
                                                  "\"10.0.2.255/24\"; give one of the site's network"},
        {SITE("{\"address\":\"010.0.2.1/24\"}"),
         "site:2:22: /network/address: \"010.0.2.1/24\" is no address with prefix; wanted four numbers and "
         "the "
         "network's prefix of 1 to 30, for example \"192.0.2.10/24\""},
        {SITE("{\"address\":\"10.0.2.15/24\",\"gateway\":\"10.0.3.2\"}"),
         "site:2:47: /network/gateway: the gateway lies outside the address's network /24; correct one of "
         "them"},
        {SITE("{\"gateway\":\"10.0.2.2\"}"),
         "site:2:11: /network: a gateway belongs to a static address; add \"address\" or remove \"gateway\""},
        {SITE("{\"dhcp\":false}"), "site:2:11: /network: without DHCP the box needs an address; add "
                                   "\"address\", or set \"dhcp\" to true"},
        {SITE("{\"uplink\":\"eth0\"}"), "site:2:21: /network/uplink: \"eth0\" names no port; wanted its MAC "
                                        "address like \"52:54:00:12:34:56\" or its "
                                        "PCI address like \"0000:00:03.0\""},
        {SITE("[]"), "site:2:11: /network: this is an array; wanted an object {...}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(site_text(cases[i].text));
        assert_int_equal(problems.count, 1);
        assert_string_equal(problems.text[0], cases[i].problem);
    }
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
        cmocka_unit_test(manifest_names_each_error_about_networks),
        cmocka_unit_test(manifest_with_an_error_in_a_link_keeps_its_partitions),
        cmocka_unit_test(ports_follow_from_the_manifest_alone),
        cmocka_unit_test(site_defaults_are_as_documented),
        cmocka_unit_test(site_reads_the_network),
        cmocka_unit_test(site_names_each_error),
        cmocka_unit_test(blank_uuids_are_none),
        cmocka_unit_test(host_name_is_the_sites_or_derived),
    };
    return cmocka_run_group_tests_name("agent_networks", tests, NULL, NULL);
}
