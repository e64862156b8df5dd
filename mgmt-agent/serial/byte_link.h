/* SPDX-License-Identifier: MIT */
/*
 * The API over the VMM's byte link (mullion/abi.h, MULLION_HOST_BYTE_LINK), which test images have. HTTP/1.1
 * as over TLS, one connection at a time, with 0x10 (DLE) as an escape.
 *
 * From client to box:
 *   - DLE 0..9: begins a connection; what was before is over, whatever it was
 *   - DLE DLE: one byte 0x10
 *
 * From box to client:
 *   - DLE 0..9: it has begun; what came before this belongs to another
 *   - DLE +: eight more bytes may be sent. At first it is sixteen, what a UART holds, or 512 where the wire
 *     itself holds back what finds no room, as an emulator's socket does
 *   - DLE .: it has ended; nothing is heard until the next one begins
 *   - DLE DLE: one byte 0x10
 *
 * So no byte is lost whatever the speeds are, and a client always knows how to begin anew.
 */
#ifndef SERIAL_BYTE_LINK_H
#define SERIAL_BYTE_LINK_H

#include <stdbool.h>

#include "http/stream.h"

#define BYTE_LINK_WINDOW 512u /* bytes that a client may send before the first grant, at most */
#define BYTE_LINK_GRANT  8u   /* bytes per grant */

/** Takes over the stream of a new client. */
typedef void byte_link_accept(struct stream *stream);

/** Begins to listen, if the box has a byte link. */
void byte_link_start(byte_link_accept *accept);

/** @return whether the box has one and listens to it */
bool byte_link_listens(void);

/** Takes what has come: after MULLION_EVENT_BYTE_LINK, before the streams are served. */
void byte_link_receive(void);

/** Sends what is due: after the streams were served. @return whether the wire takes no more now */
bool byte_link_send(void);

#endif
