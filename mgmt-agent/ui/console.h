/* SPDX-License-Identifier: MIT */
/* The host console: text out, a line editor for commands, and the events that the agent waits for. */
#ifndef UI_CONSOLE_H
#define UI_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mullion/abi.h"

#define CONSOLE_LINE_BYTES 128u
#define CONSOLE_PROMPT     "mullion> "

/** Tells how many time-stamp ticks a millisecond has. First call. */
void console_start(uint64_t tsc_khz);

/** Writes bytes; never waits: what the console does not take now goes out from console_wait(), and what finds
 * no room in the queue is dropped and counted on the console. */
void console_write(const char *data, size_t bytes);

/** @return whether the console has yet to take something: whoever can, writes later */
bool console_is_behind(void);

/** Formats and writes; at most 1023 bytes. */
__attribute__((format(printf, 1, 2))) void console_print(const char *format, ...);

/** Reads input. @return bytes read, 0 if there is none */
size_t console_read(char *data, size_t bytes);

/** Writes prompt and what has been typed so far. */
void console_prompt(void);

/** Writes a line between prompt and input, as something that happened by itself. */
void console_announce(const char *line);

/** What a typed character led to. */
enum console_action {
    CONSOLE_NOTHING,
    CONSOLE_LINE,  /* a line is complete: console_line() */
    CONSOLE_DIGIT, /* a digit was typed on an empty line: console_line()[0] */
};

/** Feeds one typed character to the line editor, which echoes it. */
enum console_action console_type(char c);

/** @return the complete line, without its end */
const char *console_line(void);

/** Forgets what was typed. */
void console_clear(void);

/**
 * Sleeps until something happens or the deadline; what happened while console_write waited counts too.
 * @param deadline_tsc as in struct mullion_event_wait
 */
void console_wait(uint64_t deadline_tsc, struct mullion_event_wait *wait);

#endif
