"""Comparison of two lists of studies: what the archive answers, what vault and lake know.

Nothing here asks anybody or writes anything. A study that the archive's list lacks is called
deleted only where the archive, asked for it by its UID, said that it has none (``asked``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from mpss_lib.dicom.values import parse_date, parse_time
from mpss_lib.pull.vault import Identity
from mpss_lib.upstream import (
    CHANGED,
    DELETED,
    EXTRA,
    MERGED,
    MISSING,
    MOVED,
    UNCLEAR,
    Difference,
)

NO_DATE = "no date"
"""Stands for the month of a study without a date that can be read."""

FIND_MONTH = "mpss find FIRST_DAY LAST_DAY"
"""How a month is asked for again; what is kept by study key must not say which month."""

Window = tuple[date, date]


@dataclass(frozen=True)
class Told:
    """One study as the archive announces it now; counts are None where it does not say them.

    Parameters
    ----------
    unreadable : tuple of str
        Keywords of values that are there and cannot be read: they are compared with nothing.
    n_persons : int
        Patients whom its answers name.
    """

    identity: Identity
    modalities: tuple[str, ...]
    n_series: int | None
    n_objects: int | None
    unreadable: tuple[str, ...] = ()
    n_persons: int = 1


@dataclass(frozen=True)
class Kept:
    """One study as vault and lake know it.

    Parameters
    ----------
    identity : Identity
        As the archive announced it last.
    is_fetched : bool
        Objects of it are on the lake.
    stands_still : bool
        It is in quarantine at pull.
    n_series, n_objects : int or None
        What the lake accounts for, fetched or left at the archive; None where it cannot tell.
    """

    identity: Identity
    is_fetched: bool
    stands_still: bool
    n_series: int | None
    n_objects: int | None


Answers = Mapping[str, Told | None]
"""Study key -> what the archive said when asked by UID; None: it has none. No key: it broke off."""


@dataclass
class Month:
    """Counts of one month (``2026-03``, or ``NO_DATE``)."""

    name: str
    n_archive: int = 0
    n_lake: int = 0
    n_by_kind: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Reconciliation:
    """Every difference, each with its month, and the counts by month.

    Parameters
    ----------
    doubts : tuple of str
        Why the archive's list may lack studies.
    """

    months: tuple[Month, ...]
    found: tuple[tuple[str, Difference], ...]
    doubts: tuple[str, ...] = ()

    @property
    def open(self) -> list[Difference]:
        """Differences that nobody has accepted."""
        return [one for _, one in self.found if not one.is_accepted]


def month_of(identity: Identity) -> str:
    """Name the month of a study's date."""
    day = parse_date(identity.study_date)
    return NO_DATE if day is None else f"{day.year:04d}-{day.month:02d}"


def unlisted(window: Window, told: Mapping[str, Told], kept: Mapping[str, Kept]) -> list[str]:
    """Keys of the studies of a window that the archive's list lacks: it is asked for each."""
    return sorted(
        key for key, one in kept.items() if key not in told and _is_in(one.identity, window)
    )


def compare(
    window: Window,
    told: Mapping[str, Told],
    kept: Mapping[str, Kept],
    asked: Answers,
    modality: str,
    unknown: Iterable[str] = (),
) -> Reconciliation:
    """Compare the archive's list of a window with what is known of it.

    Parameters
    ----------
    window : (date, date)
        True study dates, both included.
    told : mapping of study key to Told
        The archive's whole list of the window.
    kept : mapping of study key to Kept
        Every study that vault and lake know, of any date.
    asked : mapping of study key to Told or None
        Answers for each of ``unlisted``.
    modality : str
        The modality that was asked for.
    unknown : iterable of str
        Keys of studies on the lake that the vault does not know.
    """
    months = {name: Month(name) for name in _months_in(window)}
    found: list[tuple[str, Difference]] = []
    for key, one in told.items():
        name = month_of(one.identity)
        months.setdefault(name, Month(name)).n_archive += 1
        found += [(name, difference) for difference in _of_listed(key, one, kept.get(key))]
    for known in kept.values():
        if _is_in(known.identity, window):
            name = month_of(known.identity)
            months.setdefault(name, Month(name)).n_lake += known.is_fetched
    for key in unlisted(window, told, kept):
        name = month_of(kept[key].identity)
        if key in asked:
            differences = list(_of_unlisted(key, asked[key], kept[key], modality))
        else:
            differences = [Difference(key, UNCLEAR, "", _WAY_OUT[UNCLEAR])]
        found += [(name, difference) for difference in differences]
    found += [(NO_DATE, _not_in_vault(key)) for key in unknown]
    for name, difference in found:
        months.setdefault(name, Month(name)).n_by_kind[difference.kind] += 1
    found.sort(key=lambda pair: (pair[0], pair[1].kind, pair[1].study_key))
    return Reconciliation(tuple(months[name] for name in sorted(months)), tuple(found))


