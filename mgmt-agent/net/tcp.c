/* SPDX-License-Identifier: MIT */
#include "net/tcp.h"

#include <lwip/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "mullion/abi.h"

#define BACKLOG      250     /* at most 255: connections whose handshake is not complete */
#define PIECE_BYTES  0xffffu /* lwIP counts in 16 bits */
#define MORE_TO_COME TCP_WRITE_FLAG_MORE

struct client {
    struct stream stream;
    struct tcp_pcb *pcb; /* NULL: lwIP has ended the connection */
    struct pbuf *received;
    bool ended; /* the other side sends no more */
    struct client *next;
};

static net_accept *take_client;
static struct client *arrived, **arrived_end = &arrived;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- what lwIP calls ---- */

static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)pcb, (void)error;
    struct client *client = context;
    if (p == NULL) {
        client->ended = true;
    } else if (client->received == NULL) {
        client->received = p;
    } else {
        pbuf_cat(client->received, p);
    }
    return ERR_OK;
}

static void on_error(void *context, err_t error)
{
    (void)error;
    struct client *client = context;
    client->pcb = NULL;
    client->ended = true;
}

static const struct stream_operations operations;

static err_t on_accept(void *context, struct tcp_pcb *pcb, err_t error)
{
    (void)context;
    struct client *client = error == ERR_OK && pcb != NULL ? calloc(1, sizeof(*client)) : NULL;
    if (client == NULL) {
        return ERR_MEM; /* lwIP ends the connection */
    }
    client->stream.operations = &operations;
    client->pcb = pcb;
    tcp_arg(pcb, client);
    tcp_recv(pcb, on_receive);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb);
    *arrived_end = client;
    arrived_end = &client->next;
    return ERR_OK;
}

/* ---- what the server calls ---- */

static long read_(struct stream *stream, void *to, size_t room)
{
    struct client *client = (struct client *)stream;
    if (client->received == NULL) {
        return client->ended ? STREAM_END : 0;
    }
    u16_t bytes = pbuf_copy_partial(client->received, to, (u16_t)smaller(room, PIECE_BYTES), 0);
    client->received = pbuf_free_header(client->received, bytes);
    if (client->pcb != NULL) {
        tcp_recved(client->pcb, bytes);
    }
    return bytes;
}

static long write_(struct stream *stream, const void *from, size_t bytes)
{
    struct client *client = (struct client *)stream;
    if (client->pcb == NULL) {
        return STREAM_END;
    }
    size_t piece = smaller(bytes, tcp_sndbuf(client->pcb));
    if (piece == 0) {
        return 0;
    }
    err_t error = tcp_write(client->pcb, from, (u16_t)piece, TCP_WRITE_FLAG_COPY | MORE_TO_COME);
    return error == ERR_OK ? (long)piece : error == ERR_MEM ? 0 : STREAM_END;
}

static void flush(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    if (client->pcb != NULL) {
        tcp_output(client->pcb);
    }
}

static void finish(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    if (client->pcb != NULL) {
        tcp_shutdown(client->pcb, 0, 1);
    }
}

static void close_(struct stream *stream, bool abort)
{
    struct client *client = (struct client *)stream;
    struct tcp_pcb *pcb = client->pcb;
    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_err(pcb, NULL);
        tcp_setprio(pcb, TCP_PRIO_MIN); /* a client that drags its end out gives way to any new one */
        if (abort || tcp_close(pcb) != ERR_OK) {
            tcp_abort(pcb);
        }
    }
    if (client->received != NULL) {
        pbuf_free(client->received);
    }
    free(client);
}

static void keep(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    if (client->pcb != NULL) {
        tcp_setprio(client->pcb, TCP_PRIO_MAX);
    }
}

static const struct stream_operations operations = {
    .read = read_, .write = write_, .flush = flush, .finish = finish, .close = close_, .keep = keep};

int tcp_serve(net_accept *accept)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(IPADDR_TYPE_ANY);
    if (pcb == NULL || tcp_bind(pcb, IP_ANY_TYPE, NET_HTTPS_PORT) != ERR_OK) {
        return -MULLION_E_RANGE;
    }
    struct tcp_pcb *listener = tcp_listen_with_backlog(pcb, BACKLOG);
    if (listener == NULL) {
        return -MULLION_E_RANGE;
    }
    take_client = accept;
    tcp_accept(listener, on_accept);
    return 0;
}

void tcp_hand_over(void)
{
    while (arrived != NULL) {
        struct client *client = arrived;
        arrived = client->next;
        arrived_end = arrived == NULL ? &arrived : arrived_end;
        take_client(&client->stream);
    }
}
