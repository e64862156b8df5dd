/* SPDX-License-Identifier: MIT */
/* Between the files of the model. */
#ifndef OS_LINUX_MODEL_INTERNAL_H
#define OS_LINUX_MODEL_INTERNAL_H

#include "os/linux/model.h"

/* model.c */
enum mullion_partition_state model_state(uint32_t id);
uint32_t model_sharer(void);
struct mullion_event_wait *model_events(void);
void model_count_pci(uint32_t count);

/* model_console.c */
void console_boot(void);
bool model_has_terminal(void);
char *model_buffer(const struct mullion_buffer *buffer);
int call_host_read(void *request);
int call_host_write(void *request);
int call_wait(void *request);
int call_log(void *request);

/* model_ports.c */
void ports_boot(void);
void ports_reset(uint32_t id);
void ports_free(uint32_t id);
int call_port_create(void *request);
int call_port_connect(void *request);
int call_port_disconnect(void *request);
int call_port_acknowledge(void *request);
int call_port_info(void *request);
int call_pci_info(void *request);
int call_pci_assign(void *request);

/* model_driver.c */
void driver_boot(void);
void driver_serve(void);

#endif
