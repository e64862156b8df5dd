# SPDX-License-Identifier: MIT
"""The GUID partition table of the image (UEFI specification 2.10, chapter 5) and its protective MBR."""

import struct
import typing
import uuid
import zlib

SECTOR_BYTES = 512
TABLE_ENTRIES = 128
ENTRY_BYTES = 128
TABLE_SECTORS = TABLE_ENTRIES * ENTRY_BYTES // SECTOR_BYTES
FIRST_USABLE = 2 + TABLE_SECTORS  # behind the protective MBR, the header and the table
BACKUP_SECTORS = TABLE_SECTORS + 1
MBR_BOOT_CODE_BYTES = 440

TYPE_BIOS_BOOT = uuid.UUID("21686148-6449-6e6f-744e-656564454649")
TYPE_EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")


class Partition(typing.NamedTuple):
    """A partition from sector `first` to sector `last`, both included."""

    type: uuid.UUID
    id: uuid.UUID
    first: int
    last: int
    name: str

    def entry(self):
        name = self.name.encode("utf-16-le").ljust(72, b"\0")
        return self.type.bytes_le + self.id.bytes_le + struct.pack("<QQQ", self.first, self.last, 0) + name


def protective_mbr(boot_code, total_sectors):
    """The MBR: the boot code for BIOSes and one entry of type 0xee over the whole disk."""
    if len(boot_code) < MBR_BOOT_CODE_BYTES:
        raise ValueError("boot code is shorter than the MBR's code area")
    size = min(total_sectors - 1, 0xFFFFFFFF)
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, size)
    disk_signature = b"\0" * 6
    return boot_code[:MBR_BOOT_CODE_BYTES] + disk_signature + entry + b"\0" * 48 + b"\x55\xaa"


def table(partitions):
    return b"".join(partition.entry() for partition in partitions).ljust(TABLE_ENTRIES * ENTRY_BYTES, b"\0")


def header(own_sector, other_sector, table_sector, total_sectors, disk_id, entries):
    """One of the two headers (the other one lies at `other_sector`), padded to a sector."""

    def pack(checksum):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, own_sector, other_sector,
                           FIRST_USABLE, total_sectors - BACKUP_SECTORS - 1, disk_id.bytes_le, table_sector,
                           TABLE_ENTRIES, ENTRY_BYTES, zlib.crc32(entries))

    return pack(zlib.crc32(pack(0))).ljust(SECTOR_BYTES, b"\0")


def write(stream, boot_code, partitions, total_sectors, disk_id):
    """Writes MBR, primary and backup table into a stream that holds the disk; partitions' contents stay."""
    entries = table(partitions)
    last = total_sectors - 1
    backup_table = total_sectors - BACKUP_SECTORS
    pieces = {
        0: protective_mbr(boot_code, total_sectors),
        1: header(1, last, 2, total_sectors, disk_id, entries),
        2: entries,
        backup_table: entries,
        last: header(last, 1, backup_table, total_sectors, disk_id, entries),
    }
    for sector, data in pieces.items():
        stream.seek(sector * SECTOR_BYTES)
        stream.write(data)
