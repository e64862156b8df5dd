# SPDX-License-Identifier: MIT
"""The driver VM alone in a plain emulator, with this test in the agent's place."""

import contextlib
import select
import socket
import struct
import time

import driver_rpc
import pytest
from emulator import BUILD, SCALE, Machine
from wire import BROADCAST, Wire, ethernet

KERNEL, INITRAMFS = BUILD / "drivervm/kernel", BUILD / "drivervm/initramfs.cpio"
START_SECONDS = 60 * SCALE
ANSWER_SECONDS = 20 * SCALE
NIC_A, NIC_B, JACK, STRANGER, CHANNEL = (device << 3 for device in (3, 4, 5, 6, 7))
CSUM, TSO4, TSO6 = 1 << 1, 1 << 7, 1 << 8
QEMU_SUBSYSTEM = 0x1100  # of its virtio devices
TEST_PROTOCOL = 0x88B5  # for local experiments


class DriverVm:
    """The machine, the agent's end of its channel, and the wires at its ports."""

    def __init__(self, folder, memory):
        self.wires = {"a": Wire(f"e1000e,addr={NIC_A >> 3:#x},romfile=", "a"),
                      "b": Wire(f"e1000,addr={NIC_B >> 3:#x},romfile=", "b"),
                      "jack": Wire(f"virtio-net-pci,addr={JACK >> 3:#x},disable-legacy=on,romfile=", "jack")}
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / "channel"))
        listener.listen(1)
        channel = ("-chardev", f"socket,id=channel,path={folder / 'channel'}",
                   "-device", f"virtio-serial-pci,addr={CHANNEL >> 3:#x},disable-legacy=on,max_ports=1",
                   "-device", "virtconsole,chardev=channel")
        wires = [argument for wire in self.wires.values() for argument in wire.arguments]
        self.machine = boot(memory, *channel, *wires, "-device", f"vmxnet3,addr={STRANGER >> 3:#x},romfile=")
        self.channel = listener.accept()[0]
        listener.close()
        self.agent = driver_rpc.Client(self.channel, ANSWER_SECONDS)

    def close(self):
        self.machine.close()
        self.channel.close()
        for wire in self.wires.values():
            wire.close()

    def nics(self):
        return {nic.slot: nic for nic in self.agent.nics()}

    def wait_for(self, condition):
        """Waits until `condition` holds of the NICs; looks again after each change that is told."""
        while not condition(self.nics()):
            self.agent.wait_for_change()

    def marks(self, name):
        """Numbers of the marked frames that arrived on a wire."""
        self.wires[name].pump()
        return [frame[14] for frame in self.wires[name].frames
                if struct.unpack_from("!H", frame, 12)[0] == TEST_PROTOCOL]

    def send_until_seen(self, source, target, mark):
        """A port may yet have no carrier: sends a marked frame into one wire until one comes out of the other."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while mark not in self.marks(target):
            assert time.monotonic() < deadline, f"frame {mark} did not pass from {source} to {target}"
            self.wires[source].send(ethernet(BROADCAST, TEST_PROTOCOL, bytes([mark]) * 46))
            select.select([self.wires[target].ours], [], [], 0.2)


class DirectBoot(Machine):
    """Boots what -kernel names, so the stick must not claim to be first."""

    def _start(self):
        self.command = [str(argument).replace(",bootindex=0", "") for argument in self.command]
        super()._start()


def boot(memory, *extra):
    append = f"console=ttyS0 quiet jack_subsystem={QEMU_SUBSYSTEM:#x}"
    return DirectBoot(KERNEL, cpus="1", memory=memory, name="driver-vm",
                      extra=("-kernel", KERNEL, "-initrd", INITRAMFS, "-append", append, *extra))


@contextlib.contextmanager
def started(folder, memory="96M"):
    vm = DriverVm(folder, memory)
    with contextlib.closing(vm):
        vm.machine.expect(r"driver VM: ready", START_SECONDS)
        yield vm


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """One driver VM for all tests but those that end it; the first ones see it as it starts."""
    with started(tmp_path_factory.mktemp("driver-vm")) as vm:
        yield vm


@pytest.fixture(name="vm")
def fixture_vm(fresh):
    """The same again without uplink and without memory of earlier frames."""
    fresh.agent.set_uplink(0)
    for name, wire in fresh.wires.items():
        fresh.marks(name)
        wire.frames.clear()
    return fresh


def test_hello_names_kernel_and_counts(fresh, measured):
    functions, nics, kernel = fresh.agent.hello()
    measured(f"driver VM alone: answers {time.monotonic() - fresh.machine.started:.1f} s after the emulator's start")
    assert kernel.startswith("6.12.") and nics == 2
    assert functions == len(fresh.agent.functions())


def test_nics_are_up_outside_of_the_bridge_at_start(fresh):
    fresh.wait_for(lambda nics: nics[NIC_A].carrier and nics[NIC_B].carrier)
    assert not any(nic.in_bridge for nic in fresh.nics().values())
    assert {nic.driver for nic in fresh.nics().values()} == {"e1000e", "e1000"}


def test_functions_are_listed_with_driver_or_reason(vm):
    functions = {function.slot: function for function in vm.agent.functions()}
    assert functions[NIC_A].driver == "e1000e" and functions[NIC_A].reason == ""
    assert functions[STRANGER].driver == "" and functions[STRANGER].reason == "no driver"
    assert (functions[STRANGER].vendor, functions[STRANGER].device) == (0x15AD, 0x07B0)
    assert functions[STRANGER].class_code == 0x020000
    assert JACK not in functions and 0 not in functions


def test_frames_pass_between_jack_and_the_one_uplink(vm):
    vm.agent.set_jack(JACK, 1, 0)
    vm.agent.set_uplink(NIC_A)
    vm.send_until_seen("jack", "a", 1)
    vm.send_until_seen("a", "jack", 2)
    vm.agent.set_uplink(NIC_B)
    assert [vm.nics()[slot].in_bridge for slot in (NIC_A, NIC_B)] == [0, 1]
    vm.send_until_seen("jack", "b", 3)
    assert 1 not in vm.marks("b") and 3 not in vm.marks("a")


def test_nothing_passes_without_uplink(vm):
    vm.agent.set_jack(JACK, 1, 0)
    vm.agent.set_uplink(NIC_A)
    vm.send_until_seen("jack", "a", 1)
    vm.agent.set_uplink(0)
    vm.wires["jack"].send(ethernet(BROADCAST, TEST_PROTOCOL, b"\x02" * 46))
    vm.agent.set_uplink(NIC_A)
    vm.send_until_seen("jack", "a", 3)
    assert 2 not in vm.marks("a")


def test_jack_takes_any_feature_set_in_any_order(vm):
    for features in (0, CSUM | TSO4 | TSO6, CSUM, TSO4, CSUM | TSO6, (1 << 64) - 1, 0):
        vm.agent.set_jack(JACK, 1, features)
    vm.agent.set_jack(JACK, 0, 0)
    vm.agent.set_jack(JACK, 0, 0)


def test_lost_carrier_is_told(vm):
    # Not the e1000e: QEMU 7.2's loses the interrupt of a link that goes down.
    vm.wait_for(lambda nics: nics[NIC_B].carrier)
    vm.machine.qmp("set_link", name="b", up=False)
    vm.wait_for(lambda nics: not nics[NIC_B].carrier)
    vm.machine.qmp("set_link", name="b", up=True)
    vm.wait_for(lambda nics: nics[NIC_B].carrier)


@pytest.mark.parametrize("slot", [0x7FFFFFFF, 255, JACK, STRANGER, CHANNEL])
def test_uplink_that_is_no_port_is_refused_and_the_old_one_stays(vm, slot):
    vm.agent.set_uplink(NIC_A)
    with pytest.raises(driver_rpc.RpcError) as refused:
        vm.agent.set_uplink(slot)
    assert refused.value.status == driver_rpc.E_NO_PORT
    assert vm.nics()[NIC_A].in_bridge


def test_garbage_on_the_channel_is_skipped(vm):
    magic = struct.pack("<I", driver_rpc.MAGIC)
    whole = driver_rpc.frame(driver_rpc.POWER_OFF, 1)
    vm.channel.sendall(bytes(range(256)) * 64 + magic * 100 + whole[:-1] + bytes([whole[-1] ^ 1]) + magic)
    vm.channel.sendall(b"\0" * (driver_rpc.MAX_BYTES + driver_rpc.HEADER.size))
    assert vm.agent.hello()[1] == 2


def test_power_off_is_answered_then_done(vm):
    vm.agent.power_off()
    vm.machine.wait_end(START_SECONDS)
    assert "driver VM: powering off" in vm.machine.tail()


def test_half_of_its_memory_is_enough_and_the_power_button_ends_it_in_order(tmp_path):
    with started(tmp_path, "48M") as vm:
        vm.agent.set_jack(JACK, 1, CSUM | TSO4 | TSO6)
        vm.agent.set_uplink(NIC_A)
        vm.send_until_seen("jack", "a", 1)
        vm.machine.qmp("system_powerdown")
        vm.machine.expect(r"driver VM: powering off", START_SECONDS)
        vm.machine.wait_end(START_SECONDS)


def test_without_channel_it_says_why_and_ends():
    with boot("96M") as machine:
        machine.expect(r"driver VM: /dev/hvc0, the channel to the agent: No such file or directory; powering off",
                       START_SECONDS)
        machine.wait_end(START_SECONDS)
