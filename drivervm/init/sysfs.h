/* SPDX-License-Identifier: MIT */
/* What the kernel says of its devices in /sys. Paths are relative to it. */
#ifndef DRIVERVM_SYSFS_H
#define DRIVERVM_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Paths from here on start at `root`.
 * @return 0 or -errno */
int sysfs_start(const char *root);

/** First line of an attribute, without its end, cut to fit.
 * @return false, and an empty text, if it cannot be read */
bool sysfs_text(const char *path, char *text, size_t bytes);

/** An attribute that is a number, decimal or 0x; `otherwise` if it is none, is negative or cannot be read. */
uint64_t sysfs_number(const char *path, uint64_t otherwise);

/** Where a symbolic link points.
 * @return false, and an empty text, if there is none or it does not fit */
bool sysfs_link(const char *path, char *target, size_t bytes);

/** The last name in a link's target, cut to fit; empty if there is no link. */
void sysfs_link_name(const char *path, char *name, size_t bytes);

/** Names in a directory, in no order; fewer if `max` is not enough.
 * @return how many */
size_t sysfs_names(const char *path, char names[][32], size_t max);

/** Slot (device << 3 | function) of a PCI address like 0000:00:1f.2; -1 if it is none, or not on bus 0. */
int sysfs_slot(const char *address);

#endif
