# SPDX-License-Identifier: MIT
"""A FAT file system with given files, made by mtools: no root, no loop device, the same bytes every time."""

import os
import pathlib
import subprocess
import tempfile

MIB = 1 << 20
LABEL = "MULLION"
SERIAL = "4d554c4c"
FAT16_MAX_CLUSTERS = 65524
SLACK_MIB = 2  # FATs, directories and some space to edit files in


def payload_mib(files):
    """What the files (a mapping of path to bytes or pathlib.Path) take up, in MiB, in clusters of any size."""
    return -(-sum(-(-length(content) // 32768) * 32768 for content in files.values()) // MIB)


def size_mib(files):
    """A good size, in MiB: all files and some space to edit in."""
    return max(16, payload_mib(files) + SLACK_MIB)


def length(content):
    return content.stat().st_size if isinstance(content, pathlib.Path) else len(content)


def cluster_sectors(mib):
    """Large clusters are few reads for the firmware; FAT16 needs at least 4,085 of them."""
    sectors = 4
    while mib * MIB // (sectors * 512) > FAT16_MAX_CLUSTERS // 2:
        sectors *= 2
    return sectors


def write(image, offset_bytes, mib, files):
    """Formats `mib` MiB of the file `image` from `offset_bytes` on and copies the files in."""
    if mib < payload_mib(files):
        raise ValueError(f"the files need {payload_mib(files)} MiB, the FAT partition has {mib}; leave --size out or "
                         f"give a larger one")
    environment = dict(os.environ, MTOOLS_SKIP_CHECK="1", MTOOLSRC="/dev/null", LC_ALL="C.UTF-8", TZ="UTC")
    environment.setdefault("SOURCE_DATE_EPOCH", "1767225600")
    drive = f"{image}@@{offset_bytes}"

    def mtool(*command):
        subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)

    mtool("mformat", "-i", drive, "-v", LABEL, "-N", SERIAL, "-T", str(mib * MIB // 512), "-h", "255", "-s", "63",
          "-H", str(offset_bytes // 512), "-c", str(cluster_sectors(mib)), "::")
    folders = sorted({str(parent) for path in files for parent in pathlib.PurePosixPath(path).parents} - {"/"})
    mtool("mmd", "-i", drive, *(f"::{folder}" for folder in folders))
    with tempfile.TemporaryDirectory() as scratch:
        for path, content in sorted(files.items()):
            source = content
            if not isinstance(content, pathlib.Path):
                source = pathlib.Path(scratch) / "content"
                source.write_bytes(content)
            mtool("mcopy", "-o", "-i", drive, source, f"::{path}")
