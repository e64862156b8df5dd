/* SPDX-License-Identifier: MIT */
#include "tls/tls.h"

#include <mbedtls/entropy.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>
#include <stdlib.h>

#include "os/os.h"
#include "tls/internal.h"

#define COSTLY_STEPS 1u /* in one turn, of all clients together: nothing else happens meanwhile */

enum session_state {
    SESSION_QUIET, /* not a byte has come */
    SESSION_HANDSHAKE,
    SESSION_OPEN,
    SESSION_FAILED,
};

struct session {
    struct stream stream;
    struct stream *below;
    enum session_state state;
    bool has_first; /* `first` was read, mbedTLS has not had it yet */
    unsigned char first;
    mbedtls_ssl_context ssl; /* set up from SESSION_HANDSHAKE on */
};

static mbedtls_ssl_config config;
static bool has_config;
static struct tls_counters counters;
static unsigned costly_steps; /* that this turn may still do */

/* ---- what mbedTLS asks of us ------------------------------------------------------------------------------
 */

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t bytes, size_t *given);

int mbedtls_hardware_poll(void *data, unsigned char *output, size_t bytes, size_t *given)
{
    (void)data;
    if (os_random(output, bytes) != 0) {
        return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
    }
    *given = bytes;
    return 0;
}

static int receive(void *context, unsigned char *to, size_t room)
{
    struct session *s = context;
    if (s->has_first) {
        s->has_first = false;
        *to = s->first;
        return 1;
    }
    long bytes = stream_read(s->below, to, room);
    return bytes == STREAM_END ? 0 : bytes == 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)bytes;
}

static int transmit(void *context, const unsigned char *from, size_t bytes)
{
    struct session *s = context;
    long taken = stream_write(s->below, from, bytes);
    return taken == STREAM_END ? MBEDTLS_ERR_SSL_CONN_EOF
           : taken == 0        ? MBEDTLS_ERR_SSL_WANT_WRITE
                               : (int)taken;
}

/* ---- the layer --------------------------------------------------------------------------------------------
 */

static bool is_wait(int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

/* The first byte makes a client worth its memory. */
static long begin(struct session *s)
{
    long bytes = stream_read(s->below, &s->first, 1);
    if (bytes <= 0) {
        return bytes;
    }
    s->has_first = s->stream.heard = true;
    mbedtls_ssl_init(&s->ssl);
    s->state = SESSION_HANDSHAKE;
    if (mbedtls_ssl_setup(&s->ssl, &config) != 0) {
        return STREAM_END;
    }
    mbedtls_ssl_set_bio(&s->ssl, s, transmit, receive, NULL);
    return 1;
}

/* The steps with the key: an exchange of keys and a signature. */
static bool is_costly(const struct session *s)
{
    int step = s->ssl.MBEDTLS_PRIVATE(state);
    return step == MBEDTLS_SSL_SERVER_HELLO || step == MBEDTLS_SSL_CERTIFICATE_VERIFY;
}

/* Goes on as far as input and this turn's share allow. */
static int shake_on(struct session *s)
{
    int result = 0;
    s->stream.hungry = false;
    while (result == 0 && !mbedtls_ssl_is_handshake_over(&s->ssl)) {
        if (is_costly(s) && costly_steps == 0) {
            s->stream.hungry = true;
            return MBEDTLS_ERR_SSL_WANT_READ;
        }
        costly_steps -= is_costly(s);
        result = mbedtls_ssl_handshake_step(&s->ssl);
    }
    return result;
}

static long shake_hands(struct session *s)
{
    int result = shake_on(s);
    stream_flush(s->below);
    if (result == 0) {
        s->state = SESSION_OPEN;
        counters.handshakes++;
        return 1;
    }
    if (!is_wait(result)) {
        s->state = SESSION_FAILED;
        counters.failures++;
        return STREAM_END;
    }
    return 0;
}

static long read_(struct stream *stream, void *to, size_t room)
{
    struct session *s = (struct session *)stream;
    long ready = s->state == SESSION_QUIET ? begin(s) : 1;
    if (ready > 0 && s->state == SESSION_HANDSHAKE) {
        ready = shake_hands(s);
    }
    if (ready <= 0 || s->state != SESSION_OPEN) {
        return ready <= 0 ? ready : STREAM_END;
    }
    int bytes = mbedtls_ssl_read(&s->ssl, to, room);
    return bytes > 0 ? bytes : is_wait(bytes) ? 0 : STREAM_END;
}

static long write_(struct stream *stream, const void *from, size_t bytes)
{
    struct session *s = (struct session *)stream;
    if (s->state != SESSION_OPEN) {
        return STREAM_END;
    }
    int taken = mbedtls_ssl_write(&s->ssl, from, bytes);
    return taken > 0 ? taken : is_wait(taken) ? 0 : STREAM_END;
}

static void flush(struct stream *stream)
{
    stream_flush(((struct session *)stream)->below);
}

static void finish(struct stream *stream)
{
    struct session *s = (struct session *)stream;
    if (s->state == SESSION_OPEN) {
        mbedtls_ssl_close_notify(&s->ssl);
    }
    stream_flush(s->below);
    stream_finish(s->below);
}

static void close_(struct stream *stream, bool abort)
{
    struct session *s = (struct session *)stream;
    counters.failures += s->state == SESSION_HANDSHAKE;
    if (s->state != SESSION_QUIET) {
        mbedtls_ssl_free(&s->ssl);
    }
    stream_close(s->below, abort);
    free(s);
}

static void keep(struct stream *stream)
{
    stream_keep(((struct session *)stream)->below);
}

static const struct stream_operations operations = {
    .read = read_, .write = write_, .flush = flush, .finish = finish, .close = close_, .keep = keep};

struct stream *tls_open(struct stream *below)
{
    struct session *s = has_config ? calloc(1, sizeof(*s)) : NULL;
    if (s == NULL) {
        return NULL;
    }
    s->stream.operations = &operations;
    s->below = below;
    s->stream.source = below->source;
    return &s->stream;
}

void tls_turn(void)
{
    costly_steps = COSTLY_STEPS;
}

int tls_crypto_start(void)
{
    unsigned char probe;
    return os_random(&probe, 1) == 0 && psa_crypto_init() == PSA_SUCCESS ? 0 : -1;
}

void tls_retire(void)
{
    if (has_config) {
        mbedtls_ssl_config_free(&config);
    }
    has_config = false;
}

int tls_serve(mbedtls_x509_crt *certificate, mbedtls_pk_context *key)
{
    tls_retire();
    mbedtls_ssl_config_init(&config);
    has_config = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                             MBEDTLS_SSL_PRESET_DEFAULT) == 0 &&
                 mbedtls_ssl_conf_own_cert(&config, certificate, key) == 0;
    mbedtls_ssl_conf_rng(&config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
    return has_config ? 0 : -1;
}

const struct tls_counters *tls_counters(void)
{
    return &counters;
}
