# SPDX-License-Identifier: MIT
"""GRUB for both firmwares, made from the pinned binaries with only the modules that our scripts use."""

import pathlib
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FETCH = HERE.parent / "third_party" / "fetch"
MODULES = ("part_gpt fat normal memdisk tar multiboot2 serial terminal configfile echo test true sleep regexp smbios").split()
MODULES_BIOS = MODULES + ["biosdisk"]
MODULES_UEFI = MODULES + ["efi_gop", "efi_uga"]
START = "normal (memdisk)/start.cfg\n"

# Fields of GRUB's boot.img and diskboot.img (include/grub/i386/pc/boot.h of GRUB 2.12).
BOOT_KERNEL_SECTOR = 0x5C  # u64: first sector of the core image
BOOT_DRIVE_CHECK = 0x66  # two bytes of code: jump over the check that replaces a bad drive number
DISKBOOT_BLOCKLIST = 0x1F4  # u64 first sector, u16 sectors, u16 load segment of what follows the first sector
DISKBOOT_SEGMENT = 0x820
NOP_NOP = b"\x90\x90"
SECTOR_BYTES = 512


class Loader:
    """The pinned GRUB, unpacked in the cache."""

    def __init__(self):
        unpacked = subprocess.run([FETCH, "--unpack", "grub"], check=True, stdout=subprocess.PIPE, text=True).stdout
        self.root = pathlib.Path(unpacked.strip())

    def _make(self, target, prefix, modules):
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            (scratch / "early.cfg").write_text(START)
            subprocess.run(["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner",
                            "--format=ustar", "-C", HERE, "-cf", scratch / "memdisk.tar", "start.cfg"], check=True)
            subprocess.run([self.root / "usr/bin/grub-mkimage", "-O", target, "-d", self.root / "usr/lib/grub" / target,
                            "-c", scratch / "early.cfg", "-m", scratch / "memdisk.tar",
                            "-p", prefix,  # behind -m, which would set a prefix of its own
                            "-o", scratch / "core", *modules], check=True)
            return (scratch / "core").read_bytes()

    def bios_boot_sector(self, core_sector):
        """The MBR's code, made to load the core image from `core_sector` of the drive the BIOS booted."""
        code = bytearray((self.root / "usr/lib/grub/i386-pc/boot.img").read_bytes())
        struct.pack_into("<Q", code, BOOT_KERNEL_SECTOR, core_sector)
        code[BOOT_DRIVE_CHECK:BOOT_DRIVE_CHECK + 2] = NOP_NOP
        return bytes(code)

    def bios_core(self, core_sector, partition):
        """The core image for BIOSes; it looks for its files on the GPT partition number `partition`."""
        core = bytearray(self._make("i386-pc", f"(,gpt{partition})/mullion", MODULES_BIOS))
        core += b"\0" * (-len(core) % SECTOR_BYTES)
        following = len(core) // SECTOR_BYTES - 1
        struct.pack_into("<QHH", core, DISKBOOT_BLOCKLIST, core_sector + 1, following, DISKBOOT_SEGMENT)
        return bytes(core)

    def uefi_binary(self):
        """The EFI application; it looks for its files on the partition it was loaded from."""
        return self._make("x86_64-efi", "/mullion", MODULES_UEFI)
