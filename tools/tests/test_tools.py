# SPDX-License-Identifier: MIT
"""The tools that judge: each one must be able to fail."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True


def load(path):
    """A script without suffix, as a module."""
    name = pathlib.Path(path).name.replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(name, str(TOP / path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("lines, expected", [
    (["===== 3 passed, 1 skipped in 2.10s ====="], (3, 0, 0)),
    (["== 1 failed, 2 passed, 1 error in 62.00s (0:01:02) =="], (2, 2, 0)),
    (["[  PASSED  ] 4 test(s).", "[  FAILED  ] tests: 2 test(s), listed below:", "[  FAILED  ] name"], (4, 2, 0)),
    (["vmm-unit: 126 passed, 1 failed"], (126, 1, 0)),
    (["flaky: test_x passed on its second run"], (0, 0, 1)),
    (["12 passed, as the text says"], (0, 0, 0)),
])
def test_driver_counts_what_each_tool_prints(lines, expected):
    assert load("tools/test-driver").count(lines) == expected


@pytest.mark.parametrize("origins, seconds, said", [(("cache", "cache"), 1500, "25 minutes are kept"),
                                                    (("cache", "cache"), 1501, "25 minutes are NOT kept"),
                                                    (("cache", "built"), 1501, None), (("downloaded", "cache"), 1, None)])
def test_driver_says_whether_a_warm_run_was_quick(capsys, origins, seconds, said):
    driver = load("tools/test-driver")
    driver.print_table([driver.Result(phase, 1, origin, 0, 0) for phase, origin in zip(("setup", "build"), origins)], seconds)
    output = capsys.readouterr().out
    assert said in output if said else "minutes" not in output


def test_driver_ends_a_phase_that_is_out_of_time(tmp_path):
    code, _ = load("tools/test-driver").run_command(["sleep", "60"], tmp_path / "log", 0.2)
    assert code != 0


def test_offsets_of_inner_and_repeated_fields_are_found():
    fields = load("tools/check-offsets").field_names(
        "uint32_t a, b; uint8_t c[4][2]; struct { int d; union { int e; int f; }; } g; struct { int h; }; int *i;")
    assert fields == ["a", "b", "c", "g.d", "g.e", "g.f", "g", "h", "i"]


def test_asserted_fields_are_found_in_each_spelling():
    text = """
        _Static_assert(offsetof(struct one, a) == 0 && offsetof(struct one, b) == 4, "");
        ABI_ASSERT_OFFSET(two, c, 8);
        #define VMCB_ASSERT(field, offset) _Static_assert(offsetof(struct vmcb, field) == (offset), "")
        VMCB_ASSERT(rip, 0x578);
        ABI_ASSERT_OFFSET(two, inner[0].e, 16);
        size_t not_asserted = offsetof(struct one, d);
    """
    pairs = load("tools/check-offsets").assertions(text)
    assert {("one", "a"), ("one", "b"), ("two", "c"), ("vmcb", "rip"), ("two", "inner.e")} <= pairs
    assert ("one", "d") not in pairs


@pytest.mark.parametrize("reference, wrong", [
    ("tools/check-size", None), ("make check", None), ("make check SUITE=x", None),
    ("tools/tests/test_tools.py::test_offsets_of_inner_and_repeated_fields_are_found", None),
    ("tools/nothing", "no such file"), ("make nothing", "no such target"),
    ("tools/run::test_that_is_not_there", "holds no"),
])
def test_acceptance_reference_must_exist(reference, wrong):
    checker = load("tools/check-acceptance")
    text = checker.complaint(reference, {"check"})
    assert (wrong in text) if wrong else text is None


def test_acceptance_table_rows_leave_out_headers():
    rows = list(load("tools/check-acceptance").rows("| what | test |\n|---|---|\n| a | `x` |\n| b | |\n"))
    assert rows == [(3, ["a", "`x`"]), (4, ["b", ""])]


def test_acceptance_needs_ids_without_gaps_and_more_than_a_document():
    checker = load("tools/check-acceptance")
    seen = {}
    assert [bool(checker.id_complaint(name, seen)) for name in ("1.1", "1.2", "1.4", "2.1", "x")] == \
        [False, False, True, False, True]
    assert checker.can_fail("make check") and checker.can_fail("tools/check-size") and not checker.can_fail("README.md")


def test_status_block_is_recognised_and_a_fatal_line_too():
    status = load("tools/run").StatusBlock()
    for line in ("===", "=== Mullion 0.1.0 ===", "back end: SVM"):
        status.see(line)
    assert not status.complete
    status.see("===")
    status.see("vmm: FATAL: no SVM; reason; remedy")
    assert status.complete and status.fatal.startswith("vmm: FATAL")


def test_unknown_pin_is_named_with_the_known_ones():
    result = subprocess.run([TOP / "third_party/fetch", "nonsense"], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "nonsense: no such pin" in result.stderr and "musl" in result.stderr


def test_moved_pin_is_reported_with_the_command_that_updates_it(tmp_path, monkeypatch):
    fetch = load("third_party/fetch")
    monkeypatch.setenv("MULLION_CACHE", str(tmp_path))
    monkeypatch.setattr(fetch, "mirror_candidates", lambda: [f"file://{tmp_path}"])
    pin = fetch.Pin("musl", "source", "trixie", "1.0", "pool/musl_1.0.orig.tar.gz", "0" * 64)
    with pytest.raises(fetch.FetchError, match="third_party/fetch --update musl"):
        fetch.download(pin)


def test_file_with_another_hash_is_not_accepted(tmp_path, monkeypatch):
    fetch = load("third_party/fetch")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/musl_1.0.orig.tar.gz").write_bytes(b"something else")
    monkeypatch.setenv("MULLION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "mirror_candidates", lambda: [f"file://{tmp_path}"])
    pin = fetch.Pin("musl", "source", "trixie", "1.0", "pool/musl_1.0.orig.tar.gz", "0" * 64)
    with pytest.raises(fetch.FetchError):
        fetch.download(pin)
    assert not list((tmp_path / "cache").rglob("musl*"))


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_package_lists_have_a_phase_and_a_name_per_line(suite):
    lines = (TOP / f"third_party/packages.{suite}").read_text(encoding="utf-8").splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    assert all(len(entry) == 2 and entry[0] in ("build", "test") for entry in entries)
    assert len({name for _, name in entries}) == len(entries)


def check_host(tree, ram_mib, **variables):
    """What check-host says in a tree without a build."""
    (tree / "tools").mkdir()
    script = shutil.copy(TOP / "tools/check-host", tree / "tools")
    environment = {"PATH": f"{tree}:/usr/bin:/bin", "MULLION_CACHE": str(tree), **variables}
    return subprocess.run([script, str(ram_mib)], capture_output=True, text=True, env=environment, check=False)


def test_too_little_disk_is_refused_with_need_and_remedy(tmp_path):
    (tmp_path / "df").write_text("#!/bin/sh\nprintf 'Avail\\n 100M\\n'\n", encoding="ascii")
    (tmp_path / "df").chmod(0o755)
    result = check_host(tmp_path, 1)
    assert result.returncode == 1
    assert "100 MiB of disk space free, the build needs 2048 MiB; free some space" in result.stderr


def test_too_little_memory_is_refused_with_need_and_remedy(tmp_path):
    result = check_host(tmp_path, 1 << 40)
    assert result.returncode == 1
    assert "MiB of memory free, 1099511627776 MiB are needed; end other programs" in result.stderr


def test_cache_that_cannot_be_written_is_refused_with_the_remedy(monkeypatch):
    fetch = load("third_party/fetch")
    monkeypatch.setenv("MULLION_CACHE", "/proc/nowhere")
    with pytest.raises(fetch.FetchError, match="/proc/nowhere: the cache cannot be written: .* MULLION_CACHE"):
        fetch.cache_dir()


def test_settings_stamp_changes_only_with_its_content(tmp_path):
    (tmp_path / "tools").mkdir()
    script = shutil.copy(TOP / "tools/stamp", tmp_path / "tools")
    (tmp_path / "build/part").mkdir(parents=True)
    stale, good = tmp_path / "build/part/stale.path", tmp_path / "build/part/good.path"
    stale.write_text(f"{tmp_path}/lost\n", encoding="ascii")
    good.write_text(f"{tmp_path}\n", encoding="ascii")
    times = []
    for settings in ("a=1", "a=1", "a=2"):
        subprocess.run([script, settings], check=True)
        times.append((tmp_path / "build/flags").stat().st_mtime_ns)
    assert times[0] == times[1] < times[2]
    assert good.exists() and not stale.exists()


@pytest.mark.parametrize("value, message", [("fast", "only tcg .* and kvm are known"), ("kvm", "leave ACCEL out")])
def test_accelerator_that_cannot_be_had_is_refused(monkeypatch, value, message):
    run = load("tools/run")
    monkeypatch.setenv("ACCEL", value)
    monkeypatch.setattr(run.os, "access", lambda *_: False)
    with pytest.raises(run.RunError, match=message):
        run.accelerator()


def test_emulation_is_the_default_even_where_kvm_is_there(monkeypatch):
    run = load("tools/run")
    monkeypatch.delenv("ACCEL", raising=False)
    monkeypatch.setattr(run.os, "access", lambda *_: True)
    assert "tcg,thread=multi" in run.accelerator()
