/* SPDX-License-Identifier: MIT */
/* Test-and-set lock with a ticket, taken with interrupts off (the VMM runs with interrupts off). */
#pragma once

#include "x86/asm.h"

struct spinlock {
    uint32_t next, owner;
};

static inline void spin_lock(struct spinlock *lock) {
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket) { cpu_pause(); }
}

/** Takes the lock if nobody has it or waits for it. */
static inline bool spin_try_lock(struct spinlock *lock) {
    uint32_t ticket = __atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE);
    return __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void spin_unlock(struct spinlock *lock) {
    __atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
}
