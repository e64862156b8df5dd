# SPDX-License-Identifier: MIT
"""The bill of materials, the notice and the corresponding source: complete, and not to be had incomplete."""

import importlib.machinery
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tarfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tools"))
sys.dont_write_bytecode = True

import parts  # noqa: E402

GPL = re.compile(r"^(L?GPL|AGPL)-")


def load(name):
    """A script without suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(TOP / "tools" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


sbom, notice, sources = load("sbom"), load("notice"), load("sources")


@pytest.fixture(name="table")
def fixture_table():
    return parts.Parts()


def document_of(table, tmp_path, monkeypatch):
    """The document for stand-ins of the files of a build."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in [sbom.IMAGE_FILE, *(artifact["file"] for artifact in table.artifacts if artifact["file"])]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return sbom.document(table, tmp_path)


@pytest.fixture(name="document")
def fixture_document(table, tmp_path, monkeypatch):
    return document_of(table, tmp_path, monkeypatch)


def test_table_places_every_pin(table):
    table.check()


def test_pin_without_a_place_is_refused(table):
    stray = table.all_pins[0]._replace(name="stray")
    with pytest.raises(parts.PartsError, match="stray/.*whether it is in the product"):
        parts.Parts(pins=[*table.all_pins, stray]).check()


def test_part_without_pin_is_refused(table):
    with pytest.raises(parts.PartsError, match="lwip: .*no such pin"):
        parts.Parts(pins=[pin for pin in table.all_pins if pin.name != "lwip"]).check()


def test_source_of_another_version_is_refused(table):
    moved = [pin._replace(version="9-9") if pin.name == "grub-patches" else pin for pin in table.all_pins]
    with pytest.raises(parts.PartsError, match="grub: .*differ in version"):
        parts.Parts(pins=moved).check()


def test_every_gpl_part_that_asks_for_source_has_it(table):
    for part in table.parts:
        if GPL.match(part["license"]) and "GCC-exception" not in part["license"]:
            assert part.get("source"), part["name"]
            assert all(pin.kind != "binary" for pin in table.pins(part["source"]))
            assert part["name"] in sources.HOW


def test_document_has_the_fields_that_spdx_requires(document):
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    assert document["SPDXID"] == "SPDXRef-DOCUMENT" and document["name"]
    assert re.match(r"^[a-z]+:[^#]+$", document["documentNamespace"])
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", document["creationInfo"]["created"])
    assert all(re.match(r"^(Tool|Organization|Person): ", one) for one in document["creationInfo"]["creators"])
    for package in document["packages"]:
        assert re.match(r"^SPDXRef-[A-Za-z0-9.-]+$", package["SPDXID"])
        assert package["name"] and package["versionInfo"] and package["downloadLocation"] == "NOASSERTION"
        assert package["filesAnalyzed"] is False
        assert package["licenseConcluded"] and package["licenseDeclared"] and package["copyrightText"]
        assert all(re.match(r"^[0-9a-f]{64}$", one["checksumValue"]) for one in package.get("checksums", []))


def test_document_relates_only_what_it_lists_and_lists_it_once(document):
    names = [package["SPDXID"] for package in document["packages"]]
    assert len(set(names)) == len(names)
    ends = {row[end] for row in document["relationships"] for end in ("spdxElementId", "relatedSpdxElement")}
    assert ends <= {*names, "SPDXRef-DOCUMENT"}
    assert {row["relatedSpdxElement"] for row in document["relationships"]} == set(names)


def test_document_lists_every_pin_of_the_product_with_its_hash(document, table):
    hashes = {one["checksumValue"] for package in document["packages"] for one in package.get("checksums", [])}
    shipped = [pin for part in table.parts for pin in table.pins(part["pins"])]
    assert {pin.sha256 for pin in shipped} <= hashes
    asides = [pin for row in table.asides for pin in table.pins(row["pins"])]
    assert not {pin.sha256 for pin in asides} & hashes


def test_document_hashes_the_files_of_the_build(document, tmp_path):
    found = {package["name"]: package for package in document["packages"]}
    for name, file in (("mullion", "build/mullion.img"), ("mullion-vmm", "build/vmm/mullion.elf")):
        assert found[name]["checksums"][0]["checksumValue"] == parts.sha256(tmp_path / file)


def test_document_is_the_same_for_the_same_build(document, table, tmp_path, monkeypatch):
    assert json.dumps(document_of(table, tmp_path, monkeypatch)) == json.dumps(document)


def test_document_of_an_unfinished_build_is_refused(table, tmp_path):
    with pytest.raises(parts.PartsError, match="not built"):
        sbom.document(table, tmp_path)


def test_notice_is_up_to_date_and_names_every_part(table):
    text = (TOP / "NOTICE").read_text(encoding="utf-8")
    assert notice.summary(table) == text, "run: tools/notice >NOTICE"
    for part in table.parts:
        assert part["copyright"] in text and part["license"] in text


def test_every_part_under_a_licence_with_a_text_names_it(table):
    for part in table.parts:
        assert part["texts"] or "GCC-exception" in part["license"]
    for reference in (text for part in table.parts for text in part["texts"]):
        name, colon, path = reference.partition(":")
        assert colon and path and table.pins([name])


def test_licence_of_a_source_file_is_its_first_comment():
    assert notice.comment_only("/* yes */ int no; /* no */") == "/* yes */\n"
    assert notice.comment_only("all of it */") == "all of it */"


def stand_in_for_fetch(tmp_path, monkeypatch, code=0):
    """tools/sources with a fetch that gives a small file for each name, or fails."""
    real = subprocess.run

    def run(command, **options):
        if str(command[0]).endswith("third_party/fetch"):
            if code:
                raise subprocess.CalledProcessError(code, command)
            files = [tmp_path / f"{name}.tar" for name in command[1:]]
            for path in files:
                path.write_text(path.name)
            return subprocess.CompletedProcess(command, 0, "".join(f"{path}\n" for path in files))
        return real(command, **options)

    monkeypatch.setattr(sources.subprocess, "run", run)


def test_sources_have_all_parts_scripts_and_right_hashes(table, tmp_path, monkeypatch):
    stand_in_for_fetch(tmp_path, monkeypatch)
    out = tmp_path / "out"
    sources.write(table, out)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=True)
    assert (out / "linux/linux.tar").exists() and (out / "grub/grub-patches.tar").exists()
    with tarfile.open(next(out.glob("*-build.tar"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"drivervm/linux/config", "drivervm/linux/build.sh", "image/grub.py", "third_party/pins"} <= names
    listed = (out / "SHA256SUMS").read_text().split("\n")
    assert len([line for line in listed if line]) == len([path for path in out.rglob("*") if path.is_file()]) - 1


def test_sources_that_cannot_be_fetched_leave_nothing(table, tmp_path, monkeypatch):
    stand_in_for_fetch(tmp_path, monkeypatch, code=1)
    with pytest.raises(subprocess.CalledProcessError):
        sources.write(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()
