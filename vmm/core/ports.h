/* SPDX-License-Identifier: MIT */
/* Ports and links: the virtio devices plugged into partitions, and the copying between two of them. */
#pragma once

#include "core/partition.h"

/** The PORT_ calls; see abi.h. */
int port_create(struct partition *p, const struct mullion_port_create *request);
int port_connect(const struct mullion_port_connect *request);
int port_disconnect(const struct mullion_port_connect *request);
int port_acknowledge(const struct mullion_port_acknowledge *request);
int port_info(struct mullion_port_info *info);

/** The partition has ended: its links go down. Its device lock may be held. */
void ports_halt(struct partition *p);

/** The partition's devices are as after power-up: before its memory or its rings change hands. */
void ports_reset(struct partition *p);

/** The partition is destroyed: links are taken apart, ports freed. */
void ports_free(struct partition *p);

/** BAR 1 of all ports, and the I/O ports of notifications; `offset` counts from the first slot's. The partition's
 * device lock is held. A notification only says that there is work: ports_work() does it. */
uint64_t ports_read(struct partition *p, uint64_t offset, unsigned bytes);
void ports_write(struct partition *p, uint64_t offset, unsigned bytes, uint64_t value);
void ports_notify(struct partition *p, uint64_t offset, uint32_t queue);

/** Moves what the vCPU's partition has to send or to receive; before each entry, without locks. */
void ports_work(struct vcpu *vcpu);

/** TSC at which ports_work() wants to be called: 0 if there is work now. */
uint64_t ports_due(const struct vcpu *vcpu);
