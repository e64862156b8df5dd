/* SPDX-License-Identifier: MIT */
/* The forms of texts in manifests and site configurations: names, sizes, addresses, times. */
#ifndef MODEL_MANIFEST_FORMATS_H
#define MODEL_MANIFEST_FORMATS_H

#include "model/schema.h"

extern const struct schema_format format_name, format_image, format_memory, format_mac, format_ipv4,
    format_ipv4_prefix, format_port, format_function, format_duration, format_moment, format_sha256,
    format_uuid, format_server;

/** Reads a memory size like "256MiB" or "2GiB". @return 0 if it is none, or too large */
uint64_t format_memory_bytes(const char *text);

/** Reads a time like "10ms" that format_moment covers. @return microseconds */
uint64_t format_duration_us(const char *text);

#endif
