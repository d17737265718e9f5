"""Studies of a modality: the lists of a window, whatever ModalitiesInStudy is worth.

As a matching key it may find everything, find only studies that hold nothing else, or find none; in
an answer it may be empty, be one of several rows, or use other separators. The first lists are
compared with lists that were asked for without it; where it loses studies it is not used again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta

from mpss_lib.dicom.values import parse_date
from mpss_lib.errors import ArchiveBusyError, PlatformFaultError
from mpss_lib.pull.archive.answers import StudyAnswer, WindowAnswer
from mpss_lib.pull.archive.habits import Habits
from mpss_lib.pull.archive.listing import Ask, WindowListing

log = logging.getLogger(__name__)

ModalitiesIn = Callable[[str], tuple[str, ...]]

WORKS, IGNORED, LOSES = "works", "ignored", "loses"
"""What ModalitiesInStudy does as a matching key."""

SAMPLE_DAYS = 8
"""Days of which all studies are listed once, to learn that."""

_TERMS = """
ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD
IO IOL IVOCT IVUS KER KO LEN LS MG MR M3D NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN
POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV
SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC
"""
MODALITIES = frozenset(_TERMS.split())
"""Defined terms of Modality (PS3.3 C.7.3.1.1.1)."""
OTHER = "OTHER"
"""Stands on the lake for a modality that is no defined term: such a text may name somebody."""


def told_modality(text: str, own: str) -> str:
    """Modality as it is stored; ``own`` is the one that the site asks for."""
    return text if text in MODALITIES or text in ("", own) else OTHER


def list_window(
    ask: Ask,
    modalities_in: ModalitiesIn,
    days: tuple[date, date],
    modality: str,
    known: Habits,
    limit: int,
) -> WindowAnswer:
    """List the studies of a window that hold a modality, however the archive answers for it.

    Parameters
    ----------
    ask, modality, known, limit
        As in ``WindowListing``.
    modalities_in : callable
        ``modalities_in(study_uid)``: those of the series of a study.
    days : (date, date)
        Both included.

    Returns
    -------
    WindowAnswer
        Studies by UID; ``n_requests`` is left to whoever counts them.
    """
    listing = WindowListing(ask, modality, known, limit)
    if known.modality_key != LOSES:
        listing.list_days(days)
    kept = with_series(listing.found.values(), modality, modalities_in)
    habit = known.modality_key
    if habit == "":
        for some in dict.fromkeys((_sample_of(days, kept), days)):
            there = with_series(_sample(ask, some, known, limit), modality, modalities_in)
            habit = habit or _habit_of_key(listing, kept, there)
            if habit:
                break  # else nothing in those days has shown it: all of the window must
    if habit == LOSES:
        listing = WindowListing(ask, "", known, limit)
        listing.list_days(days)
        kept = with_series(listing.found.values(), modality, modalities_in)
    return _answer(listing, kept, habit)


def list_undated(
    ask: Ask, modalities_in: ModalitiesIn, modality: str, known: Habits, limit: int
) -> WindowAnswer:
    """List the studies of which no date can be read: they lie in no window.

    Asked without a date, an archive answers with every study of the modality; those that have a
    date are dropped here.
    """
    key = "" if known.modality_key == LOSES else modality
    listing = WindowListing(ask, key, known, limit)
    listing.list_all()
    undated = [one for one in listing.found.values() if parse_date(one.study_date) is None]
    return _answer(listing, with_series(undated, modality, modalities_in), known.modality_key)


def _answer(listing: WindowListing, kept: Sequence[StudyAnswer], habit: str) -> WindowAnswer:
    values = {bool(one.modalities) for one in listing.found.values()}
    value = listing.seen.modality_value or ("there" if True in values else "")
    counts = {one.n_series is not None and one.n_objects is not None for one in kept}
    seen = replace(
        listing.seen,
        modality_key=habit,
        modality_value="empty" if values == {False} else value,
        counts=None if not counts else counts == {True},
    )
    doubts = tuple(sorted(listing.doubts))
    ordered = tuple(sorted(kept, key=lambda study: study.study_uid))
    return WindowAnswer(ordered, 0, listing.n_unusable, doubts, seen)


def _sample_of(days: tuple[date, date], kept: Sequence[StudyAnswer]) -> tuple[date, date]:
    """Days of a window for which all studies are asked for: all, the newest with one, its last."""
    if (days[1] - days[0]).days < SAMPLE_DAYS:
        return days
    dates = sorted(day for one in kept if (day := parse_date(one.study_date)) is not None)
    last = dates[-1] if dates else days[1]
    return max(days[0], last - timedelta(days=SAMPLE_DAYS - 1)), last


def _sample(ask: Ask, days: tuple[date, date], known: Habits, limit: int) -> list[StudyAnswer]:
    """List all studies of some days; none where that cannot be completed: nothing is learned."""
    sample = WindowListing(ask, "", known, limit)
    try:
        sample.list_days(days)
    except (PlatformFaultError, ArchiveBusyError) as error:
        log.warning("all studies of some days could not be listed: %s", error.problem)
        return []
    return list(sample.found.values())


def _habit_of_key(
    listing: WindowListing, kept: Sequence[StudyAnswer], there: Sequence[StudyAnswer]
) -> str:
    """Say what ModalitiesInStudy does as a key, by comparison with a list without it.

    That it works is not shown before a study was found that holds other modalities too: a key that
    is compared with the whole value would miss just those.
    """
    if any(one.study_uid not in listing.found for one in there):
        return LOSES
    if len(kept) < len(listing.found):
        return IGNORED
    return WORKS if any(len(one.modalities) > 1 for one in there) else ""


def with_series(
    studies: Iterable[StudyAnswer], modality: str, modalities_in: ModalitiesIn
) -> list[StudyAnswer]:
    """Keep the studies that hold a modality; the series tell where an answer does not.

    An answer that lists only known modalities and not this one is believed; one that lists none,
    or a word that is no modality (PS3.3 C.7.3.1.1.1), is not. A study of which the series do not
    tell it either is kept: its objects will.
    """
    kept = []
    for one in studies:
        is_told = bool(one.modalities) and MODALITIES.issuperset(one.modalities)
        if modality in one.modalities:
            kept.append(one)
        elif not is_told:
            found = modalities_in(one.study_uid)
            if modality in found or "" in found or not found:
                kept.append(replace(one, modalities=tuple(name for name in found if name)))
    return kept
