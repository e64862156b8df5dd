# SPDX-License-Identifier: MIT
"""The boot loader: what it cannot load, it names on screen and serial with a remedy, and then it stops."""

import subprocess

import pytest
from emulator import TOP, Machine


def damaged_image(folder, *arguments):
    image = folder / "damaged.img"
    subprocess.run([TOP / "image/build", "--out", image, *arguments], check=True)
    return image


def expect_refusal(box, file, remedy):
    box.expect(rf"^loader: FATAL: {file}: missing or unreadable$", 60)
    box.expect(rf"^loader: remedy: {remedy}$", 10)


@pytest.mark.parametrize("part, file, remedy", [
    ("vmm", "/mullion/vmm.elf", "copy it from a fresh image, or write the stick again"),
    ("agent", "/mullion/agent.bin", "copy it from a fresh image, or write the stick again"),
    ("loader", "/mullion/grub.cfg", "write the image to the stick again"),
])
def test_missing_part_is_named_on_serial_and_screen(tmp_path, part, file, remedy):
    with Machine(damaged_image(tmp_path, "--omit", part), name="loader") as box:
        expect_refusal(box, file, remedy)
        screen = box.screen_text()
        assert f"loader: FATAL: {file}: missing or unreadable" in screen
        assert f"loader: remedy: {remedy}" in screen


def test_unreadable_vmm_is_named_under_uefi_on_com2(tmp_path):
    (tmp_path / "garbage").write_bytes(b"\xff" * 4096)
    image = damaged_image(tmp_path, "--replace", f"mullion/vmm.elf={tmp_path / 'garbage'}")
    with Machine(image, firmware="uefi", serials=("com2",), name="loader") as box:
        box.expect(r"^loader: FATAL: /mullion/vmm\.elf: missing or unreadable$", 90, port="com2")
        box.expect(r"^loader: remedy: copy it from a fresh image, or write the stick again$", 10, port="com2")
