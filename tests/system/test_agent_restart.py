# SPDX-License-Identifier: MIT
"""The agent dies: the VMM restarts it, partitions run on, and it knows them again."""

import pytest
import variants
from console import Agent
from emulator import BUILD, Machine
from variants import partition

CRASHES = 3


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crash")
    text = variants.manifest(partition("alpha", [1], cmdline="console=ttyS0 name=alpha"))
    image = variants.build(folder, text, arguments=["--agent", BUILD / "agent" / "agent-crash.bin"])
    with Machine(image, name="crash") as machine:
        agent = Agent(machine)
        agent.boot_status = agent.wait_status()
        with agent.attached("alpha") as shell:
            shell.wake(120)
        yield agent


def test_agent_restarts_and_partitions_run_on(agent):
    for _ in range(CRASHES):
        starts = agent.info("alpha")["starts"]
        ticks = agent.total("alpha", "guest_ticks")
        agent.machine.send("crash-agent\r")
        status = agent.wait_status(60)
        assert status.partitions == {"alpha": {**status.partitions["alpha"], "state": "running", "cpus": "1"}}
        assert agent.info("alpha")["starts"] == starts
        assert agent.total("alpha", "guest_ticks") > ticks


def test_shell_survives_the_agent(agent):
    with agent.attached("alpha") as shell:
        shell.wake()
        assert shell.run("hostname").strip() == "alpha"


def test_restart_is_told(agent):
    assert any("agent" in line and "restart" in line for line in agent.command("log"))
