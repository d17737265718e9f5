"""A folder that a hospital can file: what this installation was seen to do, and what is quoted.

``here/`` holds what was run on this machine when the pack was made, ``quoted/`` what takes hours to
measure and was not run again: rows of the book's measured page, each with the command that repeats
it. ``SHA256SUMS`` names every file by its digest, as ``sha256sum --check`` reads it; the digest of
that file stands for the whole pack.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mpss_lib
from mpss_lib.config import ENGINES, STAGES, Config
from mpss_lib.errors import PlatformFaultError, WrongArgumentError
from mpss_lib.papers.tables import markdown
from mpss_lib.project import book_source
from mpss_lib.radiomics.verify import FamilyResult, verify
from mpss_lib.tables import sha256_of
from mpss_lib.whole_files import replacing

MANIFEST = "SHA256SUMS"
GOOD_DICE = 0.7
"""Below it a mask counts as wrong; a wrong one without a flag is a fault."""

QUOTED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "oracles": (
            "Independent implementations",
            r"IBSI|MIRP|texture matrices|independent scorer|statsmodels loop|SEG out and in",
        ),
        "permutation_levels": (
            "Levels of tests and intervals",
            r"rejections of the conditional|planted effects|intervals on|intervals of ICC",
        ),
        "fault_matrix": (
            "Faults of lines, archives and writers",
            r"fault matrix|receiver killed|kills -9|whose archive is away",
        ),
    }
)
"""File: its title, and what the first cells of its rows say on the measured page."""


@dataclass(frozen=True)
class PhantomResult:
    """A digital phantom that was segmented here.

    Parameters
    ----------
    name : str
        What it is.
    dice : float
        Of the wall with the truth, 0 to 1.
    true_ml, found_ml : float
        Volume of the wall.
    flags : tuple of str
        What the self-check doubts.
    """

    name: str
    dice: float
    true_ml: float
    found_ml: float
    flags: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the mask is right, or was doubted."""
        return self.dice >= GOOD_DICE or bool(self.flags)


@dataclass(frozen=True)
class Pack:
    """A pack that was written.

    Parameters
    ----------
    folder : Path
    digest : str
        SHA-256 of ``SHA256SUMS``.
    is_sound : bool
        Whether nothing that was run here failed.
    """

    folder: Path
    digest: str
    is_sound: bool


def make_pack(folder: Path, config: Config, phantoms: Sequence[PhantomResult]) -> Pack:
    """Write a pack.

    Parameters
    ----------
    folder : Path
        Must not be there, or be empty.
    config : Config
        The settings in force: their addresses are named, no value of theirs.
    phantoms : sequence of PhantomResult
        What was segmented on this machine.

    Raises
    ------
    WrongArgumentError
        If the folder holds something.
    PlatformFaultError
        If the measured page is not there or has no row for a part of the pack.
    """
    if folder.exists() and any(folder.iterdir()):
        raise WrongArgumentError(
            f"{folder} is not empty", way_out="name a new folder: a pack is made whole, once"
        )
    families = verify()
    files = {
        "here/ibsi.csv": _ibsi(families),
        "here/segmentation.csv": _segmentation(phantoms),
        "here/versions.json": json.dumps(versions_of(config), indent=2, sort_keys=True) + "\n",
        **quoted(),
    }
    files["README.md"] = _front(families, phantoms, files)
    for name, text in files.items():
        _write(folder / name, text)
    sums = "".join(f"{sha256_of(folder / name)}  {name}\n" for name in sorted(files))
    _write(folder / MANIFEST, sums)
    is_sound = all(one.is_sound for one in families) and all(one.is_sound for one in phantoms)
    return Pack(folder, hashlib.sha256(sums.encode()).hexdigest(), is_sound)


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _ibsi(families: Iterable[FamilyResult]) -> str:
    columns = ("family", "ibsi_code", "matched", "missed", "no_published_value", "missed_features")
    rows = [
        (f.family, f.family_code, f.n_matched, f.n_missed, f.n_without, "; ".join(f.missed))
        for f in families
    ]
    return _csv(columns, rows)


def _segmentation(phantoms: Iterable[PhantomResult]) -> str:
    columns = ("phantom", "dice_of_wall", "true_ml", "found_ml", "flags", "sound")
    rows = [
        (p.name, f"{p.dice:.3f}", f"{p.true_ml:.1f}", f"{p.found_ml:.1f}",
         " ".join(p.flags), p.is_sound) for p in phantoms
    ]  # fmt: skip
    return _csv(columns, rows)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    return text.getvalue()


