/* SPDX-License-Identifier: MIT */
#include "os/os.h"
int main(void) { static struct mullion_event_wait e; for(;;){ e.deadline_tsc=UINT64_MAX; os_hypercall(MULLION_CALL_EVENT_WAIT,&e);} }
