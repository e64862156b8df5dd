/* SPDX-License-Identifier: MIT */
/* Ports and links: the virtio devices plugged into partitions, and the copying between two of them. */
#ifndef CORE_PORTS_H
#define CORE_PORTS_H

#include "core/partition.h"

/** The PORT_ calls; see abi.h. */
int port_create(struct partition *p, const struct mullion_port_create *request);
int port_connect(const struct mullion_port_connect *request);
int port_disconnect(const struct mullion_port_connect *request);
int port_acknowledge(const struct mullion_port_acknowledge *request);
int port_info(struct mullion_port_info *info);

/** The partition's links go down and its devices are as after power-up: before its memory or its rings change hands. */
void ports_reset(struct partition *p);

/** The partition is destroyed: links are taken apart, ports freed. */
void ports_free(struct partition *p);

#endif
