"""Errors of dciodvfy (Debian's dicom3tools) in an object before and after de-identification."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread

from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject

FORMS = ((), ("-new",))
"""Arguments: dciodvfy checks other things in the two forms of its answer."""

_UID = re.compile(r"[0-9]+(\.[0-9]+){2,}")


@dataclass
class Told:
    """Number of errors before and after, and those that came new."""

    before: int = 0
    after: int = 0
    added: Counter[str] = field(default_factory=Counter)


def errors_of(tool: str, path: Path, *arguments: str) -> Counter[str]:
    """Error lines about a file, any UID in them as ``UID``."""
    done = subprocess.run(
        [tool, *arguments, str(path)], capture_output=True, text=True, check=False, errors="replace"
    )
    lines = (done.stdout + done.stderr).splitlines()
    return Counter(_UID.sub("UID", line) for line in lines if line.startswith("Error"))


def compare(tool: str, path: Path, folder: Path) -> Told:
    """De-identify an object into a folder and compare what is told of it."""
    received = dcmread(path)
    subject = Subject(
        patient_key="P0123456789abcdef",
        shift_days=-100,
        study_date=str(received.get("StudyDate", "")),
        study_time=str(received.get("StudyTime", "")),
        birth_date=str(received.get("PatientBirthDate", "")),
        method="MPSS allow-list bench key 01234567",
    )
    after = folder / "after.dcm"
    after.write_bytes(Deidentifier(subject, _new_uid).file_bytes(received))
    told = Told()
    for form in FORMS:
        old, now = errors_of(tool, path, *form), errors_of(tool, after, *form)
        told.before += old.total()
        told.after += now.total()
        told.added += now - old
    return told


def _new_uid(original: str) -> str:
    return f"2.25.{int.from_bytes(original.encode(), 'big') % 2**127}"
