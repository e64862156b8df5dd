/* SPDX-License-Identifier: MIT */
/* The box's identity: what is made can be used again, byte for byte, and nothing else can. */
#include <mbedtls/x509_crt.h>

#include "agent_test.h"
#include "model/identity.h"
#include "tls/identity.h"
#include "tls/tls.h"

static uint8_t identity[TLS_IDENTITY_BYTES];
static size_t bytes;

static int make(void **state)
{
    (void)state;
    static const uint8_t address[4] = {192, 0, 2, 7};
    return tls_identity_make("rack-7", address, identity, &bytes);
}

static void identity_is_kept_by_its_bytes(void **state)
{
    (void)state;
    char first[TLS_FINGERPRINT_BYTES];
    char second[TLS_FINGERPRINT_BYTES];
    assert_int_equal(tls_identity_use(identity, bytes), 0);
    tls_identity_fingerprint(first);
    assert_int_equal(strlen(first), 32 * 3 - 1);
    assert_int_equal(tls_identity_use(identity, bytes), 0);
    tls_identity_fingerprint(second);
    assert_string_equal(first, second);
    print_message("identity: %zu bytes\n", bytes);
}

static void each_identity_is_its_own(void **state)
{
    (void)state;
    uint8_t other[TLS_IDENTITY_BYTES];
    size_t other_bytes;
    assert_int_equal(tls_identity_make("rack-7", NULL, other, &other_bytes), 0);
    assert_memory_not_equal(identity, other, 100);
}

static void longest_name_fits(void **state)
{
    (void)state;
    uint8_t other[TLS_IDENTITY_BYTES];
    size_t other_bytes;
    assert_int_equal(tls_identity_make("a123456789b123456789c123456789d", NULL, other, &other_bytes), 0);
    assert_int_equal(tls_identity_use(other, other_bytes), 0);
}

/* The certificate behind the key: see tls/identity.c for the lengths before both. */
static void read_certificate(const uint8_t *from, mbedtls_x509_crt *certificate)
{
    size_t key_bytes = from[0] | (size_t)from[1] << 8;
    size_t certificate_bytes = from[2] | (size_t)from[3] << 8;
    mbedtls_x509_crt_init(certificate);
    assert_int_equal(mbedtls_x509_crt_parse_der(certificate, from + 4 + key_bytes, certificate_bytes), 0);
}

static void any_site_name_gives_a_certificate_with_one_plain_host_name(void **state)
{
    (void)state;
    static const char *const names[] = {"rack-7",
                                        "",
                                        "Rack 7, Berlin",
                                        "a=b,c",
                                        "lab\\",
                                        "x+CN=y",
                                        "#0403",
                                        "f\xc3\xbc\x6e\x66",
                                        "box.local",
                                        "O=Other;CN=z",
                                        "\"quoted",
                                        "tail-",
                                        " ",
                                        "UPPER",
                                        "<angle>"};
    static const uint8_t seed[STATE_SEED_BYTES] = {1, 2, 3};
    for (size_t i = 0; i < COUNT(names); i++) {
        char host[32];
        char subject[128];
        char expected[128];
        mbedtls_x509_crt certificate;
        identity_host_name(seed, names[i], host, sizeof(host));
        assert_int_equal(strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(host));
        assert_true(host[0] != '-' && host[strlen(host) - 1] != '-');
        assert_int_equal(tls_identity_make(host, NULL, identity, &bytes), 0);
        read_certificate(identity, &certificate);
        assert_true(mbedtls_x509_dn_gets(subject, sizeof(subject), &certificate.subject) > 0);
        snprintf(expected, sizeof(expected), "CN=%s, O=Mullion", host);
        assert_string_equal(subject, expected);
        mbedtls_x509_crt_free(&certificate);
    }
}

static void name_that_would_need_quoting_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a,b", "a+b", "a\\", "a=b", "#a", "a b", "f\xc3\xbcnf", "A"};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(tls_identity_make(names[i], NULL, identity, &bytes), -1);
        assert_non_null(tls_identity_problem());
    }
}

static void damaged_identity_is_not_used(void **state)
{
    (void)state;
    uint8_t copy[TLS_IDENTITY_BYTES] = {0};
    char text[TLS_FINGERPRINT_BYTES];
    assert_int_equal(tls_identity_use(copy, 0), -1);
    assert_int_equal(tls_identity_use(copy, sizeof(copy)), -1);
    for (size_t cut = 0; cut < bytes; cut += 7) {
        memcpy(copy, identity, bytes);
        assert_int_equal(tls_identity_use(copy, cut), -1);
    }
    memcpy(copy, identity, bytes);
    copy[20] ^= 1; /* in the private key: it no longer belongs to the certificate */
    assert_int_equal(tls_identity_use(copy, bytes), -1);
    tls_identity_fingerprint(text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(identity_is_kept_by_its_bytes, make),
        cmocka_unit_test_setup(each_identity_is_its_own, make),
        cmocka_unit_test(longest_name_fits),
        cmocka_unit_test(any_site_name_gives_a_certificate_with_one_plain_host_name),
        cmocka_unit_test(name_that_would_need_quoting_is_refused),
        cmocka_unit_test_setup(damaged_identity_is_not_used, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
