# SPDX-License-Identifier: MIT
"""A CPU without a random generator: no key is made, the status block says so, and everything else works."""

from console import Agent
from emulator import Machine
from variants import DEMO


def test_without_rdrand_and_rdseed_there_is_no_key_and_a_problem_that_says_why():
    with Machine(DEMO, cpu="max,-rdrand,-rdseed", name="no-entropy") as machine:
        status = Agent(machine).wait_status()
        assert any("neither RDRAND nor RDSEED" in problem for problem in status.problems), status.problems
        assert {one["state"] for one in status.partitions.values()} == {"running"}
        assert "fingerprint" not in status.fields and "token" not in status.fields, status.fields


def test_rdrand_alone_is_enough():
    with Machine(DEMO, cpu="max,-rdseed", name="rdrand-only") as machine:
        status = Agent(machine).wait_status()
        assert len(status.fields["fingerprint"].split(":")) >= 32, status.fields
