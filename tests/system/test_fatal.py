# SPDX-License-Identifier: MIT
"""What ends a boot: named on the serial port and on the screen, then the box stops; it never resets by itself."""

import pytest
import variants
from emulator import BUILD, Machine

PRODUCT = BUILD / "mullion.img"
WITHOUT_SVM = "max,-svm"
WITHOUT_NPT = "max,-npt"


@pytest.fixture(scope="module")
def damaged_agent_image(tmp_path_factory):
    """One bit of the agent's code flipped, as a bad stick would."""
    folder = tmp_path_factory.mktemp("damaged")
    data = bytearray((BUILD / "agent" / "agent.bin").read_bytes())
    data[len(data) // 2] ^= 0x10
    damaged = folder / "agent.bin"
    damaged.write_bytes(data)
    return variants.build(folder, variants.manifest(), images={}, arguments=["--agent", damaged])


def check_fatal(words, image=PRODUCT, **box):
    with Machine(image, extra=["-no-reboot"], name="fatal", **box) as machine:
        text = machine.expect(r"^vmm: FATAL: .*\n", 60)[0]
        for word in words:
            assert word.lower() in text.lower(), text
        assert text.count(";") >= 2, f"wanted what; reason; remedy: {text}"
        machine.expect_screen(text.split(";")[0], 20)
        machine.pump(1)
        assert machine.process.poll() is None, "the box has reset or powered off by itself"
        assert machine.hmp("info registers").count("HLT=1") == 1, "CPU 0 does not stand still"


def test_cpu_without_svm_is_fatal():
    check_fatal(["SVM"], cpu=WITHOUT_SVM)


def test_cpu_without_nested_paging_is_fatal():
    check_fatal(["nested paging"], cpu=WITHOUT_NPT)


def test_too_little_memory_is_fatal():
    check_fatal(["memory", "MiB"], memory="32M")


def test_damaged_agent_is_fatal(damaged_agent_image):
    check_fatal(["agent"], image=damaged_agent_image)
