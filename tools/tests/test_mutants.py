# SPDX-License-Identifier: MIT
"""The seeding of faults: each description fits the code as it is, and what is no success is not counted as one."""

import importlib.machinery
import importlib.util
import pathlib
import shutil

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
FAULT = """
breaks = "nothing"
file = "vmm/core/pool.c"
find = '''{find}'''
replace = '''{replace}'''
tests = ["unit/pool_test"]
"""


@pytest.fixture(name="mutants")
def fixture_mutants(tmp_path, monkeypatch):
    """The program as a module, with faults and trees of its own."""
    loader = importlib.machinery.SourceFileLoader("mutants", str(TOP / "tools/mutants"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "FAULTS", tmp_path / "faults")
    monkeypatch.setattr(module, "WORK", tmp_path / "work")
    module.FAULTS.mkdir()
    return module


def seed(mutants, find, replace, name="fault"):
    (mutants.FAULTS / f"{name}.toml").write_text(FAULT.format(find=find, replace=replace))


def run(mutants, capsys, monkeypatch, *arguments):
    """(exit status, output)"""
    monkeypatch.setattr("sys.argv", ["mutants", "--jobs=1", *arguments])
    return mutants.main(), capsys.readouterr().out


def test_each_fault_fits_the_code_and_there_are_enough(mutants):
    paths = sorted((TOP / "tests/mutants").glob("*.toml"))
    faults = [mutants.read_fault(path) for path in paths]
    assert len(faults) >= 30
    places = [(fault["file"], fault["find"], fault["replace"]) for fault in faults]
    assert len(set(places)) == len(places)
    assert all(fault["breaks"].endswith((".", ")")) for fault in faults)


@pytest.mark.parametrize("find", ["no such text", "return"])
def test_text_that_is_not_there_exactly_once_is_told(mutants, capsys, monkeypatch, find):
    seed(mutants, find, "x")
    status, output = run(mutants, capsys, monkeypatch)
    assert status == 1
    assert "times in vmm/core/pool.c" in output and "mutants: 0 passed, 1 failed" in output


def test_description_that_is_damaged_is_told(mutants, capsys, monkeypatch):
    (mutants.FAULTS / "fault.toml").write_text("breaks = 'x'\n")
    status, output = run(mutants, capsys, monkeypatch)
    assert status == 1 and "fault.toml: wants the texts" in output


def test_what_nothing_finds_and_what_does_not_build_is_no_success_and_the_tree_stays(mutants, capsys, monkeypatch):
    text = (TOP / "vmm/core/pool.c").read_text()
    line = next(line for line in text.splitlines() if line.startswith("void *pool_alloc("))
    assert text.count(line) == 1
    seed(mutants, line, line + " /* harmless */", "harmless")
    seed(mutants, line, line + " mistake", "broken")
    seed(mutants, line, line + " return NULL;", "fault")
    status, output = run(mutants, capsys, monkeypatch)
    assert status == 1
    assert "mutants: 1 passed, 2 failed" in output
    lines = {line.split()[1]: line for line in output.splitlines() if line.startswith(("PASS", "FAIL"))}
    assert lines["harmless"].startswith("FAIL") and "survives unit/pool_test" in lines["harmless"]
    assert lines["broken"].startswith("FAIL") and "does not build" in lines["broken"]
    assert lines["fault"].startswith("PASS") and "killed by unit/pool_test" in lines["fault"]
    assert (TOP / "vmm/core/pool.c").read_text() == text


def test_unknown_names_are_refused_though_others_are_there(mutants, capsys, monkeypatch):
    seed(mutants, "void *pool_alloc(uint64_t pages) {", "void *pool_alloc(uint64_t pages) { return NULL;")
    with pytest.raises(SystemExit, match="no such fault: fautl"):
        run(mutants, capsys, monkeypatch, "fault", "fautl")


@pytest.mark.parametrize("hangs", [False, True])
def test_test_that_does_not_end_counts_only_where_that_is_expected(mutants, tmp_path, monkeypatch, hangs):
    monkeypatch.setattr(mutants, "build", lambda *_: None)
    monkeypatch.setattr(mutants, "test_command", lambda *_: ["sleep", "60"])
    monkeypatch.setattr(mutants, "PATIENCE", (0.1, 0))
    (tmp_path / "code.c").write_text("right")
    fault = {"name": "x", "breaks": "x.", "file": "code.c", "find": "right", "replace": "wrong", "tests": ["unit/x"],
             "hangs": hangs}
    killed, text = mutants.judge(tmp_path, fault, {"unit/x": (None, 0)})
    assert killed == hangs and "no end within" in text


def test_test_that_fails_without_a_fault_counts_for_nothing(mutants, capsys, monkeypatch, tmp_path):
    copy = tmp_path / "top"
    for name in mutants.SOURCES:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (TOP / name).is_dir() else shutil.copy2)(TOP / name, copy / name)
    test = copy / "tests/unit/pool_test.c"
    test.write_text(test.read_text().replace("int main(void)\n{", "int main(void)\n{\n    return 1;"))
    monkeypatch.setattr(mutants, "TOP", copy)
    seed(mutants, "void *pool_alloc(uint64_t pages) {", "void *pool_alloc(uint64_t pages) { return NULL;")
    status, output = run(mutants, capsys, monkeypatch)
    assert status == 1 and "unit/pool_test fails without it, too" in output


def test_same_seed_chooses_the_same(mutants, capsys, monkeypatch):
    faults = [{"name": str(number)} for number in range(100)]
    parse = type("Arguments", (), {"names": [], "random": 5, "seed": 7})
    assert mutants.choose(faults, parse) == mutants.choose(faults, parse)
    parse.seed = None
    mutants.choose(faults, parse)
    assert "tools/mutants --random 5 --seed " in capsys.readouterr().out
