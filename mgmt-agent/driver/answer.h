/* SPDX-License-Identifier: MIT */
/* Checks of what the driver VM answers: size, status, counts, ranges, texts. It may be in an attacker's
 * hands. */
#ifndef DRIVER_ANSWER_H
#define DRIVER_ANSWER_H

#include "driver/rpc.h"

/** @return whether its status is one of enum rpc_status */
bool answer_has_status(const struct rpc_frame *frame);

/** @return whether this is RPC_CHANGED */
bool answer_is_change(const struct rpc_frame *frame);

/** @return whether it has no payload, as answers to SET_ requests and failures */
bool answer_is_empty(const struct rpc_frame *frame);

/** Each reads a payload; on false `*to` is all zero. Counts are cut to what the agent has room for. */
bool answer_hello(const struct rpc_frame *frame, struct rpc_hello *to);
bool answer_function(const struct rpc_frame *frame, struct rpc_function *to);
bool answer_nic(const struct rpc_frame *frame, struct rpc_nic *to);

#endif
