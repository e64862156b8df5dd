/* SPDX-License-Identifier: MIT */
#include "tls/identity.h"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <string.h>

#include "tls/internal.h"

#define HEAD_BYTES   4u /* lengths of key and certificate, little-endian, before both in DER */
#define SERIAL_BYTES 16u
#define LABEL_CHARS  "abcdefghijklmnopqrstuvwxyz0123456789-" /* others would need quoting in a subject */
#define NOT_BEFORE   "20200101000000"
#define NOT_AFTER    "99991231235959" /* RFC 5280, 4.1.2.5: no end that would be known */

static mbedtls_pk_context key;
static mbedtls_x509_crt certificate;
static uint8_t digest[32];
static const char *problem;

static int key_make(mbedtls_pk_context *fresh)
{
    int error = mbedtls_pk_setup(fresh, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return error != 0 ? error
                      : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*fresh),
                                            mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
}

static void alternative_name(mbedtls_x509_san_list *item, int type, const void *data, size_t bytes)
{
    *item = (mbedtls_x509_san_list){.node = {.type = type}};
    item->node.san.unstructured_name.p = (unsigned char *)data;
    item->node.san.unstructured_name.len = bytes;
}

static int describe(mbedtls_x509write_cert *request, const char *name, const uint8_t address[4])
{
    char subject[128];
    if (name[0] == 0 || name[strspn(name, LABEL_CHARS)] != 0) {
        return MBEDTLS_ERR_X509_INVALID_NAME;
    }
    uint8_t serial[SERIAL_BYTES];
    mbedtls_x509_san_list names[2];
    snprintf(subject, sizeof(subject), "CN=%s,O=Mullion", name);
    alternative_name(&names[0], MBEDTLS_X509_SAN_DNS_NAME, name, strlen(name));
    if (address != NULL) {
        alternative_name(&names[1], MBEDTLS_X509_SAN_IP_ADDRESS, address, 4);
        names[0].next = &names[1];
    }
    int error = mbedtls_psa_get_random(MBEDTLS_PSA_RANDOM_STATE, serial, sizeof(serial));
    serial[0] &= 0x7f; /* a positive number, RFC 5280, 4.1.2.2 */
    serial[0] |= 0x40;
    mbedtls_asn1_sequence use = {.buf = {.tag = MBEDTLS_ASN1_OID,
                                         .len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH),
                                         .p = (unsigned char *)MBEDTLS_OID_SERVER_AUTH}};
    mbedtls_x509write_crt_set_version(request, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(request, MBEDTLS_MD_SHA256);
    error = error != 0 ? error : mbedtls_x509write_crt_set_serial_raw(request, serial, sizeof(serial));
    error = error != 0 ? error : mbedtls_x509write_crt_set_subject_name(request, subject);
    error = error != 0 ? error : mbedtls_x509write_crt_set_issuer_name(request, subject);
    error = error != 0 ? error : mbedtls_x509write_crt_set_validity(request, NOT_BEFORE, NOT_AFTER);
    error = error != 0 ? error : mbedtls_x509write_crt_set_basic_constraints(request, 0, -1);
    error =
        error != 0 ? error : mbedtls_x509write_crt_set_key_usage(request, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    error = error != 0 ? error : mbedtls_x509write_crt_set_ext_key_usage(request, &use);
    return error != 0 ? error : mbedtls_x509write_crt_set_subject_alternative_name(request, names);
}

/* DER writers fill a buffer from its end. */
static int store(mbedtls_pk_context *fresh, mbedtls_x509write_cert *request, uint8_t to[TLS_IDENTITY_BYTES],
                 size_t *bytes)
{
    uint8_t scratch[TLS_IDENTITY_BYTES];
    int key_bytes = mbedtls_pk_write_key_der(fresh, scratch, sizeof(scratch));
    if (key_bytes <= 0 || (size_t)key_bytes > TLS_IDENTITY_BYTES / 2) {
        return -1;
    }
    memcpy(to + HEAD_BYTES, scratch + sizeof(scratch) - key_bytes, (size_t)key_bytes);
    memset(scratch, 0, sizeof(scratch));
    int certificate_bytes = mbedtls_x509write_crt_der(request, scratch, sizeof(scratch),
                                                      mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    *bytes = HEAD_BYTES + (size_t)key_bytes + (size_t)certificate_bytes;
    if (certificate_bytes <= 0 || *bytes > TLS_IDENTITY_BYTES) {
        return -1;
    }
    memcpy(to + HEAD_BYTES + key_bytes, scratch + sizeof(scratch) - certificate_bytes,
           (size_t)certificate_bytes);
    const uint8_t head[HEAD_BYTES] = {(uint8_t)key_bytes, (uint8_t)(key_bytes >> 8),
                                      (uint8_t)certificate_bytes, (uint8_t)(certificate_bytes >> 8)};
    memcpy(to, head, sizeof(head));
    return 0;
}

int tls_identity_make(const char *name, const uint8_t address[4], uint8_t to[TLS_IDENTITY_BYTES],
                      size_t *bytes)
{
    if (tls_crypto_start() != 0) {
        problem =
            "https: the CPU has neither RDRAND nor RDSEED, so no key can be made: the API stays off; use a "
            "CPU that has one of them";
        return -1;
    }
    mbedtls_pk_context fresh;
    mbedtls_x509write_cert request;
    mbedtls_pk_init(&fresh);
    mbedtls_x509write_crt_init(&request);
    int error = key_make(&fresh);
    if (error == 0) {
        mbedtls_x509write_crt_set_subject_key(&request, &fresh);
        mbedtls_x509write_crt_set_issuer_key(&request, &fresh);
        error = describe(&request, name, address);
    }
    error = error != 0 ? error : store(&fresh, &request, to, bytes);
    mbedtls_x509write_crt_free(&request);
    mbedtls_pk_free(&fresh);
    problem = error != 0 ? "https: the certificate could not be made: the API stays off; report this" : NULL;
    return error != 0 ? -1 : 0;
}

static void forget(void)
{
    tls_retire();
    mbedtls_pk_free(&key);
    mbedtls_x509_crt_free(&certificate);
    mbedtls_pk_init(&key);
    mbedtls_x509_crt_init(&certificate);
}

/* A key that belongs to the certificate, both wholly inside the bytes. */
static int take(const uint8_t *from, size_t bytes)
{
    size_t key_bytes = bytes >= HEAD_BYTES ? from[0] | (size_t)from[1] << 8 : 0;
    size_t certificate_bytes = bytes >= HEAD_BYTES ? from[2] | (size_t)from[3] << 8 : 0;
    if (key_bytes == 0 || certificate_bytes == 0 || bytes != HEAD_BYTES + key_bytes + certificate_bytes) {
        return -1;
    }
    const uint8_t *at = from + HEAD_BYTES;
    if (mbedtls_pk_parse_key(&key, at, key_bytes, NULL, 0, mbedtls_psa_get_random,
                             MBEDTLS_PSA_RANDOM_STATE) != 0 ||
        mbedtls_x509_crt_parse_der(&certificate, at + key_bytes, certificate_bytes) != 0 ||
        mbedtls_pk_check_pair(&certificate.pk, &key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0) {
        return -1;
    }
    return mbedtls_sha256(at + key_bytes, certificate_bytes, digest, 0);
}

int tls_identity_use(const uint8_t *from, size_t bytes)
{
    if (tls_crypto_start() != 0) {
        return -1;
    }
    forget();
    if (take(from, bytes) != 0) {
        forget();
        return -1;
    }
    return tls_serve(&certificate, &key);
}

void tls_identity_fingerprint(char text[TLS_FINGERPRINT_BYTES])
{
    text[0] = 0;
    for (size_t i = 0; certificate.raw.len > 0 && i < sizeof(digest); i++) {
        snprintf(text + 3 * i, TLS_FINGERPRINT_BYTES - 3 * i, "%02X%s", digest[i],
                 i + 1 < sizeof(digest) ? ":" : "");
    }
}

const char *tls_identity_problem(void)
{
    return problem;
}
