"""What an installation is made of: a bill of materials (CycloneDX 1.6), and the licences.

Taken from what is installed beside the running program, so in an image it is that of the image:
Python's packages from their metadata (core metadata 2.4, ``License-Expression`` first), Debian's
from ``dpkg`` and their ``copyright`` files.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mpss_lib.batch import code_version

UNKNOWN = "not stated"
COPYRIGHTS = Path("/usr/share/doc")
LONGEST_NAME = 80
"""Of a licence; some packages have the whole text in that field."""
_CLASSIFIER = "License :: "
_OURS = "mpss-platform"
_SPACE = uuid.UUID("b0bb8d3e-31a4-4c8c-8b4c-5d2a5f6f6c11")
"""Namespace of the serial numbers: the same components give the same number (RFC 4122 4.3)."""


@dataclass(frozen=True, order=True)
class Component:
    """A package that is installed.

    Parameters
    ----------
    name, version : str
    purl : str
        Package URL.
    licence : str
        SPDX expression or name, as the package states it.
    is_expression : bool
        Whether it is an SPDX expression.
    """

    name: str
    version: str
    purl: str
    licence: str
    is_expression: bool = False


def components() -> list[Component]:
    """List what is installed, by name: Python's packages without this one, then Debian's."""
    own = {one.purl: one for one in map(_of_python, distributions()) if one.name != _OURS}
    return [*sorted(own.values()), *sorted(_of_debian())]


def cyclonedx(found: list[Component]) -> dict[str, Any]:
    """Give a bill of materials as CycloneDX 1.6 (ECMA-424) has it."""
    listed = [_as_cyclonedx(one) for one in found]
    version = code_version()
    content = json.dumps([version, listed])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _OURS,
                "name": _OURS,
                "version": version,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": listed,
    }


def _as_cyclonedx(one: Component) -> dict[str, Any]:
    stated: dict[str, Any] = {"license": {"name": one.licence}}
    if one.is_expression:
        stated = {"expression": one.licence}
    told = {"type": "library", "bom-ref": one.purl, "name": one.name, "version": one.version}
    return {**told, "licenses": [stated], "purl": one.purl}


def _of_python(one: Distribution) -> Component:
    name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()
    licence, is_expression = _licence(one)
    return Component(name, one.version, f"pkg:pypi/{name}@{one.version}", licence, is_expression)


def _licence(one: Distribution) -> tuple[str, bool]:
    if expression := one.metadata.get_all("License-Expression"):
        return str(expression[0]), True
    found = [
        text.rpartition(" :: ")[2]
        for text in one.metadata.get_all("Classifier") or []
        if text.startswith(_CLASSIFIER) and not text.endswith("OSI Approved")
    ]
    stated = str((one.metadata.get_all("License") or [""])[0]).strip()
    if stated and len(stated) <= LONGEST_NAME and "\n" not in stated:
        return stated, False
    return " and ".join(sorted(found)) or UNKNOWN, False


def _of_debian() -> Iterator[Component]:
    if shutil.which("dpkg-query") is None:
        return
    told = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in told.stdout.splitlines():
        name, version, machine = line.split("\t")
        url = f"pkg:deb/debian/{quote(name)}@{quote(version, safe=':~')}?arch={machine}"
        yield Component(name, version, url, copyright_of(name))


def copyright_of(package: str, folder: Path = COPYRIGHTS) -> str:
    """Name the licences that a Debian package's ``copyright`` states (DEP-5), in their order."""
    file = folder / package / "copyright"
    if not file.is_file():
        return UNKNOWN
    text = file.read_text(encoding="utf-8", errors="replace")
    names = [name.strip() for name in re.findall(r"^License:[ \t]*(\S.*)$", text, re.M)]
    if not names:  # of the time before DEP-5: it names the files of /usr/share/common-licenses
        names = re.findall(r"/usr/share/common-licenses/([\w.+-]*\w)", text)
    return ", ".join(dict.fromkeys(names)) or f"see {COPYRIGHTS / package / 'copyright'}"
