/* SPDX-License-Identifier: MIT */
/* The byte channel to the agent. */
#ifndef DRIVERVM_CHANNEL_H
#define DRIVERVM_CHANNEL_H

/** Opens the channel, raw.
 * @return a descriptor to wait on, or -errno */
int channel_open(void);

/** Answers what has come.
 * @return 0 or -errno; then the channel is gone */
int channel_serve(int fd);

/** Tells the agent that ports have changed. @return 0 or -errno */
int channel_tell_changed(int fd);

#endif
