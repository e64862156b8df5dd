/* SPDX-License-Identifier: MIT */
/* Text cells live in ordinary RAM; only cells that changed are written to video memory, and none is ever
 * read. */
#include "core/core.h"

enum { MAX_COLUMNS = 160, MAX_ROWS = 64, VGA_ATTRIBUTE = 0x0700 };

static struct screen_mode mode;
static uint32_t columns, rows, column, row;
static char wanted[MAX_ROWS][MAX_COLUMNS], shown[MAX_ROWS][MAX_COLUMNS];
static enum { PLAIN, AFTER_ESCAPE, IN_SEQUENCE } escape;

uint64_t screen_bytes(const struct screen_mode *m) { return (uint64_t)m->pitch_bytes * m->height; }

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void draw_vga(uint32_t r, uint32_t c) {
    volatile uint16_t *cells = (volatile uint16_t *)(uintptr_t)mode.address; // NOLINT(performance-no-int-to-ptr)
    cells[(size_t)r * (mode.pitch_bytes / 2) + c] = (uint16_t)(VGA_ATTRIBUTE | (uint8_t)wanted[r][c]);
}

static void draw_glyph(uint32_t r, uint32_t c) {
    static const uint32_t colours[] = {0xff000000, 0xffd0d0d0};
    uint64_t top = mode.address + (uint64_t)r * FONT_HEIGHT * mode.pitch_bytes;
    for (uint32_t y = 0; y < FONT_HEIGHT; y++) {
        uint8_t pixels = font_row(wanted[r][c], y);
        uint64_t line = top + (uint64_t)y * mode.pitch_bytes + (uint64_t)c * FONT_WIDTH * mode.bytes_per_pixel;
        for (uint32_t x = 0; x < FONT_WIDTH; x++) {
            void *to = (void *)(line + (uint64_t)x * mode.bytes_per_pixel); // NOLINT(performance-no-int-to-ptr)
            memcpy(to, &colours[pixels >> (7 - x) & 1], mode.bytes_per_pixel);
        }
    }
}

static void draw_changes(void) {
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t c = 0; c < columns; c++) {
            if (wanted[r][c] == shown[r][c]) { continue; }
            (mode.kind == SCREEN_VGA_TEXT ? draw_vga : draw_glyph)(r, c);
            shown[r][c] = wanted[r][c];
        }
    }
}

void screen_init(const struct screen_mode *m) {
    mode = *m;
    bool text = mode.kind == SCREEN_VGA_TEXT;
    columns = smaller(text ? mode.width : mode.width / FONT_WIDTH, MAX_COLUMNS);
    rows = smaller(text ? mode.height : mode.height / FONT_HEIGHT, MAX_ROWS);
    memset(wanted, ' ', sizeof wanted);
    memset(shown, 0, sizeof shown);
    if (mode.kind != SCREEN_NONE) { draw_changes(); }
}

static void new_line(void) {
    column = 0;
    if (++row < rows) { return; }
    row = rows - 1;
    memmove(wanted[0], wanted[1], (size_t)(rows - 1) * MAX_COLUMNS);
    memset(wanted[row], ' ', MAX_COLUMNS);
}

static void put_plain(char c) {
    if (c == '\n') {
        new_line();
    } else if (c == '\r') {
        column = 0;
    } else if (c == '\b' && column > 0) {
        column--;
    } else if (c == 0x1b) {
        escape = AFTER_ESCAPE;
    } else if (c >= ' ' && c <= '~') {
        if (column == columns) { new_line(); }
        wanted[row][column++] = c;
    }
}

static void put(char c) {
    switch (escape) {
    case PLAIN: put_plain(c); break;
    case AFTER_ESCAPE: escape = c == '[' ? IN_SEQUENCE : PLAIN; break;
    case IN_SEQUENCE: escape = c >= '@' && c <= '~' ? PLAIN : IN_SEQUENCE; break;
    }
}

void screen_write(const char *text, size_t count) {
    if (mode.kind == SCREEN_NONE || columns == 0 || rows == 0) { return; }
    for (size_t i = 0; i < count; i++) { put(text[i]); }
    draw_changes();
}
