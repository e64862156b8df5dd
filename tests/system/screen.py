# SPDX-License-Identifier: MIT
"""Reads text back from a screenshot: the VMM's own font makes that exact."""

import re

from emulator import TOP

CELL_WIDTH, CELL_HEIGHT = 8, 16
POINT_COLUMNS, POINT_ROWS = 5, 8
BRIGHT = 0x60


def glyphs():
    """{bit pattern of a cell: character}, from the table in vmm/core/font.c."""
    table = re.findall(r"\b0x([0-9a-f]{10})\b", (TOP / "vmm" / "core" / "font.c").read_text())
    assert len(table) == 95, "the font's table has another form now"
    return {int(code, 16): chr(32 + index) for index, code in enumerate(table)}


def cell_pattern(width, pixels, column, row):
    """The 5 x 8 points of one cell in the table's order: a byte per column, the top point lowest."""
    pattern = 0
    for x in range(POINT_COLUMNS):
        byte = 0
        for y in range(POINT_ROWS):
            at = 3 * ((row * CELL_HEIGHT + 2 * y) * width + column * CELL_WIDTH + 1 + x)
            byte |= (pixels[at] >= BRIGHT) << y
        pattern = pattern << 8 | byte
    return pattern


def text_of(width, height, pixels):
    """What stands on the screen; a cell that is no character of the font reads as U+FFFD."""
    known = glyphs()
    lines = []
    for row in range(height // CELL_HEIGHT):
        band = pixels[3 * width * CELL_HEIGHT * row:3 * width * CELL_HEIGHT * (row + 1)]
        if max(band) < BRIGHT:
            lines.append("")
            continue
        cells = (known.get(cell_pattern(width, pixels, column, row), "\ufffd")
                 for column in range(width // CELL_WIDTH))
        lines.append("".join(cells).rstrip())
    return "\n".join(lines).rstrip()