def versions_of(config: Config) -> dict[str, Any]:
    """Name what runs here: code, engines, addresses of outputs, libraries, machine.

    Parameters
    ----------
    config : Config

    Returns
    -------
    dict
        ``code_sha256`` is over the names and bytes of the library's sources.
    """
    package = Path(mpss_lib.__file__).parent
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(f"{path.relative_to(package).as_posix()} {sha256_of(path)}\n".encode())
    return {
        "platform": _version("mpss-platform"),
        "code_sha256": total.hexdigest(),
        "engines": dict(ENGINES),
        "settings": {stage: config.address(stage).config for stage in STAGES},
        "libraries": {name: _version(name) for name in _libraries()},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _libraries() -> list[str]:
    told = [one for one in requires("mpss-platform") or () if "extra ==" not in one]
    return sorted(re.split(r"[\[<>=!~; ]", one)[0] for one in told)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def quoted() -> dict[str, str]:
    """Take from the book what is not measured here.

    Returns
    -------
    dict
        File of the pack to its text.

    Raises
    ------
    PlatformFaultError
        If the page is not there, states no day or has no row for a part.
    """
    page = book_source("measured/index.md").read_text(encoding="utf-8")
    day = re.search(r"^State: (.+)\.$", page, re.M)
    if day is None:
        raise PlatformFaultError("the measured page states no day", way_out="install again")
    said = f"Quoted from the measured page of the book, state {day[1]}: not run on this machine.\n"
    found = {
        f"quoted/{name}.md": f"# {title}\n\n{said}\n{_rows(page, pattern, name)}"
        for name, (title, pattern) in QUOTED.items()
    }
    tables = re.findall(r"(?:^\|.*\n)+", page, re.M)
    dice = [one for one in tables if "Dice" in one.partition("\n")[0]]
    if not dice:
        raise PlatformFaultError("the measured page has no table of masks", way_out="install again")
    found["quoted/segmentation.md"] = f"# Segmentation\n\n{said}\n" + "\n".join(dice)
    found["quoted/known_limits.md"] = book_source("explanation/limits.md").read_text("utf-8")
    found["quoted/measured.md"] = page
    return found


def _rows(page: str, pattern: str, name: str) -> str:
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    rows = [row for row in cells if len(row) == 3 and re.search(pattern, row[0])]
    if not rows:
        raise PlatformFaultError(
            f"the measured page has no row for {name}", way_out="install the package again"
        )
    return markdown(("what", "figure", "command that repeats it, in a checkout"), rows)


def _front(
    families: Sequence[FamilyResult],
    phantoms: Sequence[PhantomResult],
    files: Mapping[str, str],
) -> str:
    here = _found_here(families, phantoms)
    listed = [
        (f"`{name}`", "run on this machine" if name.startswith("here/") else "quoted")
        for name in sorted(files)
    ]
    return f"""# Validation pack of the MPSS platform

Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on the machine that `here/versions.json` describes.
Research use only; not a medical device. No patient's data is in this folder.

## Run on this machine now

{markdown(("what", "found"), here)}
## Files

{markdown(("file", "is"), listed)}
## To check that nothing was changed

`sha256sum --check {MANIFEST}` reads every file. `sha256sum {MANIFEST}` gives the digest of the
whole pack: the command that made it printed the same. Write it beside the signature.

| name | role | date | digest of {MANIFEST} | signature |
|---|---|---|---|---|
| | | | | |
"""


def _found_here(
    families: Sequence[FamilyResult], phantoms: Sequence[PhantomResult]
) -> list[tuple[str, str]]:
    matched = sum(family.n_matched for family in families)
    missed = sum(family.n_missed for family in families)
    wrong = [one.name for one in phantoms if not one.is_sound]
    good = [one.dice for one in phantoms if not one.flags]
    least = f", least Dice of those without a flag {min(good):.3f}" if good else ""
    return [
        ("published values of the IBSI digital phantom", f"{matched} matched, {missed} missed"),
        (
            f"{len(phantoms)} digital phantoms segmented",
            f"{len(wrong)} wrong without a flag{least}",
        ),
    ]
