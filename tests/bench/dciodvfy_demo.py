"""Errors of dciodvfy in the demo's NM objects before and after de-identification.

Run from the repository's root: ``python tests/bench/dciodvfy_demo.py [--patients 40]``; dciodvfy is
of Debian's dicom3tools. ``--folder`` looks at other objects. Exit status 1 where de-identification
added an error.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dciodvfy import Told, compare
from pydicom import dcmread
from pydicom.uid import NuclearMedicineImageStorage


def main() -> int:
    """Compare every NM object of the folder, or of a demo hospital."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    tool = shutil.which("dciodvfy")
    if tool is None:
        sys.exit("dciodvfy is not installed (Debian: dicom3tools)")
    whole, looked_at = Told(), 0
    with tempfile.TemporaryDirectory() as name:
        for path in sorted((asked.folder or _demo(Path(name), asked.patients)).glob("*.dcm")):
            kind = dcmread(path, specific_tags=["SOPClassUID"]).SOPClassUID
            if kind == NuclearMedicineImageStorage:
                told = compare(tool, path, Path(name))
                looked_at += 1
                whole.before, whole.after = whole.before + told.before, whole.after + told.after
                whole.added += told.added
    sys.stdout.write(
        f"{looked_at} NM objects: {whole.before} errors before, {whole.after} after,"
        f" {whole.added.total()} added\n"
    )
    for line, count in whole.added.most_common(20):
        sys.stdout.write(f"  {count:4d} {line}\n")
    return int(bool(whole.added))


def _demo(folder: Path, patients: int) -> Path:
    from mpss_lib.demo.cohort import make_hospital

    return make_hospital(folder / "hospital", patients=patients).objects


if __name__ == "__main__":
    sys.exit(main())
