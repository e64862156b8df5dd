/* SPDX-License-Identifier: MIT */
#include "core/ports.h"

int port_create(struct partition *p, const struct mullion_port_create *request) { return -MULLION_E_UNKNOWN_CALL; }
int port_connect(const struct mullion_port_connect *request) { return -MULLION_E_UNKNOWN_CALL; }
int port_disconnect(const struct mullion_port_connect *request) { return -MULLION_E_UNKNOWN_CALL; }
int port_acknowledge(const struct mullion_port_acknowledge *request) { return -MULLION_E_UNKNOWN_CALL; }
int port_info(struct mullion_port_info *info) { return -MULLION_E_UNKNOWN_CALL; }
