/* SPDX-License-Identifier: MIT */
/* What a CPU does all day: run its vCPU, or scrub freed memory, or sleep. */
#pragma once

/** Never returns. Called once on every CPU. */
__attribute__((noreturn)) void run_cpu(void);
