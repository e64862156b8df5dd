/* SPDX-License-Identifier: MIT */
#include "core/share.h"

/** A budget that was not used up is not carried over; a debt is. */
static void begin_period(struct share *share, uint64_t now) {
    int64_t budget = (int64_t)(share->period / 2);
    uint64_t periods = (now - share->period_end) / share->period + 1;
    int64_t left = share->left + budget * (int64_t)periods;
    share->left = left < budget ? left : budget;
    share->period_end += periods * share->period;
}

enum share_choice share_choose(struct share *share, bool first_wants, bool second_wants, uint64_t now,
                               uint64_t *until) {
    if (now >= share->period_end) { begin_period(share, now); }
    bool first = first_wants && (!second_wants || share->left > 0);
    if (first_wants && second_wants) {
        uint64_t turn = first ? now + (uint64_t)share->left : share->period_end;
        *until = turn < *until ? turn : *until;
    }
    return first ? SHARE_FIRST : second_wants ? SHARE_SECOND : SHARE_NONE;
}

void share_charge(struct share *share, uint64_t ticks) {
    int64_t debt = -(int64_t)(share->period / 2), left = share->left - (int64_t)ticks;
    share->left = left > debt ? left : debt;
}
