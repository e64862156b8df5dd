/* SPDX-License-Identifier: MIT */
/* The agent's own ports: frames of the network port, and the byte streams of console ports. */
#include <string.h>

#include "os.h"
#include "virtio.h"

#define NET_HEADER_BYTES 12u /* virtio 1.2, 5.1.6: all zero, since no offload is negotiated */
#define NET_BUFFER_BYTES 1536u
#define NET_CONFIG_LINK  6u /* 5.1.4: after the MAC */
#define STREAM_BYTES     512u
#define STREAMS          2u

/* ---- buffers to send: those that the device does not hold ---- */

struct sender {
    uint16_t idle[VIRTIO_RING];
    unsigned idle_count;
};

static void sender_start(struct sender *sender)
{
    sender->idle_count = 0;
    for (uint16_t id = 0; id < VIRTIO_RING; id++) {
        sender->idle[sender->idle_count++] = id;
    }
}

/* @return a buffer to fill, NULL if the device holds them all */
static uint8_t *sender_take(struct virtio_port *port, struct sender *sender, uint16_t *id)
{
    uint32_t bytes;
    while (virtio_take(port, VIRTIO_QUEUE_OUT, id, &bytes)) {
        sender->idle[sender->idle_count++] = *id;
    }
    if (port->broken || sender->idle_count == 0) {
        return NULL;
    }
    *id = sender->idle[--sender->idle_count];
    return virtio_buffer(port, VIRTIO_QUEUE_OUT, *id);
}

/* ---- network ---- */

static uint8_t net_in[VIRTIO_RING][NET_BUFFER_BYTES];
static uint8_t net_out[VIRTIO_RING][NET_BUFFER_BYTES];
static struct virtio_port net = {.buffer_bytes = NET_BUFFER_BYTES, .buffers = {net_in[0], net_out[0]}};
static struct sender net_sender;

int os_net_open(uint32_t slot, uint8_t mac[6])
{
    net.slot = slot;
    int error = virtio_open(&net, VIRTIO_F_NET_MAC | VIRTIO_F_NET_LINK);
    sender_start(&net_sender);
    for (uint32_t i = 0; error == 0 && i < 6; i++) {
        mac[i] = virtio_config(&net, i);
    }
    return error;
}

/* A port that broke down has no link; it is started again, and the link rises later. */
bool os_net_link(void)
{
    uint8_t mac[6];
    if (!net.broken && (virtio_config(&net, NET_CONFIG_LINK) & 1) != 0) {
        return true;
    }
    if (virtio_is_broken(&net)) {
        os_net_open(net.slot, mac);
    }
    return false;
}

int os_net_send(const void *frame, size_t bytes)
{
    uint16_t id;
    uint8_t *buffer = bytes <= OS_FRAME_BYTES ? sender_take(&net, &net_sender, &id) : NULL;
    if (buffer == NULL) {
        return -1;
    }
    memset(buffer, 0, NET_HEADER_BYTES);
    memcpy(buffer + NET_HEADER_BYTES, frame, bytes);
    virtio_lend(&net, VIRTIO_QUEUE_OUT, id, (uint32_t)(NET_HEADER_BYTES + bytes));
    virtio_notify(&net, VIRTIO_QUEUE_OUT);
    return 0;
}

size_t os_net_receive(void *frame)
{
    uint16_t id;
    uint32_t bytes;
    size_t got = 0;
    while (got == 0 && virtio_take(&net, VIRTIO_QUEUE_IN, &id, &bytes)) {
        if (bytes > NET_HEADER_BYTES && bytes - NET_HEADER_BYTES <= OS_FRAME_BYTES) {
            got = bytes - NET_HEADER_BYTES;
            memcpy(frame, virtio_buffer(&net, VIRTIO_QUEUE_IN, id) + NET_HEADER_BYTES, got);
        }
        virtio_lend(&net, VIRTIO_QUEUE_IN, id, NET_BUFFER_BYTES);
        virtio_notify(&net, VIRTIO_QUEUE_IN);
    }
    return got;
}

/* ---- byte streams ---- */

/* A received buffer that was read in part waits here. */
struct byte_stream {
    struct virtio_port port;
    struct sender sender;
    bool open, has_rest;
    uint16_t rest_id;
    uint32_t rest_at, rest_end;
};

static uint8_t stream_in[STREAMS][VIRTIO_RING][STREAM_BYTES];
static uint8_t stream_out[STREAMS][VIRTIO_RING][STREAM_BYTES];
static struct byte_stream streams[STREAMS];

static struct byte_stream *stream_find(uint32_t slot)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        if (streams[i].open && streams[i].port.slot == slot) {
            return &streams[i];
        }
    }
    return NULL;
}

static struct byte_stream *stream_new(void)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        if (!streams[i].open) {
            streams[i].port.buffer_bytes = STREAM_BYTES;
            streams[i].port.buffers[VIRTIO_QUEUE_IN] = stream_in[i][0];
            streams[i].port.buffers[VIRTIO_QUEUE_OUT] = stream_out[i][0];
            return &streams[i];
        }
    }
    return NULL;
}

int os_port_open_stream(uint32_t slot)
{
    struct byte_stream *stream = stream_find(slot);
    stream = stream != NULL ? stream : stream_new();
    if (stream == NULL) {
        return -MULLION_E_RANGE;
    }
    stream->port.slot = slot;
    stream->has_rest = false;
    int error = virtio_open(&stream->port, 0);
    sender_start(&stream->sender);
    stream->open = error == 0;
    return error;
}

size_t os_port_write(uint32_t slot, const void *data, size_t bytes)
{
    struct byte_stream *stream = stream_find(slot);
    size_t done = 0;
    uint16_t id;
    while (stream != NULL && done < bytes) {
        uint8_t *buffer = sender_take(&stream->port, &stream->sender, &id);
        if (buffer == NULL) {
            break;
        }
        size_t piece = bytes - done < STREAM_BYTES ? bytes - done : STREAM_BYTES;
        memcpy(buffer, (const uint8_t *)data + done, piece);
        virtio_lend(&stream->port, VIRTIO_QUEUE_OUT, id, (uint32_t)piece);
        done += piece;
    }
    if (done > 0) {
        virtio_notify(&stream->port, VIRTIO_QUEUE_OUT);
    }
    return done;
}

static bool next_piece(struct byte_stream *stream)
{
    stream->rest_at = 0;
    stream->has_rest =
        stream->has_rest || virtio_take(&stream->port, VIRTIO_QUEUE_IN, &stream->rest_id, &stream->rest_end);
    return stream->has_rest;
}

size_t os_port_read(uint32_t slot, void *data, size_t bytes)
{
    struct byte_stream *stream = stream_find(slot);
    size_t done = 0;
    while (stream != NULL && done < bytes && (stream->has_rest || next_piece(stream))) {
        uint32_t left = stream->rest_end - stream->rest_at;
        uint32_t piece = bytes - done < left ? (uint32_t)(bytes - done) : left;
        memcpy((uint8_t *)data + done,
               virtio_buffer(&stream->port, VIRTIO_QUEUE_IN, stream->rest_id) + stream->rest_at, piece);
        done += piece;
        stream->rest_at += piece;
        if (stream->rest_at == stream->rest_end) {
            stream->has_rest = false;
            virtio_lend(&stream->port, VIRTIO_QUEUE_IN, stream->rest_id, STREAM_BYTES);
            virtio_notify(&stream->port, VIRTIO_QUEUE_IN);
        }
    }
    return done;
}