_THEN = ", then `mpss run pull {key}` and the stages after it"
_FIND = "`mpss find --study {key}`" + _THEN
_WAY_OUT: Mapping[str, str] = {
    MISSING: _FIND,
    CHANGED: _FIND,
    MOVED: _FIND,
    MERGED: _FIND,
    EXTRA: "ask the PACS team why: a study that keeps no series of the modality is no longer"
    " corrected here; `mpss accept {key}` where it may stay so",
    DELETED: "ask the PACS team whether it was deleted on purpose; `cohort.gone` says whether it"
    " stays in the cohort; `mpss accept {key}` where it may stay so, `mpss purge` takes it out",
    UNCLEAR: "look at this study in the archive, then reconcile again",
}


_WAY_OUT_LATE = f"`{FIND_MONTH}`{_THEN}; or backfill its month in Airflow"


def difference(key: str, kind: str, detail: str) -> Difference:
    """Make a difference with the way out of its kind."""
    return Difference(key, kind, detail, _WAY_OUT[kind].format(key=key))


def _of_listed(key: str, told: Told, kept: Kept | None) -> Iterator[Difference]:
    """Differences of a study that the archive's list names."""
    if kept is None:
        yield Difference(key, MISSING, "never found", _WAY_OUT_LATE.format(key=key))
        return
    yield from _of_both(key, told, kept)
    if not kept.is_fetched:
        yield _not_fetched(key, kept)


def _not_fetched(key: str, kept: Kept) -> Difference:
    if kept.stands_still:
        way_out = f"`mpss quarantine ls` says why; then `mpss quarantine retry {key}`"
        return Difference(key, MISSING, "found, in quarantine at pull", way_out)
    return difference(key, MISSING, "found, not fetched")


def _of_both(key: str, told: Told, kept: Kept) -> Iterator[Difference]:
    """Differences of a study that the archive has, listed or not."""
    old, new = parse_date(kept.identity.study_date), parse_date(told.identity.study_date)
    if old != new and "StudyDate" not in told.unreadable:
        yield difference(key, MOVED, _how_far(old, new))
    if told.n_persons > 1:
        yield difference(key, MERGED, f"the archive names {told.n_persons} patients for it")
    elif told.identity.patient_key != kept.identity.patient_key and not _NAMES_WHO.intersection(
        told.unreadable
    ):
        yield difference(key, MERGED, "another PatientID or issuer")
    changes = list(_changes(told, kept))
    if changes:
        yield difference(key, CHANGED, "; ".join(changes))


def _how_far(old: date | None, new: date | None) -> str:
    """Say by how many days a study moved: dates stay out of what is kept."""
    if old is None or new is None:
        return "it had no date that can be read" if old is None else "it has no date any more"
    return f"by {(new - old).days:+d} days"


_NAMES_WHO = frozenset({"PatientID", "IssuerOfPatientID"})
_FACTS: Mapping[str, tuple[str, str, Callable[[str], object]]] = {
    "AccessionNumber": ("accession_number", "accession number", str.strip),
    "StudyTime": ("study_time", "study time", parse_time),
    "PatientName": ("patient_name", "name", lambda text: text.rstrip("^= ")),
    "PatientBirthDate": ("birth_date", "birth date", parse_date),
}
"""Facts of an announcement that follow the archive: field, words, reading; never their values."""


def _changes(told: Told, kept: Kept) -> Iterator[str]:
    numbers = [
        ("series", told.n_series, kept.n_series),
        ("objects", told.n_objects, kept.n_objects),
    ]
    if told.n_objects is not None and told.n_objects == kept.n_objects:
        numbers = []  # every object is accounted for, as pull compares: a series may be empty
    for what, now, before in numbers:
        if now is not None and before is not None and now != before:
            yield f"{what} {before} -> {now}"
    for keyword, (name, words, read) in _FACTS.items():
        if keyword in told.unreadable:
            continue
        if read(getattr(told.identity, name)) != read(getattr(kept.identity, name)):
            yield f"another {words}"
    if told.unreadable:
        yield f"the archive's {', '.join(told.unreadable)} cannot be read"


def _of_unlisted(key: str, told: Told | None, kept: Kept, modality: str) -> Iterator[Difference]:
    """Differences of a study that the archive's list of its date lacks, after asking for it."""
    if told is None:
        detail = "" if kept.is_fetched else "it was never fetched"
        yield difference(key, DELETED, detail)
        return
    differences = list(_of_both(key, told, kept))
    yield from differences
    if modality not in told.modalities:
        yield difference(key, EXTRA, f"the archive has it with no series of modality {modality}")
    elif MOVED not in {one.kind for one in differences}:
        yield Difference(
            key,
            EXTRA,
            "the archive has it, its list of that date lacks it",
            "the list is not whole: ask the PACS team for the limit of C-FIND answers for our AE"
            " title and set archive.find_limit, then reconcile again",
        )


def _not_in_vault(key: str) -> Difference:
    return Difference(
        key,
        EXTRA,
        "on the lake, unknown to the vault",
        "restore the vault from its backup, or ask for the study's month again (`mpss find`)",
    )


def _months_in(window: Window) -> Iterator[str]:
    year, month = window[0].year, window[0].month
    while (year, month) <= (window[1].year, window[1].month):
        yield f"{year:04d}-{month:02d}"
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _is_in(identity: Identity, window: Window) -> bool:
    day = parse_date(identity.study_date)
    return day is not None and window[0] <= day <= window[1]
