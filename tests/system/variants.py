# SPDX-License-Identifier: MIT
"""Images for one test: the product with another manifest, other guests, or a damaged part."""

import json
import subprocess

from emulator import BUILD, TOP

GUESTS = BUILD / "guests"
DEMO = BUILD / "mullion-demo.img"
LINUX = {"vmlinux": GUESTS / "vmlinux", "initramfs.cpio": GUESTS / "initramfs.cpio"}


def partition(name, cpus, *, memory="256MiB", kernel="vmlinux", initramfs="initramfs.cpio", cmdline="console=ttyS0",
              **more):
    boot = {"kernel": kernel, "cmdline": cmdline}
    if initramfs:
        boot["initramfs"] = initramfs
    return {"name": name, "cpus": cpus, "memory": memory, "boot": boot, **more}


def manifest(*partitions, links=()):
    document = {"apiVersion": "mullion/v1", "kind": "Machine", "partitions": partitions}
    if links:
        document["links"] = [{"kind": kind, "between": list(ends)} for kind, *ends in links]
    return json.dumps(document, indent=2) + "\n"


def with_byte_link(folder):
    """Writes the loader's script as the product has it, but for the VMM's option; returns its path."""
    product = (TOP / "image" / "grub.cfg").read_text()
    plain = "multiboot2 /mullion/vmm.elf;"
    assert product.count(plain) == 1
    script = folder / "grub.cfg"
    script.write_text(product.replace(plain, "multiboot2 /mullion/vmm.elf byte-link=com2;"))
    return script


def build(folder, text, images=None, arguments=(), driver_vm=False, byte_link=False):
    """
    Writes an image with the manifest `text` into `folder`; returns its path. Without a driver VM it boots faster; with
    a byte link the API is at COM2, too.
    """
    source = folder / "manifest.json"
    source.write_text(text)
    out = folder / "variant.img"
    command = [TOP / "image" / "build", "--out", out, "--manifest", source]
    for name, path in (LINUX if images is None else images).items():
        command += ["--image", f"{name}={path}"]
    if byte_link:
        command += ["--loader", with_byte_link(folder)]
    without = [] if driver_vm else ["--omit", "driver_kernel", "--omit", "driver_initramfs"]
    subprocess.run([*command, *without, *arguments], check=True, cwd=TOP)
    return out
