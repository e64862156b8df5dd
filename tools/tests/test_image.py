# SPDX-License-Identifier: MIT
"""The image builder: what it writes is read back with other programs, or by hand from the specification."""

import os
import pathlib
import re
import struct
import subprocess
import zlib

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
SECTOR = 512
FAT_OFFSET = 1 << 20


def build(folder, *arguments, check=True):
    """Builds an image of small stand-ins for the VMM and the agent."""
    for name in ("vmm", "agent", "site", "manifest"):
        (folder / name).write_bytes(name.encode() * 1000)
    parts = [f"--{name}={folder / name}" for name in ("vmm", "agent", "site", "manifest")]
    out = folder / "test.img"
    result = subprocess.run([TOP / "image/build", "--out", out, *parts, *arguments], capture_output=True, text=True,
                            check=check)
    return out, result


def fat_file(image, path):
    return subprocess.run(["mtype", "-i", f"{image}@@{FAT_OFFSET}", f"::{path}"], capture_output=True,
                          env={**os.environ, "MTOOLS_SKIP_CHECK": "1"}, check=True).stdout


def gpt_header(data, sector):
    names = ("signature", "revision", "size", "crc", "reserved", "own", "other", "first", "last", "disk", "table",
             "entries", "entry_bytes", "table_crc")
    return dict(zip(names, struct.unpack_from("<8sIIIIQQQQ16sQIII", data, sector * SECTOR)))


@pytest.fixture(scope="module", name="image")
def fixture_image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    (folder / "kernel").write_bytes(b"kernel" * 100000)
    return build(folder, f"--image=vmlinux={folder / 'kernel'}")[0]


@pytest.mark.parametrize("which", ["primary", "backup"])
def test_gpt_header_and_table_have_right_checksums(image, which):
    data = image.read_bytes()
    last = len(data) // SECTOR - 1
    sector = 1 if which == "primary" else last
    header = gpt_header(data, sector)
    raw = bytearray(data[sector * SECTOR:sector * SECTOR + header["size"]])
    raw[16:20] = b"\0" * 4
    table = data[header["table"] * SECTOR:][:header["entries"] * header["entry_bytes"]]
    assert header["signature"] == b"EFI PART"
    assert (header["own"], header["other"]) == ((1, last) if which == "primary" else (last, 1))
    assert header["crc"] == zlib.crc32(raw)
    assert header["table_crc"] == zlib.crc32(table)


def test_partitions_lie_inside_the_usable_sectors_and_apart(image):
    data = image.read_bytes()
    header = gpt_header(data, 1)
    ranges = [struct.unpack_from("<QQ", data, header["table"] * SECTOR + 128 * number + 32) for number in (0, 1)]
    assert header["first"] <= ranges[0][0] <= ranges[0][1] < ranges[1][0] <= ranges[1][1] <= header["last"]
    assert ranges[1][0] * SECTOR == FAT_OFFSET


def test_boot_sector_loads_the_core_image_from_the_bios_boot_partition(image):
    data = image.read_bytes()
    core = gpt_header(data, 1)["first"]
    assert data[510:512] == b"\x55\xaa"
    assert struct.unpack_from("<Q", data, 0x5C)[0] == core
    assert struct.unpack_from("<Q", data, core * SECTOR + 0x1F4)[0] == core + 1


def test_fat_file_system_is_clean(image, tmp_path):
    fat = tmp_path / "fat"
    fat.write_bytes(image.read_bytes()[FAT_OFFSET:])
    result = subprocess.run(["/usr/sbin/fsck.fat", "-n", fat], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_files_lie_where_the_loader_looks_for_them(image):
    assert fat_file(image, "/mullion/vmm.elf") == b"vmm" * 1000
    assert fat_file(image, "/mullion/agent.bin") == b"agent" * 1000
    assert fat_file(image, "/site.json") == b"site" * 1000
    assert fat_file(image, "/manifest.json") == b"manifest" * 1000
    assert fat_file(image, "/images/vmlinux") == b"kernel" * 100000
    assert fat_file(image, "/mullion/grub.cfg") == (TOP / "image/grub.cfg").read_bytes()
    assert fat_file(image, "/EFI/BOOT/BOOTX64.EFI")[:2] == b"MZ"


def test_the_builder_gives_the_vmm_no_option(image):
    """The VMM's options are for test images, which bring a loader's script of their own."""
    built = [path for path in (TOP / "build/mullion.img", TOP / "build/mullion-demo.img") if path.exists()]
    for one in [image, *built]:
        script = fat_file(one, "/mullion/grub.cfg").decode()
        assert re.findall(r"\bmultiboot2\s+([^;\n]*)", script) == ["/mullion/vmm.elf"]


def test_same_input_gives_the_same_bytes(tmp_path):
    first = build(tmp_path)[0].read_bytes()
    assert build(tmp_path)[0].read_bytes() == first


def test_omitted_part_is_left_out(tmp_path):
    image, _ = build(tmp_path, "--omit", "agent")
    with pytest.raises(subprocess.CalledProcessError):
        fat_file(image, "/mullion/agent.bin")


def test_missing_input_is_named_with_a_remedy(tmp_path):
    _, result = build(tmp_path, f"--image=kernel={tmp_path}/nowhere", check=False)
    assert result.returncode != 0
    assert "nowhere" in result.stderr and "build it first" in result.stderr


def test_files_larger_than_the_given_size_are_named_with_a_remedy(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * (20 << 20))
    _, result = build(tmp_path, f"--image=large={tmp_path}/large", "--size", "16", check=False)
    assert result.returncode != 0
    assert "--size" in result.stderr


def test_product_over_its_limit_is_refused(tmp_path):
    _, result = build(tmp_path, "--size", "40", "--product", check=False)
    assert result.returncode != 0
    assert "the product may have 32 MiB" in result.stderr
