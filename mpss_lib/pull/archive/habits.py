"""The archive's habits: how it answers, as far as its answers have shown it, kept for the site.

They stand in a file beside the vault (the trusted zone), for each address of an archive, and tell
nothing about a patient. A night uses them to ask less; it never believes them against what it sees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from mpss_lib.config import Sites
from mpss_lib.whole_files import write_json

FILE = "archive-habits.json"


@dataclass(frozen=True)
class Habits:
    """What an archive was seen to do; None where nothing has shown it yet.

    Parameters
    ----------
    largest_list : int
        Most answers in one list that was shown to be whole.
    cap : int or None
        Most answers that one list has; what is above is cut off.
    says_cut : bool or None
        A list that is cut ends with a status that says so.
    day_ranges : bool or None
        A range of StudyDate finds every day of it.
    keeps_to_days, keeps_to_times : bool or None
        Answers lie in the dates and times that were asked for.
    modality_key : str
        ModalitiesInStudy as a matching key: ``works``, ``ignored`` (everything is answered),
        ``loses`` (studies that hold the modality are not answered), "" unknown.
    modality_value : str
        ModalitiesInStudy in answers: ``there``, ``empty``, ``rows`` (a row for each), "" unknown.
    counts : bool or None
        Studies come with NumberOfStudyRelatedSeries and NumberOfStudyRelatedInstances.
    wildcards : bool or None
        A star in PatientID finds what ends in the rest.
    untimed, undated : bool or None
        There are studies without a StudyTime, without a StudyDate.
    way : str
        By which objects were seen to come: ``C-GET``, ``C-MOVE``; "" unknown.
    several : bool or None
        All objects of several studies come by one C-GET or C-MOVE.
    is_probed : bool
        It was asked on purpose, at the first start (``mpss_lib.pull.archive.probe``).
    """

    largest_list: int = 0
    cap: int | None = None
    says_cut: bool | None = None
    day_ranges: bool | None = None
    keeps_to_days: bool | None = None
    keeps_to_times: bool | None = None
    modality_key: str = ""
    modality_value: str = ""
    counts: bool | None = None
    wildcards: bool | None = None
    untimed: bool | None = None
    undated: bool | None = None
    way: str = ""
    several: bool | None = None
    is_probed: bool = False

    def joined(self, seen: Habits) -> Habits:
        """Add what was seen now: the newer counts, and nothing known is forgotten."""
        new = {
            field.name: getattr(seen, field.name)
            for field in fields(self)
            if getattr(seen, field.name) not in (None, "", 0)
            or isinstance(getattr(seen, field.name), bool)
        }
        for name in ("untimed", "undated"):  # one is enough for ever
            new[name] = getattr(self, name) or getattr(seen, name)
        new["is_probed"] = self.is_probed or seen.is_probed
        new["largest_list"] = max(self.largest_list, seen.largest_list)
        cap = new.get("cap", self.cap)
        new["cap"] = None if cap is not None and new["largest_list"] > cap else cap
        return replace(self, **new)


NOTHING_KNOWN = Habits()


def habits_path(sites: Sites) -> Path:
    """File of the habits of a site's archives."""
    return sites.vault.with_name(FILE)


def known_habits(sites: Sites) -> Habits:
    """Habits of a site's archive as they are recorded; nothing known of a new one."""
    return _of(_read(habits_path(sites)).get(sites.archive.address, {}))


def remember_habits(sites: Sites, seen: Habits) -> Habits:
    """Record what was seen; the file is rewritten only where it tells something new."""
    path = habits_path(sites)
    everything = _read(path)
    address = sites.archive.address
    before = _of(everything.get(address, {}))
    after = before.joined(seen)
    if after != before or address not in everything:
        write_json(path, everything | {address: asdict(after)})
        path.chmod(0o600)
    return after


def _read(path: Path) -> dict[str, Any]:
    """Read the file; one that cannot be read is as good as none: habits are learned again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _of(row: Mapping[str, Any]) -> Habits:
    kinds = get_type_hints(Habits)
    good = {
        name: row[name]
        for name, kind in kinds.items()
        if name in row and isinstance(row[name], get_args(kind) or kind)
    }
    return Habits(**good)
