/* SPDX-License-Identifier: MIT */
/* The VMM's log without a console. A fatal message is a cmocka assertion, so that a test can expect it. */
#include "core/log.h"
#include "unit.h"

#include <stdlib.h>

void log_line(const char *format, ...)
{
    (void)format;
}

void log_fatal(const char *format, ...)
{
    mock_assert(0, format, __FILE__, __LINE__);
    abort();
}
