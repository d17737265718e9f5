"""The first start: a few questions about a study that is known, to learn the archive's habits.

Lists show how an archive answers only as far as they meet the case. Where nothing is recorded of
an archive, it is asked about one study that it has just named: in a range of days, on another day,
at another time, by a wildcard, under a modality that it cannot have. The answers are recorded
beside the vault (``mpss_lib.pull.archive.habits``); no night waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

from mpss_lib.dicom.values import parse_date, parse_time
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.association import QueryFailedError
from mpss_lib.pull.archive.habits import Habits
from mpss_lib.pull.archive.listing import Ask, RangeRefusedError
from mpss_lib.pull.archive.queries import DAY_S, Slice

NO_MODALITY = "OAM"
"""Ophthalmic axial measurements: a term that no study of the heart holds (PS3.3 C.7.3.1.1.1)."""

_FAR = timedelta(days=3653)


def probe(ask: Ask, studies: tuple[StudyAnswer, ...], modality: str) -> Habits:
    """Ask about one study of those that the archive has just named.

    Parameters
    ----------
    ask : callable
        ``ask(slice, modality) -> Listed``.
    studies : tuple of StudyAnswer
    modality : str
        One that each of them holds.

    Returns
    -------
    Habits
        What it showed; nothing without a study that has date, time and PatientID.
    """
    fit = [one for one in studies if parse_date(one.study_date) and parse_time(one.study_time)]
    if not fit:
        return Habits(is_probed=bool(studies))
    study = min(fit, key=lambda one: (not one.patient_id, one.study_uid))
    day = parse_date(study.study_date)
    found: dict[str, bool] = {}
    if day is not None:
        for name, (where, key) in _questions(study, day, modality).items():
            found[name] = _finds(ask, where, key, study.study_uid)
    return _habits(found)


def _questions(study: StudyAnswer, day: date, modality: str) -> Mapping[str, tuple[Slice, str]]:
    near, clock = timedelta(days=1), parse_time(study.study_time)
    this_day = Slice((day, day))
    hour = 0 if clock is None else clock.hour
    other_half = (DAY_S // 2, DAY_S) if hour < 12 else (0, DAY_S // 2)
    asked = {
        "range": (Slice((day - near, day + near)), modality),
        "far": (Slice((day - _FAR, day - _FAR)), modality),
        "other_time": (replace(this_day, seconds=other_half), modality),
        "no_modality": (this_day, NO_MODALITY),
    }
    end = study.patient_id[-1:]
    if end.isascii() and end.isalnum():
        asked["wildcard"] = (replace(this_day, id_end=end), modality)
    return MappingProxyType(asked)


def _finds(ask: Ask, where: Slice, modality: str, study_uid: str) -> bool:
    try:
        listed = ask(where, modality)
    except (QueryFailedError, RangeRefusedError):
        return False
    return any(one.study_uid == study_uid for one in listed.studies)


def _habits(found: Mapping[str, bool]) -> Habits:
    def unless(name: str) -> bool | None:
        return None if name not in found else not found[name]

    return Habits(
        is_probed=True,
        day_ranges=found.get("range"),
        keeps_to_days=unless("far"),
        keeps_to_times=unless("other_time"),
        wildcards=found.get("wildcard"),
        modality_key="ignored" if found.get("no_modality") else "",
    )
