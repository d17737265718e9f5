"""Which CT series of a patient is fetched: one calcium scan, and the CT of the study itself.

A slice of each series is fetched and looked at: the archive's lists say nothing of what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.uid import CTImageStorage

from mpss_lib.companions.fetching import NOT_OFFERED, arrived, fetch
from mpss_lib.companions.kinds import ATTENUATION_CT, CALCIUM_CT, kind_of
from mpss_lib.companions.search import Listed
from mpss_lib.companions.taking import CompanionTaker, LeftError
from mpss_lib.config import Config
from mpss_lib.dicom.ct_volume import FEWEST_SLICES
from mpss_lib.dicom.values import number_of
from mpss_lib.errors import UnreadableValueError
from mpss_lib.pull.archive.asked import AskedArchive

NOT_BEST, NOT_ASKED, NO_CT = "not_best", "not_asked_for", "sop_class"
TOO_FEW, TOO_MANY = "too_few_slices", "too_many_slices"
MOST_SLICES = 1500
STANDARD_MM = 3.0


@dataclass(frozen=True)
class Chosen:
    """A CT series: what it is, and why it is left (``reason`` is empty where it is fetched)."""

    listed: Listed
    kind: str = ""
    reason: str = ""
    detail: str = ""
    thickness_mm: float = 0.0


def choose(
    scans: Sequence[Listed],
    archive: AskedArchive,
    taker: CompanionTaker,
    config: Config,
    folder: Path,
) -> list[Chosen]:
    """Judge each series of CT by one of its slices and choose among those that will do.

    Of several calcium scans the nearest in time, then the slices nearest to 3 mm, then the most;
    of several other CTs of the study the one with most slices.
    """
    judged = [
        _judge(one, archive, taker, config, folder / f"look{number}")
        for number, one in enumerate(scans)
    ]
    best = {_best(judged, CALCIUM_CT, _scan_rank), _best(judged, ATTENUATION_CT, _own_rank)}
    return [
        one if one.reason or number in best else replace(one, reason=NOT_BEST)
        for number, one in enumerate(judged)
    ]


def _best(
    judged: Sequence[Chosen], kind: str, rank: Callable[[Chosen], tuple[float | str, ...]]
) -> int:
    there = [k for k, one in enumerate(judged) if one.kind == kind and not one.reason]
    return min(there, key=lambda k: rank(judged[k])) if there else -1


def _scan_rank(one: Chosen) -> tuple[float | str, ...]:
    listed = one.listed
    away = abs(listed.days or 0)
    apart = round(abs(one.thickness_mm - STANDARD_MM), 2)
    return away, apart, -len(listed.objects), listed.series.series_uid


def _own_rank(one: Chosen) -> tuple[float | str, ...]:
    return -len(one.listed.objects), one.listed.series.series_uid


def _judge(
    one: Listed, archive: AskedArchive, taker: CompanionTaker, config: Config, folder: Path
) -> Chosen:
    if any(x.sop_class not in ("", CTImageStorage) for x in one.objects):
        return Chosen(one, reason=NO_CT)
    if not FEWEST_SLICES <= len(one.objects) <= MOST_SLICES:
        return Chosen(one, reason=TOO_FEW if len(one.objects) < FEWEST_SLICES else TOO_MANY)
    if not archive.offers(CTImageStorage):
        return Chosen(one, reason=NOT_OFFERED)
    sample = one.objects[len(one.objects) // 2]
    try:
        delivered = fetch(archive, one, [sample], folder, config)
        received = taker.read(arrived(delivered[sample.sop_uid]), sample, one)
    except LeftError as error:
        return Chosen(one, reason=error.reason, detail=error.problem)
    kind, reason = kind_of(received, config.companions.calcium_words, is_own=one.is_own)
    wanted = config.companions
    is_wanted = {CALCIUM_CT: wanted.calcium_ct, ATTENUATION_CT: wanted.attenuation_ct}
    if kind and not is_wanted[kind]:
        reason = NOT_ASKED
    try:
        thickness = number_of(received, "SliceThickness") or 0.0
    except UnreadableValueError:
        thickness = 0.0
    return Chosen(one, kind, reason, "", thickness)
