/* SPDX-License-Identifier: MIT */
#include "core/core.h"

static const struct partition *shown;

static void unmap(void) {
    struct partition *agent = partition_find(MULLION_AGENT_ID);
    for (uint32_t i = 0; i < shown->range_count; i++) {
        npt_unmap(&agent->npt, gpa(platform.window_gpa + shown->ranges[i].gpa.v), shown->ranges[i].bytes);
    }
    hvm->vcpu_flush(agent->vcpus[0]);
    shown = NULL;
}

int loading_open(struct partition *p) {
    struct partition *agent = partition_find(MULLION_AGENT_ID);
    if (p->state != MULLION_STATE_DEFINED || shown != NULL) { return -MULLION_E_STATE; }
    shown = p;
    int error = 0;
    for (uint32_t i = 0; i < p->range_count && error == 0; i++) {
        gpa_t at = gpa(platform.window_gpa + p->ranges[i].gpa.v);
        error = npt_map(&agent->npt, at, p->ranges[i].hpa, p->ranges[i].bytes, true);
    }
    if (error != 0) { unmap(); }
    return error;
}

int loading_close(struct partition *p) {
    if (shown == NULL || (p != NULL && shown != p)) { return -MULLION_E_STATE; }
    unmap();
    return 0;
}
