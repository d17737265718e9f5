"""The bill of materials names what is installed, once, with what each package states."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.runtime.bill import UNKNOWN, components, copyright_of, cyclonedx


@pytest.fixture(scope="module")
def found():
    return components()


def test_it_names_what_pip_lists(found):
    told = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    listed = {
        f"pkg:pypi/{one['name'].lower().replace('_', '-').replace('.', '-')}@{one['version']}"
        for one in json.loads(told.stdout)
        if one["name"] != "mpss-platform"
    }
    assert {one.purl for one in found if one.purl.startswith("pkg:pypi/")} == listed


def test_licences_are_as_the_packages_state_them(found):
    by_name = {one.name: one for one in found if one.purl.startswith("pkg:pypi/")}
    assert by_name["numpy"].version == version("numpy")
    stated = [(by_name[n].licence, by_name[n].is_expression) for n in ("duckdb", "packaging")]
    assert stated == [("MIT License", False), ("Apache-2.0 OR BSD-2-Clause", True)]
    assert not any("\n" in one.licence for one in found)
    unknown = [name for name, one in by_name.items() if one.licence == UNKNOWN]
    assert len(unknown) < 0.1 * len(by_name), unknown


def test_the_same_installation_gives_the_same_bill(found):
    bill = cyclonedx(found)
    told = CliRunner().invoke(cli.app, ["sbom"])
    assert json.loads(told.stdout) == bill
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    names = [one["bom-ref"] for one in bill["components"]]
    assert len(set(names)) == len(names) == len(found)
    assert bill["serialNumber"] != cyclonedx(found[1:])["serialNumber"]


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("Files: *\nLicense: GPL-2+\n\nFiles: x\nLicense: MIT\n\nLicense: GPL-2+\n", "GPL-2+, MIT"),
        ("On Debian see /usr/share/common-licenses/LGPL-2.1.\n", "LGPL-2.1"),
        ("All rights are with us.\n", "see /usr/share/doc/some/copyright"),
        (None, UNKNOWN),
    ],
)
def test_debians_copyright_files(tmp_path, text, licence):
    if text is not None:
        (tmp_path / "some").mkdir()
        (tmp_path / "some" / "copyright").write_text(text)
    assert copyright_of("some", tmp_path) == licence


def test_the_command_shows_a_table(found, monkeypatch):
    monkeypatch.setattr("mpss_lib.runtime.bill.components", lambda: found[:3])
    told = CliRunner().invoke(cli.app, ["sbom", "--licences"]).stdout
    assert all(one.name in told for one in found[:3])
