# SPDX-License-Identifier: MIT
"""third_party/parts.toml with the pins it names: what the product is made of."""

import hashlib
import importlib.machinery
import importlib.util
import os
import pathlib
import subprocess
import sys
import tomllib

TOP = pathlib.Path(__file__).resolve().parent.parent
TABLE = TOP / "third_party/parts.toml"


class PartsError(Exception):
    """What does not fit, why, and what to do: one line."""


def _load_fetch():
    loader = importlib.machinery.SourceFileLoader("mullion_fetch", str(TOP / "third_party/fetch"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = keep
    return module


fetch = _load_fetch()


def is_named(pin, names):
    """Whether a list of NAME or NAME/PACKAGE has this pin."""
    return pin.name in names or f"{pin.name}/{pin.package}" in names


class Parts:
    """The table; every list of pins in it is looked up when it is asked for."""

    def __init__(self, table=None, pins=None):
        document = table or tomllib.loads(TABLE.read_text(encoding="utf-8"))
        self.artifacts, self.parts, self.asides = (document[key] for key in ("artifact", "part", "aside"))
        self.all_pins = fetch.read_pins() if pins is None else pins
        self.by_name = {part["name"]: part for part in self.parts}

    def pins(self, names):
        found = []
        for name in names:
            chosen = [pin for pin in self.all_pins if is_named(pin, [name])]
            if not chosen:
                raise PartsError(f"{name}: third_party/parts.toml names it, third_party/pins has no such pin; add it "
                                 f"there (third_party/fetch --add) or remove it here")
            found += chosen
        return found

    def check(self):
        """Every pin has a place, every name a meaning, and source is that of the very version which is shipped."""
        placed = [name for row in self.parts + self.asides for name in row["pins"] + row.get("source", [])]
        self.pins(placed)
        for pin in self.all_pins:
            if not is_named(pin, placed):
                raise PartsError(f"{pin.name}/{pin.package}: pinned, but third_party/parts.toml does not say whether "
                                 f"it is in the product; add a [[part]] or an [[aside]] there")
        for artifact in self.artifacts:
            for name in artifact["contains"]:
                if name not in self.by_name:
                    raise PartsError(f"{artifact['name']} contains {name}, which is no [[part]]")
        for part in self.parts:
            versions = {pin.version for pin in self.pins(part["pins"] + part.get("source", []))}
            if len(versions) > 1:
                raise PartsError(f"{part['name']}: the pins of what is shipped and of its source differ in version: "
                                 f"{', '.join(sorted(versions))}; move them together (third_party/fetch --update)")
        return self


def upstream_version(pin):
    """Debian's version without epoch and without what Debian appends."""
    version = pin.version.split(":", 1)[-1].rsplit("-", 1)[0]
    return version.split("+dfsg")[0]


def part_version(part, pin):
    """A part's version; one that comes inside another package has that package's name before it."""
    version = upstream_version(pin)
    return version if pin.package.startswith(part["name"]) else f"{pin.package}-{version}"


def mullion_version():
    for line in (TOP / "Makefile").read_text(encoding="utf-8").splitlines():
        if line.startswith("MULLION_VERSION :="):
            return line.split(":=")[1].strip()
    raise PartsError("Makefile: no line MULLION_VERSION := ...")


def compiler_version():
    return subprocess.run([os.environ.get("CC", "gcc"), "-dumpfullversion"], check=True, capture_output=True,
                          text=True).stdout.strip()


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def created():
    """Seconds since 1970 of the sources: the same sources give the same documents."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    log = subprocess.run(["git", "-C", TOP, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False)
    return int(log.stdout) if log.returncode == 0 and log.stdout.strip() else 0
