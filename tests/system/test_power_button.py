# SPDX-License-Identifier: MIT
"""Somebody presses the power button of the box."""

import pytest
import variants
from console import Agent
from emulator import Machine
from variants import partition

OFF_SECONDS = 90


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_box_stops_its_guests_by_their_power_buttons_then_itself(tmp_path, firmware):
    text = variants.manifest(partition("alpha", [1], cmdline="console=ttyS0 name=alpha"))
    image = variants.build(tmp_path, text)
    with Machine(image, cpus="2", firmware=firmware, name="button") as machine:
        agent = Agent(machine)
        agent.wait_status()
        with agent.attached("alpha") as shell:
            shell.wake(120)
        agent.machine.send("attach alpha\r")
        machine.expect(r"^attached to alpha", 30)
        machine.qmp("system_powerdown")
        machine.expect(r"reboot: Power down", OFF_SECONDS)
        machine.wait_end(OFF_SECONDS)
