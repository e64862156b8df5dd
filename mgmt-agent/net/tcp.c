/* SPDX-License-Identifier: MIT */
#include "net/tcp.h"

#include <lwip/priv/tcp_priv.h>
#include <stdlib.h>
#include <string.h>

#include "mullion/abi.h"

#define BACKLOG      250 /* at most 255: connections whose handshake is not complete */
#define MORE_TO_COME TCP_WRITE_FLAG_MORE
/* Unacknowledged segments of a client without token: all such connections together leave some to the others,
 * however small the segments that they ask for. */
#define STRANGER_SEGMENTS 16u

_Static_assert(MEMP_NUM_TCP_PCB *STRANGER_SEGMENTS + 16u * TCP_SND_QUEUELEN <= MEMP_NUM_TCP_SEG,
               "a stranger must not take the last segment");

struct client {
    struct stream stream;
    struct tcp_pcb *pcb; /* NULL: lwIP has ended the connection */
    uint8_t *received;   /* a ring of TCP_WND bytes, which is what the other side may send; NULL: none yet */
    size_t received_at, received_bytes;
    bool ended; /* the other side sends no more */
    bool kept;
    struct client *next;
};

static struct tcp_pcb_listen *listener;
static net_accept *take_client;
static struct client *arrived, **arrived_end = &arrived;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- what lwIP calls ---- */

static size_t ring_place(size_t at)
{
    return at % TCP_WND;
}

static void ring_fill(struct client *client, const struct pbuf *p)
{
    for (u16_t done = 0; done < p->tot_len;) {
        size_t at = ring_place(client->received_at + client->received_bytes);
        u16_t piece = pbuf_copy_partial(p, client->received + at,
                                        (u16_t)smaller(p->tot_len - done, TCP_WND - at), done);
        client->received_bytes += piece;
        done = (u16_t)(done + piece);
    }
}

/* Buffers for frames are few and shared, and the window counts bytes: so none is kept. */
static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    (void)pcb, (void)error;
    struct client *client = context;
    if (p == NULL) {
        client->ended = true;
        return ERR_OK;
    }
    client->received = client->received != NULL ? client->received : malloc(TCP_WND);
    if (client->received == NULL || p->tot_len > TCP_WND - client->received_bytes) {
        return ERR_MEM; /* lwIP offers it again, and takes nothing more until then */
    }
    ring_fill(client, p);
    pbuf_free(p);
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

/* Equal for all that one station can easily be: its IPv4 address, or the upper half of its IPv6 address. */
static uint64_t source_of(const struct tcp_pcb *pcb)
{
    const ip_addr_t *ip = &pcb->remote_ip;
    return IP_IS_V4(ip) ? ip4_addr_get_u32(ip_2_ip4(ip))
                        : (uint64_t)ip_2_ip6(ip)->addr[0] << 32 | ip_2_ip6(ip)->addr[1];
}

static err_t on_accept(void *context, struct tcp_pcb *pcb, err_t error)
{
    (void)context;
    struct client *client = error == ERR_OK && pcb != NULL ? calloc(1, sizeof(*client)) : NULL;
    if (client == NULL) {
        return ERR_MEM; /* lwIP ends the connection */
    }
    client->stream.operations = &operations;
    client->stream.source = source_of(pcb);
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

static void ring_release(struct client *client)
{
    free(client->received);
    client->received = NULL;
    client->received_at = 0;
}

static long read_(struct stream *stream, void *to, size_t room)
{
    struct client *client = (struct client *)stream;
    if (client->received_bytes == 0) {
        return client->ended ? STREAM_END : 0;
    }
    size_t bytes = smaller(smaller(room, client->received_bytes), TCP_WND - client->received_at);
    memcpy(to, client->received + client->received_at, bytes);
    client->received_at = ring_place(client->received_at + bytes);
    client->received_bytes -= bytes;
    if (client->received_bytes == 0) {
        ring_release(client);
    }
    if (client->pcb != NULL) {
        tcp_recved(client->pcb, (u16_t)bytes);
    }
    return (long)bytes;
}

static long write_(struct stream *stream, const void *from, size_t bytes)
{
    struct client *client = (struct client *)stream;
    if (client->pcb == NULL) {
        return STREAM_END;
    }
    size_t piece = smaller(bytes, tcp_sndbuf(client->pcb));
    bool full = !client->kept && tcp_sndqueuelen(client->pcb) >= STRANGER_SEGMENTS;
    if (piece == 0 || full) {
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
    ring_release(client);
    free(client);
}

static void keep(struct stream *stream)
{
    struct client *client = (struct client *)stream;
    client->kept = true;
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
    pcb = tcp_listen_with_backlog(pcb, BACKLOG);
    if (pcb == NULL) {
        return -MULLION_E_RANGE;
    }
    take_client = accept;
    tcp_accept(pcb, on_accept);
    listener = (struct tcp_pcb_listen *)pcb;
    return 0;
}

/* lwIP puts whom it hears from at the front: the last has been silent for longest. */
void tcp_make_room(void)
{
    struct tcp_pcb *oldest = NULL;
    if (listener == NULL || listener->accepts_pending < BACKLOG - 1) {
        return;
    }
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        oldest = pcb->state == SYN_RCVD ? pcb : oldest;
    }
    if (oldest != NULL) {
        tcp_abort(oldest);
    }
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
