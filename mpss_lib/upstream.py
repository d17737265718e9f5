"""What the archive has otherwise than the lake: kept by study key until it is settled.

One file for each difference::

    upstream/<kind>/<study key>.json

It names no patient, UID or date: who reads the lake may read it. A difference that somebody
accepted (a study that is gone, and stays so) is kept and no longer counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mpss_lib.tables import Lake, check_key
from mpss_lib.whole_files import read_json_there, write_json

MISSING = "missing"
EXTRA = "extra"
CHANGED = "changed"
MOVED = "moved"
DELETED = "deleted"
MERGED = "merged"
UNCLEAR = "unclear"
CORRECTED = "corrected"

KINDS: Mapping[str, str] = {
    MISSING: "the archive names it, the lake does not hold it",
    EXTRA: "the lake holds it, the archive's list no longer names it, the archive still has it",
    CHANGED: "the archive announces other facts of it than the lake holds",
    MOVED: "it stands under another study date",
    DELETED: "the archive no longer has it",
    MERGED: "it belongs to another patient",
    UNCLEAR: "the archive broke off when it was asked for it",
    CORRECTED: "an object came again with other content and waits for `mpss accept`",
}
"""Kinds of difference and what each means."""

BY_COMPARISON = tuple(kind for kind in KINDS if kind != CORRECTED)
"""Kinds that a reconciliation finds, and settles when they are gone."""

ACCEPTABLE = (CORRECTED, DELETED, EXTRA)
"""Kinds that a person may accept: a correction is taken, a study that is gone there stays here."""

NAMED_AGAIN = (EXTRA, MOVED, DELETED, MERGED)
"""Kinds that are settled when a window names the study: vault and rows follow its answer."""

FETCHED_AGAIN = (MISSING, CHANGED, DELETED, MERGED)
"""Kinds that are settled when pull has what the archive announces of the study."""


@dataclass(frozen=True)
class Difference:
    """One difference of one study.

    Parameters
    ----------
    study_key : str
    kind : str
        One of ``KINDS``.
    detail : str
        What differs, without identifiers and dates.
    way_out : str
        What a person can do about it.
    is_accepted : bool
        Somebody has said that it may stay so.
    """

    study_key: str
    kind: str
    detail: str
    way_out: str
    is_accepted: bool = False


def _folder(lake: Lake, kind: str) -> Path:
    return lake.root / "upstream" / kind


def _path(lake: Lake, kind: str, study_key: str) -> Path:
    return _folder(lake, kind) / f"{check_key(study_key)}.json"


def note(lake: Lake, found: Difference) -> Difference:
    """Keep a difference; one that was accepted and is the same stays accepted.

    Returns
    -------
    Difference
        As it is kept.
    """
    path = _path(lake, found.kind, found.study_key)
    before = read_json_there(path)
    if before and before["is_accepted"] and before["detail"] == found.detail:
        found = replace(found, is_accepted=True)
    write_json(path, asdict(found))
    return found


def settle(lake: Lake, study_keys: Iterable[str], kinds: Iterable[str]) -> None:
    """Drop differences that are no more."""
    keys = list(study_keys)
    for kind in kinds:
        if _folder(lake, kind).is_dir():
            for key in keys:
                _path(lake, kind, key).unlink(missing_ok=True)


def stay(lake: Lake, study_key: str, kind: str) -> bool:
    """Let a difference stay as it is; returns whether there was one."""
    path = _path(lake, kind, study_key)
    kept = read_json_there(path)
    if kept is None:
        return False
    write_json(path, kept | {"is_accepted": True})
    return True


def noted(lake: Lake) -> list[Difference]:
    """Every difference that is kept, by kind and study."""
    paths = sorted((lake.root / "upstream").glob("*/*.json"))
    return [Difference(**kept) for path in paths if (kept := read_json_there(path)) is not None]


def is_noted(lake: Lake, study_key: str, kind: str) -> bool:
    """Whether a difference of this kind is kept for a study."""
    return _path(lake, kind, study_key).exists()


# ------------------------------------------------------------------ the last reconciliation


def _summary(lake: Lake) -> Path:
    return lake.root / "upstream" / "reconciled.json"


def write_summary(lake: Lake, summary: Mapping[str, object]) -> None:
    """Keep when the archive was last asked and the sums of its answer."""
    write_json(_summary(lake), dict(summary))


def read_summary(lake: Lake) -> dict[str, object]:
    """Read the sums of the last reconciliation, empty where there was none."""
    return read_json_there(_summary(lake)) or {}
