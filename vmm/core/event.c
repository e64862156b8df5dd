/* SPDX-License-Identifier: MIT */
#include "core/core.h"

static uint64_t events, state_mask, console_mask, port_mask;

static void post(uint64_t *mask, uint64_t bits) {
    uint64_t before = __atomic_fetch_or(mask, bits, __ATOMIC_SEQ_CST);
    if ((before & bits) != bits && cpu_count() > 0 && this_cpu() != cpu_at(0) && cpu_at(0)->started) {
        smp_kick(cpu_at(0));
    }
}

void event_post(uint64_t bits) { post(&events, bits); }

void event_post_state(uint32_t partition) { post(&state_mask, BIT(partition)); }

void event_post_console(uint32_t partition) { post(&console_mask, BIT(partition)); }

void event_post_port(uint32_t partition) { post(&port_mask, BIT(partition)); }

bool event_pending(void) {
    return (__atomic_load_n(&events, __ATOMIC_SEQ_CST) | __atomic_load_n(&state_mask, __ATOMIC_SEQ_CST) |
            __atomic_load_n(&console_mask, __ATOMIC_SEQ_CST) | __atomic_load_n(&port_mask, __ATOMIC_SEQ_CST)) != 0;
}

void event_collect(struct mullion_event_wait *wait) {
    wait->events = __atomic_exchange_n(&events, 0, __ATOMIC_SEQ_CST);
    wait->state_mask = __atomic_exchange_n(&state_mask, 0, __ATOMIC_SEQ_CST);
    wait->console_mask = __atomic_exchange_n(&console_mask, 0, __ATOMIC_SEQ_CST);
    wait->port_mask = __atomic_exchange_n(&port_mask, 0, __ATOMIC_SEQ_CST);
}
