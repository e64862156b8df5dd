/* SPDX-License-Identifier: MIT */
/* What -fstack-protector calls. */
#include "core/log.h"

extern uintptr_t __stack_chk_guard;
__attribute__((noreturn)) void __stack_chk_fail(void);

uintptr_t __stack_chk_guard = 0x5bd1e995cafe0d0aull;

void __stack_chk_fail(void) {
    log_fatal("a stack buffer of the VMM overflowed (caller 0x%lx); this is a bug in the VMM; report this line",
              (uint64_t)(uintptr_t)__builtin_return_address(0));
}
