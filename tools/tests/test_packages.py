# SPDX-License-Identifier: MIT
"""Installing what is missing: with root, with sudo, or with neither, and never with a prompt nobody can answer."""

import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(name="host")
def fixture_host(tmp_path):
    """A host of stand-ins: nothing is installed, and apt-get writes down what it was told."""

    def run(uid, sudo):
        scripts = {
            "dpkg-query": "exit 1",
            "id": f"echo {uid}",
            "apt-get": f'echo "apt-get $*" >>{tmp_path}/calls',
            "sudo": f'[ "$1" = -n ] && {"shift" if sudo else "exit 1"}; echo sudo >>{tmp_path}/calls; exec "$@"',
        }
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        result = subprocess.run([TOP / "tools/packages", "build"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout=20, check=False)
        calls = tmp_path / "calls"
        return result, calls.read_text() if calls.exists() else ""

    return run


def test_root_installs_without_sudo(host):
    result, calls = host(uid=0, sudo=False)
    assert result.returncode == 0
    assert "apt-get install -y" in calls and "sudo" not in calls


def test_user_with_sudo_that_asks_nothing_installs(host):
    result, calls = host(uid=1000, sudo=True)
    assert result.returncode == 0
    assert calls.startswith("sudo") and "apt-get install -y" in calls


def test_user_who_would_be_asked_gets_the_one_command_instead(host):
    result, calls = host(uid=1000, sudo=False)
    assert result.returncode != 0
    assert "apt-get" not in calls
    assert "    sudo sh -c 'apt-get update && apt-get install -y" in result.stderr and "musl-tools" in result.stderr
