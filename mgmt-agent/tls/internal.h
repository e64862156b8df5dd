/* SPDX-License-Identifier: MIT */
/* What the files of tls/ share. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

/** Starts the random generator; more calls do nothing. @return 0, or -1 if there is no entropy */
int tls_crypto_start(void);

/** No new client is served until tls_serve(): the certificate is about to change. Sessions must not be open.
 */
void tls_retire(void);

/** A new certificate and key serve all connections from now on. */
int tls_serve(mbedtls_x509_crt *certificate, mbedtls_pk_context *key);

#endif
