/* SPDX-License-Identifier: MIT */
/* The answers to the agent's requests. */
#ifndef DRIVERVM_SERVER_H
#define DRIVERVM_SERVER_H

#include "frame.h"

/** Does what the request says and makes the answer, sealed.
 * @return bytes of the answer */
size_t server_answer(const struct frame *request, struct frame *answer);

/** Makes the frame that says that ports or carriers changed.
 * @return its bytes */
size_t server_changed(struct frame *frame);

#endif
