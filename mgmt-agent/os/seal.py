#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fills image_bytes and crc32 into the header of a flat agent image (struct mullion_agent_header)."""
import struct
import sys
import zlib

MAGIC = b"MLAGENT1"
CRC_OFFSET = 12
BYTES_OFFSET = 24
MEMORY_OFFSET = 32
RAM_BYTES = 32 << 20


def seal(image: bytearray) -> bytearray:
    if image[:8] != MAGIC:
        raise SystemExit("seal: the image does not begin with the agent header; see mgmt-agent/os/agent.ld")
    memory_bytes = struct.unpack_from("<Q", image, MEMORY_OFFSET)[0]
    if not len(image) <= memory_bytes <= RAM_BYTES - 0x100000:
        raise SystemExit(f"seal: memory_bytes {memory_bytes} does not fit image {len(image)} and RAM {RAM_BYTES}")
    struct.pack_into("<Q", image, BYTES_OFFSET, len(image))
    struct.pack_into("<I", image, CRC_OFFSET, 0)
    struct.pack_into("<I", image, CRC_OFFSET, zlib.crc32(image))
    return image


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: seal.py FLAT-IMAGE SEALED-IMAGE")
    with open(sys.argv[1], "rb") as file:
        image = bytearray(file.read())
    with open(sys.argv[2], "wb") as file:
        file.write(seal(image))


if __name__ == "__main__":
    main()
