/* SPDX-License-Identifier: MIT */
/* TLS 1.3 as a layer over a stream. Memory for a client is taken when its first byte arrives, not before. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdint.h>

#include "http/stream.h"

struct tls_counters {
    uint64_t handshakes, failures; /* completed; begun and not completed */
};

/** Makes a secure stream out of a stream of bytes, which it takes over. @return NULL without memory or
 * identity */
struct stream *tls_open(struct stream *below);

/** A new turn: the steps of handshakes that take time are shared out again. */
void tls_turn(void);

const struct tls_counters *tls_counters(void);

#endif
