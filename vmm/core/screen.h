/* SPDX-License-Identifier: MIT */
/* Text on the screen: VGA text mode, or a linear framebuffer drawn with the built-in font. */
#pragma once

#include "core/types.h"

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

/** Line `y` (0..FONT_HEIGHT-1) of a printable ASCII character's glyph: 8 pixels, bit 7 leftmost. */
uint8_t font_row(char character, unsigned y);

/** What the loader says of the screen (Multiboot2 section 3.6.12). */
struct screen_mode {
    enum { SCREEN_NONE, SCREEN_VGA_TEXT, SCREEN_FRAMEBUFFER } kind;
    uint64_t address;
    uint32_t pitch_bytes, width, height, bytes_per_pixel; /* pixels, or columns and rows in text mode */
};

/** Begins to show text. The memory at mode->address must be mapped (screen_bytes() long). */
void screen_init(const struct screen_mode *mode);

/** Bytes of video memory that a mode uses. */
uint64_t screen_bytes(const struct screen_mode *mode);

/** Shows text: printable ASCII, "\n", "\r" and backspace; escape sequences are left out. Caller holds the
 * console lock. */
void screen_write(const char *text, size_t count);
