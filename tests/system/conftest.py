# SPDX-License-Identifier: MIT
"""System tests: the real image in an emulator, driven through its consoles."""

import os
import pathlib
import signal
import sys
import tempfile

import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from emulator import EmulatorDied, EmulatorTimeout, Machine  # noqa: E402

# What all processes of a run share, those of tests/system/run too: who had the second chance, and how long Bochs ran.
if "MULLION_TEST_NOTES" not in os.environ:
    own_notes = tempfile.TemporaryDirectory(prefix="mullion-notes-")  # pylint: disable=consider-using-with
    os.environ["MULLION_TEST_NOTES"] = own_notes.name
NOTES = pathlib.Path(os.environ["MULLION_TEST_NOTES"])
# Tests that share nothing, so that any worker may take any of them; the others of a file share a machine.
DIVISIBLE = ("test_agent_network.py", "test_fatal.py", "test_loader.py", "test_matrix.py", "test_power_button.py",
             "test_run.py", "test_wire.py::test_lying", "test_wire.py::test_duplicate", "test_driver_vm.py::test_network",
             "test_driver_vm.py::test_api")
used_retries = []
measurements = []


def pytest_configure():
    """A terminated run tears its fixtures down, as an interrupted one does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def is_divisible(nodeid):
    return any(name in nodeid for name in DIVISIBLE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hands whole files to workers, but for those whose tests can be had one by one."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid if is_divisible(nodeid) else nodeid.split("::")[0]

    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """What can be divided comes last, so that no worker begins with a long file when the others are done."""
    items.sort(key=lambda item: is_divisible(item.nodeid))


def pytest_sessionfinish(session):
    """A worker's notes go to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput.update(retries=used_retries, measurements=measurements)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    notes = getattr(node, "workeroutput", {})
    used_retries.extend(map(tuple, notes.get("retries", ())))
    measurements.extend(notes.get("measurements", ()))


def caused_by_emulator(report):
    """Did it die? What did not come in time may be the box's own fault, and a soak is there to find that out."""
    kinds = (EmulatorDied,) if os.environ.get("MULLION_SOAK") else (EmulatorTimeout, EmulatorDied)
    return report.failed and any(kind.__name__ in str(report.longrepr) for kind in kinds)


def take_second_chance():
    """There is one in the whole run, whichever of its processes is the first."""
    try:
        (NOTES / "second-chance").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def pytest_runtest_protocol(item, nextitem):
    """An emulator that hangs or dies is given one second chance per run, and that is printed."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    causes = [report for report in reports if caused_by_emulator(report)]
    if causes and take_second_chance():
        used_retries.append((item.nodeid, str(causes[0].longrepr)))
        item.session._setupstate.teardown_exact(None)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    for line in measurements:
        terminalreporter.write_line(f"measured: {line}")
    for name, cause in used_retries:
        terminalreporter.write_line(f"flaky: {name} was run a second time, because of:\n{cause}", yellow=True)


@pytest.fixture(scope="session")
def measured():
    """Call it with a line of what the test measured; all lines are printed at the end."""
    return measurements.append


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test keeps the logs of the machines that it used."""
    outcome = yield
    if outcome.get_result().failed:
        for value in getattr(item, "funcargs", {}).values():
            machine = value if isinstance(value, Machine) else getattr(value, "machine", None)
            if isinstance(machine, Machine):
                machine.keep_logs = True
                outcome.get_result().sections.append(("machine", f"logs: {machine.folder}\n{machine.tail()}\n"
                                                                 f"{machine.emulator_log()}"))
