# SPDX-License-Identifier: MIT
"""The same image on other firmware, another QEMU, and with fewer consoles."""

import time

from console import BOOT_SECONDS, Agent
from emulator import SCALE, EmulatorTimeout, Machine
from variants import DEMO


def shells_answer(agent):
    status = agent.wait_status()
    assert status.problems == []
    for name, cpus in (("alpha", "1"), ("beta", "2")):
        with agent.attached(name) as shell:
            shell.wake(120)
            assert shell.run("nproc").strip() == cpus


def wait_screen(machine, ready):
    """Looks at the screen until `ready` is content; the box itself says nothing on other channels."""
    deadline = time.monotonic() + BOOT_SECONDS * SCALE
    while not ready():
        if time.monotonic() > deadline:
            machine.keep_logs = True
            raise EmulatorTimeout(f"the screen never showed what was expected; logs: {machine.folder}")
        machine.pump(0.5)


def test_boots_under_uefi_with_only_com2():
    with Machine(DEMO, firmware="uefi", serials=("com2",), name="uefi-com2") as machine:
        shells_answer(Agent(machine, "com2"))


def test_boots_on_qemu_10_with_x2apic_host():
    with Machine(DEMO, qemu="10.0", name="qemu10") as machine:
        shells_answer(Agent(machine))


def test_boots_under_uefi_on_qemu_10():
    with Machine(DEMO, qemu="10.0", firmware="uefi", name="qemu10-uefi") as machine:
        shells_answer(Agent(machine))


def test_screen_alone_shows_status_in_text_mode():
    with Machine(DEMO, serials=(), name="screen") as machine:
        wait_screen(machine, lambda: "mullion>" in machine.screen_text())
        text = machine.screen_text()
        assert "=== Mullion" in text and "isolation.dma" in text
        assert "alpha" in text and "running" in text


def test_screen_alone_shows_status_in_graphics_mode():
    with Machine(DEMO, firmware="uefi", serials=(), name="screen-uefi") as machine:
        def drawn():
            width, _, pixels = machine.screen_pixels()
            rows = {pixels[at:at + 3 * width] for at in range(0, len(pixels), 3 * width)}
            return len(rows) > 100
        wait_screen(machine, drawn)
        status_rows = machine.screen_pixels()
        assert status_rows[0] >= 640
