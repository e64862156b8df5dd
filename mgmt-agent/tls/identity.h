/* SPDX-License-Identifier: MIT */
/*
 * What the box shows to its clients: an ECDSA P-256 key and a certificate that it has signed itself. Kept as
 * one piece of bytes, so that it can outlive the agent.
 */
#ifndef TLS_IDENTITY_H
#define TLS_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#define TLS_IDENTITY_BYTES    2048u
#define TLS_FINGERPRINT_BYTES 96u

/**
 * Makes a new key and certificate.
 * @param name a host name, one label: the certificate's subject, refused if it is none
 * @param address an IPv4 address that the certificate names too, or NULL
 * @return 0 and the bytes used, or -1: see tls_identity_problem()
 */
int tls_identity_make(const char *name, const uint8_t address[4], uint8_t to[TLS_IDENTITY_BYTES],
                      size_t *bytes);

/** Takes an identity into service. @return 0, or -1 if the bytes are none: then make a new one */
int tls_identity_use(const uint8_t *from, size_t bytes);

/** Writes the SHA-256 of the certificate in service, "AB:CD:...", or an empty text. */
void tls_identity_fingerprint(char text[TLS_FINGERPRINT_BYTES]);

/** @return why there is no identity, "what: why: remedy", or NULL */
const char *tls_identity_problem(void);

#endif
