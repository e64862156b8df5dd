# SPDX-License-Identifier: MIT
"""One manifest for a rack, with images whose contents are fixed: what a box makes of it that finds itself there."""

import hashlib
import json

import pytest
import variants
from console import Agent
from emulator import Machine
from variants import GUESTS, LINUX, partition

UUID = "12345678-1234-5678-9abc-def012345678"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module", name="status")
def fixture_status(tmp_path_factory):
    """The status block of a box that is the second of two. Of its images one is another file than the manifest says."""
    folder = tmp_path_factory.mktemp("rack")
    document = json.loads(variants.manifest(partition("common", [1])))
    document["images"] = [{"name": "vmlinux", "sha256": sha256(GUESTS / "vmlinux")},
                          {"name": "initramfs.cpio", "sha256": sha256(GUESTS / "initramfs.cpio")},
                          {"name": "bzImage", "sha256": "0" * 64}]
    document["machines"] = [
        {"match": {"uuid": UUID.replace("1", "2")}, "partitions": [partition("another-box", [1])]},
        {"match": {"uuid": UUID.upper()}, "partitions": [partition("right", 1), partition("wrong", 1, kernel="bzImage")]},
    ]
    image = variants.build(folder, json.dumps(document, indent=2), {**LINUX, "bzImage": GUESTS / "bzImage"})
    with Machine(image, name="rack", extra=("-uuid", UUID)) as machine:
        yield Agent(machine).wait_status()


def test_box_takes_what_names_its_uuid(status):
    assert set(status.partitions) == {"right", "wrong"}
    assert status.partitions["right"]["state"] == "running"
    print(f"measured: boot time {status.fields['boot time']} with three images checked, "
          f"{sum((GUESTS / name).stat().st_size for name in ('vmlinux', 'initramfs.cpio', 'bzImage')) >> 20} MiB")


def test_image_that_is_another_file_starts_nothing(status):
    assert status.partitions["wrong"]["state"] == "refused"
    told = [text for text in status.problems if "bzImage" in text]
    assert len(told) == 2, status.problems
    assert "/images/2/sha256" in told[0] and sha256(GUESTS / "bzImage") in told[0]
    assert "/machines/1/partitions/1/boot/kernel" in told[1]
    assert len(status.problems) == 2, status.problems
