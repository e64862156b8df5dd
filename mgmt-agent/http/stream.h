/* SPDX-License-Identifier: MIT */
/*
 * A byte stream to a client. TCP gives one (net/tcp.c in the unikernel, os/linux/sockets.c in the process),
 * and TLS makes another out of one. Nothing here blocks.
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_END (-1L) /* the other side has closed, or the stream is broken */

struct stream;

struct stream_operations {
    /** @return bytes read, 0 if there are none now, STREAM_END */
    long (*read)(struct stream *stream, void *to, size_t room);
    /** @return bytes taken, 0 if there is no room now, STREAM_END; a caller told 0 offers the same bytes
     * again
     */
    long (*write)(struct stream *stream, const void *from, size_t bytes);
    /** Sends what was written, now; a `write` may keep it back until then. */
    void (*flush)(struct stream *stream);
    /** Tells the other side that nothing more will be written. */
    void (*finish)(struct stream *stream);
    /** Ends the stream and frees it; what was written is sent unless `abort`. */
    void (*close)(struct stream *stream, bool abort);
    /** Says that the client has proved who it is: to be kept where others have to give way. */
    void (*keep)(struct stream *stream);
};

/** The head of every implementation's own structure. */
struct stream {
    const struct stream_operations *operations;
    uint64_t source; /* the same for all streams to one station */
    bool heard;      /* something has come from the other side, whether or not `read` has given it out */
    bool hungry; /* has work left that its share of a turn did not cover: read it again without an event */
};

static inline long stream_read(struct stream *stream, void *to, size_t room)
{
    return stream->operations->read(stream, to, room);
}

static inline long stream_write(struct stream *stream, const void *from, size_t bytes)
{
    return stream->operations->write(stream, from, bytes);
}

static inline void stream_flush(struct stream *stream)
{
    stream->operations->flush(stream);
}

static inline void stream_finish(struct stream *stream)
{
    stream->operations->finish(stream);
}

static inline void stream_close(struct stream *stream, bool abort)
{
    stream->operations->close(stream, abort);
}

static inline void stream_keep(struct stream *stream)
{
    stream->operations->keep(stream);
}

#endif
