# SPDX-License-Identifier: MIT
"""The program that checks manifests, and what is made from the schema's tables."""

import importlib.machinery
import importlib.util
import json
import pathlib
import shutil
import subprocess

import jsonschema
import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LINT = TOP / "build/agent/manifest-lint"
CONFIGS = sorted((TOP / "configs").glob("*.json"))


def lint(*arguments, **more):
    return subprocess.run([LINT, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **more)


@pytest.fixture(scope="module", name="schema")
def fixture_schema():
    return json.loads((TOP / "docs/manifest.schema.json").read_text())


def test_schema_is_a_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_is_valid_by_schema_and_program(path, schema):
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text()))
    assert lint(path).stdout == f"{path}: valid\n"


def test_there_are_manifests_to_start_from():
    kinds = [json.loads(path.read_text())["kind"] for path in CONFIGS]
    assert kinds.count("Machine") >= 8


def test_yaml_means_the_same_as_json():
    yaml, plain = (lint("--json", TOP / "configs" / name) for name in ("demo.yaml", "demo.json"))
    assert yaml.returncode == plain.returncode == 0
    assert yaml.stdout == plain.stdout
    assert json.loads(yaml.stdout) == json.loads((TOP / "configs/demo.json").read_text())


def test_map_leads_from_a_boxs_complaint_to_the_line_of_the_yaml(tmp_path):
    yaml = tmp_path / "manifest.yaml"
    yaml.write_text("apiVersion: mullion/v1\nkind: Machine\npartitions:\n  - name: alpha\n    cpus: [1, 9]\n    memory: 64MiB\n"
                    "    boot: {kernel: vmlinux}\n")
    plain = tmp_path / "manifest.json"
    plain.write_text(lint("--json", yaml).stdout)
    complaint = lint("--box", TOP / "tests/unit/golden/box-small.json", plain).stdout
    pointer = complaint.removeprefix(f"{plain}:").split(": ")[1]
    places = dict(line.split(" ", 1) for line in lint("--map", yaml).stdout.splitlines())
    assert pointer == "/partitions/0/cpus/1"
    assert places[pointer] == "5 15"


@pytest.mark.parametrize("change, words", [
    (lambda box: box.update(cpus=[{"cpu": 1}]), "wanted CPU 0 here"),
    (lambda box: box["memory"].reverse(), "in the order of its addresses"),
    (lambda box: box["memory"][0].update(bytes=4096), "units of 2 MiB"),
    (lambda box: box.update(colour="blue"), "unknown field"),
])
def test_box_that_cannot_be_is_refused(tmp_path, change, words):
    box = json.loads((TOP / "tests/unit/golden/box-small.json").read_text())
    change(box)
    path = tmp_path / "box.json"
    path.write_text(json.dumps(box))
    result = lint("--box", path, TOP / "configs/demo.json")
    assert result.returncode == 2
    assert words in result.stdout


def test_canonical_json_has_what_strings_need_escaped(tmp_path):
    document = json.loads((TOP / "configs/demo.json").read_text())
    document["partitions"][0]["boot"]["cmdline"] = 'a "b" \\ \u00e9 \U0001f600 /'
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(document))
    assert json.loads(lint("--json", path).stdout) == document


def test_status_says_whether_all_are_right(tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    assert lint(TOP / "configs/demo.json", wrong).returncode == 1
    assert lint(tmp_path / "missing.json").returncode == 2
    assert lint().returncode == 2


def test_standard_input_is_read():
    assert lint("-", input=(TOP / "configs/site.json").read_text()).stdout == "-: valid\n"


def test_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "large.json"
    path.write_text(" " * 300000)
    assert "at most 262144 are read" in lint(path).stdout


def test_documents_that_differ_from_the_tables_are_noticed(tmp_path):
    for name in ("tools/manifest-docs", "docs/manifest.md", "docs/manifest.schema.json", "build/agent/manifest-lint"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, tmp_path / name)
    check = [tmp_path / "tools/manifest-docs", "--check"]
    assert subprocess.run(check, check=False, stdout=subprocess.PIPE).returncode == 0
    manual = tmp_path / "docs/manifest.md"
    manual.write_text(manual.read_text().replace("| `memory` |", "| `storage` |"))
    result = subprocess.run(check, check=False, stdout=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "docs/manifest.md is not what the schema says" in result.stdout


def test_golden_runner_shows_the_difference(tmp_path):
    loader = importlib.machinery.SourceFileLoader("golden", str(TOP / "tests/unit/golden/run"))
    golden = importlib.util.module_from_spec(importlib.util.spec_from_loader("golden", loader))
    loader.exec_module(golden)
    case = golden.Case("== name")
    case.lines = ["| []"]
    assert golden.said(case, case.text(None)[0], tmp_path) == ["manifest.json:1:1: /: this is an array; wanted an object {...}"]
