/* SPDX-License-Identifier: MIT */
/* What the agent waits for: bits that any CPU may set, collected by EVENT_WAIT. */
#pragma once

#include "core/vmm.h"

/** Sets MULLION_EVENT_ bits. */
void event_post(uint64_t events);

/** A partition's state changed. */
void event_post_state(uint32_t partition);

/** A partition wrote to its console. */
void event_post_console(uint32_t partition);

/** The status or the features of one of a partition's ports changed. */
void event_post_port(uint32_t partition);

/** Is there anything that the agent has not collected? */
bool event_pending(void);

/** Moves all pending bits into *wait. */
void event_collect(struct mullion_event_wait *wait);
