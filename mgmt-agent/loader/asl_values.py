#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Filter from preprocessed C to ASL: drops the suffixes of C constants and computes VALUE (a - b).

iasl 2020 checks resource descriptors before it folds expressions, so they need literal numbers.
"""
import re
import sys


def computed(match: "re.Match[str]") -> str:
    first, sign, second = match.groups()
    return hex(int(first, 0) + (int(second, 0) if sign == "+" else -int(second, 0)))


text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", sys.stdin.read())
text = re.sub(r"VALUE \((\w+) ([-+]) (\w+)\)", computed, text)
sys.stdout.write(text)
