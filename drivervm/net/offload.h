/* SPDX-License-Identifier: MIT */
/* What a jack may leave undone in the frames that it sends: what the partition behind it does itself. */
#ifndef DRIVERVM_OFFLOAD_H
#define DRIVERVM_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

/** Whether a partition with these virtio-net feature bits takes frames that the kernel's offload of this name
 * made.
 * @param is_ours false: the offload has nothing to do with features and stays as it is */
bool offload_suits(const char *name, uint64_t features, bool *is_ours);

/** Sets an interface's offloads to what suits the features, and looks whether it came so.
 * @return 0, -errno; -EOPNOTSUPP: the kernel kept one that does not suit */
int offload_set(const char *interface, uint64_t features);

#endif
