"""One volume among those that pass: the whole one that answers the protocol, then the latest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mpss_lib.dicom.agreement import KIND_SAID_TWICE
from mpss_lib.dicom.rules import Answer
from mpss_lib.intake.candidate import NOT_BEST, Candidate, Choice, look
from mpss_lib.volume import Triple

HEART_MM = 60.0
"""No volume that is smaller than this in a direction holds a left ventricle with its wall."""
WHOLE_SHARE = 0.9
"""Least share of the fullest volume's extent, in each direction, that counts as whole."""

RANKS = (
    *(
        "one_kind_first",
        "holds_heart_first",
        "whole_first",
        "transaxial_first",
        "ungated_first",
        "latest_series",
    ),
    "lowest_key",
)
"""What decides, in this order; the evidence names the first that told the two best apart."""


def choose(
    candidates: Sequence[Candidate], keys: Sequence[str], whole_share: float = WHOLE_SHARE
) -> Choice:
    """Choose one of the eligible candidates.

    Duplicates (same voxels, same place) count once: the lowest series number stays, so that a
    second delivery changes nothing. What an object is comes before its number: one whose texts
    name no other thing (a map, a difference); one that can hold a heart; one as large as the
    fullest volume of the study in its orientation, whatever that one was refused for. Then
    transaxial before short axis, ungated before gated, the highest series number (a reprocessing
    gets a higher one), the lowest object key.

    Parameters
    ----------
    candidates : sequence of Candidate
    keys : sequence of str
        Object keys, the last tie-break.
    whole_share : float
        Share of the fullest volume's extent from which on another one is whole too: stations
        trim a few slices when they process again.

    Returns
    -------
    Choice
        ``rule`` says what decided; ``others`` has the reasons of eligible ones left behind.
    """
    eligible = [i for i, candidate in enumerate(candidates) if not candidate.reasons]
    if not eligible:
        return Choice(None, "none_eligible")
    first: dict[str, int] = {}
    for i in sorted(eligible, key=lambda i: (candidates[i].header.series_number, keys[i])):
        first.setdefault(candidates[i].digest, i)
    fullest = _fullest(candidates)
    ranks = {i: (*_rank(candidates[i], fullest, whole_share), keys[i]) for i in first.values()}
    unique = sorted(first.values(), key=lambda i: ranks[i])
    best = unique[0]
    others: dict[int, tuple[str, ...]] = {
        i: (NOT_BEST,) if i in unique else ("duplicate", NOT_BEST) for i in eligible if i != best
    }
    looks = _looks(candidates[best], fullest, whole_share)
    if len(eligible) == 1:
        return Choice(best, "only_eligible", others, looks)
    if len(unique) == 1:
        return Choice(best, "first_of_duplicates", others, looks)
    rivals = zip(ranks[best], ranks[unique[1]], strict=True)
    decided = next(i for i, (ours, theirs) in enumerate(rivals) if ours != theirs)
    return Choice(best, RANKS[decided], others, looks)


def in_series(candidate: Candidate, series_order: int) -> Candidate:
    """Let the place of a series among those of its study stand in for its number.

    SeriesNumber may be an identifier of the patient, and is then not stored.
    """
    return replace(candidate, header=replace(candidate.header, series_number=series_order))


def compare_series(candidates: Sequence[Candidate], series_keys: Sequence[str]) -> list[Candidate]:
    """Compare what the objects of one series say of it: its number is one."""
    numbers: dict[str, set[int]] = {}
    for one, key in zip(candidates, series_keys, strict=True):
        if one.header.sop_instance:  # else it could not be read
            numbers.setdefault(key, set()).add(one.header.series_number)
    torn = look("series_number_said_twice", "SeriesNumber")
    return [
        replace(one, answers=one.answers | {f"look_{torn.rule}": torn})
        if len(numbers.get(key, ())) > 1
        else one
        for one, key in zip(candidates, series_keys, strict=True)
    ]


def _fullest(candidates: Sequence[Candidate]) -> dict[str, Triple]:
    """Largest extents of each orientation, among all volumes with the voxels that are wanted."""
    found: dict[str, Triple] = {}
    for one in candidates:
        if one.digest and "voxel_size" not in one.reasons:
            seen = _orientation(one)
            known = found.get(seen, (0.0, 0.0, 0.0))
            z, y, x = (max(pair) for pair in zip(one.extent_mm, known, strict=True))
            found[seen] = (z, y, x)
    return found


def _rank(
    candidate: Candidate, fullest: dict[str, Triple], whole_share: float
) -> tuple[bool, bool, bool, bool, bool, int]:
    return (
        f"look_{KIND_SAID_TWICE}" in candidate.answers,
        not _holds_heart(candidate),
        not _is_whole(candidate, fullest, whole_share),
        _orientation(candidate) != "transaxial",
        candidate.header.n_time_slots > 1,
        -candidate.header.series_number,
    )


def _looks(
    candidate: Candidate, fullest: dict[str, Triple], whole_share: float
) -> tuple[Answer, ...]:
    extent = " x ".join(f"{size:.4g}" for size in candidate.extent_mm)
    found = []
    if not _is_whole(candidate, fullest, whole_share):
        most = " x ".join(f"{size:.4g}" for size in fullest[_orientation(candidate)])
        found.append(look("smaller_than_another_volume", "", f"{extent} mm of {most}"))
    if not _holds_heart(candidate):
        found.append(look("smaller_than_a_heart", "", f"{extent} mm"))
    return tuple(found)


def _holds_heart(candidate: Candidate) -> bool:
    return min(candidate.extent_mm) >= HEART_MM


def _is_whole(candidate: Candidate, fullest: dict[str, Triple], whole_share: float) -> bool:
    most = fullest[_orientation(candidate)]
    return all(
        mine >= whole_share * size - 1e-6
        for mine, size in zip(candidate.extent_mm, most, strict=True)
    )


def _orientation(candidate: Candidate) -> str:
    return candidate.answers["orientation"].answer
