"""What the archive counted of a study against what its lists gave.

The lists of level SERIES and IMAGE end with success whether or not they are whole. The archive
also counts (NumberOfStudyRelatedSeries, NumberOfStudyRelatedInstances): every object that it
counted must stand in a list. Where it does not, the study is asked for again (it may be arriving),
then the objects of every series are listed; what still lacks is a study that is not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpss_lib.errors import IncompleteStudyError
from mpss_lib.pull.archive.answers import ObjectAnswer, SeriesAnswer, StudyAnswer


def check_counts(
    announced: StudyAnswer,
    series: Sequence[SeriesAnswer],
    listed: Sequence[ObjectAnswer],
    *,
    ask_again: Callable[[], StudyAnswer | None],
    list_objects: Callable[[str], Sequence[ObjectAnswer]],
) -> None:
    """Compare counts with lists.

    Parameters
    ----------
    announced : StudyAnswer
        With the archive's counts; what it does not count is not compared.
    series : sequence of SeriesAnswer
        Every series that it listed.
    listed : sequence of ObjectAnswer
        Objects of those series whose objects were listed.
    ask_again : callable
        The study's present answer.
    list_objects : callable
        ``list_objects(series_uid)``: the objects of a series.

    Raises
    ------
    IncompleteStudyError
        If the archive counts other series or objects than it lists.
    """
    by_series: dict[str, int] = {}
    for item in listed:
        by_series[item.series_uid] = by_series.get(item.series_uid, 0) + 1
    counts = {one.series_uid: by_series.get(one.series_uid, one.n_objects) for one in series}
    if _agree(announced, counts):
        return
    present = ask_again() or announced
    if _agree(present, counts):
        return
    for one in series:
        if one.series_uid not in by_series:
            counts[one.series_uid] = len(list_objects(one.series_uid))
    if _agree(present, counts):
        return
    n_listed = sum(number or 0 for number in counts.values())
    raise IncompleteStudyError(
        f"the archive counts {_told(present.n_series)} series and {_told(present.n_objects)}"
        f" objects of this study, its lists have {len(counts)} and {n_listed}",
        way_out="the archive cuts its lists short, counts wrongly or is still receiving: `mpss"
        " quarantine retry` later; if it lasts, ask the PACS team, or set pull.counts to `ignore`"
        " where its counts are known to be wrong",
    )


def _agree(announced: StudyAnswer, counts: dict[str, int | None]) -> bool:
    """Whether every object that was counted is accounted for; else, every series."""
    is_known = all(number is not None for number in counts.values())
    if announced.n_objects is not None and is_known:
        return sum(number or 0 for number in counts.values()) == announced.n_objects
    if announced.n_objects is not None and not is_known:
        return False
    return announced.n_series is None or announced.n_series == len(counts)


def _told(number: int | None) -> str:
    return "unknown" if number is None else str(number)
