# SPDX-License-Identifier: MIT
"""check-exits: each way in which documents and code can differ is a complaint."""

import importlib.machinery
import importlib.util
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("check_exits", str(TOP / "tools/check-exits"))
checker = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_exits", loader))
loader.exec_module(checker)

CODE = """
enum { REASON_VIOLATION = 48, LIMIT = 80 };
#define NEVER     exit_refuse, MULLION_EXIT_UNKNOWN, true
static const struct exit_row rows[LIMIT] = {
    [0x00 ... 0x02] = {NEVER},                         /* three */
    [10] = {exit_cpuid, MULLION_EXIT_CPUID, false},    /* CPUID */
    [11] = {exit_undefined, MULLION_EXIT_MONITOR, false},
    [REASON_VIOLATION] = {handle_violation, MULLION_EXIT_MMIO, false},
};
"""
DOCUMENT = """
### VMX

| reason | exit | set | counter | verdict |
|---|---|---|---|---|
| 0-2 | three | no | UNKNOWN | stopped: REFUSED_EXIT |
| 10 | CPUID | yes | CPUID | handled: allow-list |
| 11 | MONITOR | yes | MONITOR | #UD |
| 0x30 | violation | always | MMIO | handled: device |

### Next
"""


def found(document=DOCUMENT, code=CODE):
    count, complaints = checker.complaints("VMX", code, document, True)
    assert count
    return complaints


def test_what_agrees_gives_no_complaint():
    assert found() == []


@pytest.mark.parametrize("old, new, complaint", [
    ("| 0-2 ", "| 0-1 ", "0x2 has no row in the document"),
    ("| 0-2 ", "| 0-3 ", "0x3: the verdict is `stopped: UNKNOWN_EXIT'"),
    ("| 11 ", "| 10 ", "0xa stands twice"),
    ("| MONITOR | #UD |", "| UNKNOWN | #UD |", "0xb: the counter is MONITOR, not UNKNOWN"),
    ("| #UD |", "| #GP |", "0xb: the verdict is `#UD', not `#GP'"),
    ("handled: device", "ignored", "0x30: the verdict is `handled', not `ignored'"),
    ("| CPUID | yes |", "| CPUID | no |", "0xa: the intercept is set, not `no'"),
    ("| three | no |", "| three | yes |", "0x0: the intercept is clear, not `yes'"),
])
def test_document_that_differs_is_told(old, new, complaint):
    assert old in DOCUMENT
    assert any(complaint in text for text in found(DOCUMENT.replace(old, new)))


def test_row_that_comes_to_the_code_is_missed_in_the_document():
    assert "0xc has no row" in found(code=CODE.replace("[11]", "[11 ... 12]"))[0]


def test_counters_that_the_api_does_not_tell_and_those_that_are_none():
    abi = "enum mullion_exit {\n MULLION_EXIT_NMI = 0, MULLION_EXIT_HLT, MULLION_EXIT_COUNT\n};"
    api = "\n### Exit counters\n\n| `NMI` | x |\n| `HLT` | x |\n"
    assert checker.counter_complaints(abi, api) == (2, [])
    _, complaints = checker.counter_complaints(abi, api.replace("HLT", "HALT"))
    assert [text.split(": ")[1:] for text in complaints] == [["exit counter HLT", "not documented"],
                                                           ["exit counter HALT", "no such counter"]]
