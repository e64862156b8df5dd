# SPDX-License-Identifier: MIT
"""The system tests' second chance: one in a whole run, and none for a soak's time-outs."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TEST = """
import pathlib

from emulator import EmulatorDied, EmulatorTimeout


def test_that_fails_when_run_first():
    mark = pathlib.Path(__file__).with_suffix(".begun")
    if not mark.exists():
        mark.touch()
        raise {error}("once")
"""


@pytest.fixture(name="run")
def fixture_run(tmp_path):
    """Runs two files of tests that fail when run first, with that error: (summary, output)."""
    for name in ("conftest.py", "emulator.py"):
        shutil.copy(TOP / "tests/system" / name, tmp_path)
    notes = tmp_path / "notes"
    notes.mkdir()

    def run(error, *arguments, **variables):
        for name in ("test_a", "test_b"):
            (tmp_path / f"{name}.py").write_text(TEST.replace("{error}", error))
            (tmp_path / f"{name}.begun").unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MULLION", "PYTEST"))}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, tmp_path]
        output = subprocess.run(command, env=environment | {"MULLION_TEST_NOTES": str(notes)} | variables, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
        return output.splitlines()[-1], output

    return run


@pytest.mark.parametrize("error", ["EmulatorDied", "EmulatorTimeout"])
def test_only_the_first_failure_of_a_run_is_forgiven_and_told(run, error):
    summary, output = run(error)
    assert "1 failed, 1 passed" in summary
    assert output.count("flaky: ") == 1


def test_workers_share_it(run):
    summary, output = run("EmulatorDied", "-n", "2")
    assert "1 failed, 1 passed" in summary
    assert output.count("flaky: ") == 1


def test_both_halves_of_a_run_share_it(run):
    run("EmulatorDied")
    assert "2 failed" in run("EmulatorDied")[0]


def test_time_out_in_a_soak_is_a_failure(run):
    summary, output = run("EmulatorTimeout", MULLION_SOAK="1")
    assert "2 failed" in summary and "flaky: " not in output


def test_any_other_failure_is_none_of_the_emulator(run):
    summary, output = run("ValueError")
    assert "2 failed" in summary and "flaky: " not in output
