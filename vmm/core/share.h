/* SPDX-License-Identifier: MIT */
/* Two vCPUs on one CPU: the first (the agent's) goes first, for half of each period in which the second (the driver
 * VM's) wants the CPU too. Pure logic; times are TSC ticks. */
#pragma once

#include "core/types.h"

#define SHARE_PERIOD_US 10000u

struct share {
    uint64_t period, period_end;
    /* of the first's budget; a stay in the VMM can overdraw it, then it gets nothing in the next period */
    int64_t left;
};

enum share_choice { SHARE_FIRST, SHARE_SECOND, SHARE_NONE };

/** Who runs now; lowers *until to when somebody else's turn comes. */
enum share_choice share_choose(struct share *share, bool first_wants, bool second_wants, uint64_t now, uint64_t *until);

/** The first ran for `ticks` while the second waited. At most one period's budget is owed. */
void share_charge(struct share *share, uint64_t ticks);
