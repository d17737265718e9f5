"""Listing of a window: no list is believed before its parts say the same.

How completeness is established
-------------------------------
==============================================  =============================================
what the archive does                           what is done
==============================================  =============================================
status 0xA700-0xA7FF, 0xFE00, ``find_limit``    the list was cut: ask for its halves, by days,
                                                then by times of the day
success, with exactly as many answers as it     ask for the halves; a list is whole once it
ever gives                                      splits into lists that are each shorter than it
                                                and tell nothing new
cannot do ranges of StudyDate                   an error, or no answer beyond the first day: ask
                                                for each day
answers beyond the dates or times asked for     they are dropped here; such a list cannot be
                                                proved by splitting it
ModalitiesInStudy does not find all             ask for all studies of the window and look
ModalitiesInStudy empty, in rows, misspelt      rows of one study are joined, then its series
                                                tell
splits by StudyTime lose studies without one    what the unsplit list had stays; a day that was
                                                cut is also asked for by the ends of PatientID
==============================================  =============================================

Where none of it proves the list, the answer carries a doubt, and the night shows it.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, time

from mpss_lib.dicom.values import parse_date, parse_time
from mpss_lib.errors import PlatformFaultError
from mpss_lib.pull.archive.answers import StudyAnswer, joined_answers
from mpss_lib.pull.archive.habits import Habits
from mpss_lib.pull.archive.queries import Slice

MOST_DAYS = 400
"""Days of a window that are asked for one by one, where the archive cannot do ranges."""
_MOST_ID_SIGNS = 3
"""Characters of PatientID by which a day is split, at most."""
_DIGITS = "0123456789"


@dataclass(frozen=True)
class Listed:
    """One list as it came.

    Parameters
    ----------
    studies : tuple of StudyAnswer
    n_unusable : int
        Answers that name no study.
    is_cut : bool
        The archive said that there would be more.
    """

    studies: tuple[StudyAnswer, ...]
    n_unusable: int = 0
    is_cut: bool = False

    @property
    def n_rows(self) -> int:
        """Answers in the list, usable or not."""
        return len(self.studies) + self.n_unusable


class RangeRefusedError(Exception):
    """The archive cannot process the query, a range of dates or times or a star being in it."""


@dataclass
class _Part:
    """A list of a slice: what lies in it, how long it was."""

    where: Slice
    uids: frozenset[str]
    n_rows: int
    is_cut: bool
    has_strays: bool


Ask = Callable[[Slice, str], Listed]


@dataclass
class WindowListing:
    """Lists a window for one modality, in as many questions as it takes.

    Parameters
    ----------
    ask : callable
        ``ask(slice, modality) -> Listed``; raises ``RangeRefusedError`` where the archive cannot
        process a range.
    modality : str
        "" for all studies.
    known : Habits
        What is known of the archive.
    limit : int
        Answers from which on a list counts as cut; 0: none known.
    """

    ask: Ask
    modality: str
    known: Habits
    limit: int = 0
    found: dict[str, StudyAnswer] = field(default_factory=dict)
    seen: Habits = field(default_factory=Habits)
    doubts: set[str] = field(default_factory=set)
    n_unusable: int = 0
    _spans_days: bool = False
    _has_asked_days: bool = False
    _proved: set[Slice] = field(default_factory=set)
    _asked_days: set[tuple[date, date] | None] = field(default_factory=set)

    def list_days(self, days: tuple[date, date]) -> None:
        """Find every study of some days.

        Raises
        ------
        PlatformFaultError
            If a list is cut and cannot be split further: the window would not be complete.
        """
        self._list(Slice(days))

    def list_all(self) -> None:
        """Find every study of the archive, of any date and of none."""
        self._prove(self._part(Slice(None)))

    # ------------------------------------------------------------- the lists

    def _list(self, where: Slice) -> None:
        if where.n_days > 1 and self.known.day_ranges is False:
            self._each_day(where)
            return
        try:
            whole = self._part(where)
        except RangeRefusedError:
            self._see(day_ranges=False)
            self._each_day(where)
            return
        self._prove(whole)
        if where.n_days > 1 and not self._spans_days and self.known.day_ranges is None:
            self._each_day(where)  # nothing has shown yet that it finds all days of a range

    def _each_day(self, where: Slice) -> None:
        if self._has_asked_days:
            return
        self._has_asked_days = True
        days = where.single_days()
        if len(days) > MOST_DAYS:
            self.doubts.add(
                f"the archive does not answer ranges of StudyDate, and the window has {len(days)}"
                f" days: ask for at most {MOST_DAYS} at a time"
            )
            days = days[-MOST_DAYS:]
        before = len(self.found)
        for day in days:
            if day.days not in self._asked_days:
                self._prove(self._part(day))
        if len(self.found) > before:
            self._see(day_ranges=False)

    def _part(self, where: Slice) -> _Part:
        """Ask for a slice; keep what lies in it."""
        listed = self.ask(where, self.modality)
        if where.n_days == 1 and where.is_whole_day and not where.id_end:
            self._asked_days.add(where.days)
        inside = [one for one in listed.studies if _is_in(one, where)]
        for one in inside:
            before = self.found.get(one.study_uid)
            self.found[one.study_uid] = one if before is None else joined_answers(before, one)
        self.n_unusable = max(self.n_unusable, listed.n_unusable)
        self._learn(where, listed, inside)
        limit = self.seen.cap or self.limit
        return _Part(
            where,
            frozenset(one.study_uid for one in inside),
            listed.n_rows,
            listed.is_cut or bool(limit and listed.n_rows >= limit),
            len(inside) < len(listed.studies),
        )

    def _learn(self, where: Slice, listed: Listed, inside: list[StudyAnswer]) -> None:
        strays = len(inside) < len(listed.studies)
        if listed.is_cut:
            self._see(says_cut=True)
        if listed.studies and where.days is not None:
            name = "keeps_to_days" if where.is_whole_day else "keeps_to_times"
            self._see(**{name: not strays and getattr(self.seen, name) is not False})
        if any(parse_time(one.study_time) is None for one in inside):
            self._see(untimed=True)
        if any(parse_date(one.study_date) is None for one in inside):
            self._see(undated=True)
        dates = {day for one in inside if (day := parse_date(one.study_date))}
        if where.n_days > 1 and not strays and (len(dates) > 1 or dates - set(where.days or ())):
            self._spans_days = True
            self._see(day_ranges=True)
        rows = [one.study_uid for one in listed.studies]
        if len(set(rows)) < len(rows):
            self._see(modality_value="rows")

    # ------------------------------------------------------------- the proof

    def _prove(self, whole: _Part) -> None:
        """Split a list until each part is shorter than it and they tell nothing new."""
        if whole.has_strays:
            self._cannot_split(whole)
            return
        if whole.n_rows < (1 if whole.where.n_days > 1 else 2) and not whole.is_cut:
            return
        parts = self._parts(self._where_to_split(whole), whole)
        told = frozenset[str]().union(*(part.uids for part in parts))
        if told - whole.uids and not whole.is_cut:
            self._was_cut(whole, told)
        if self._needs_id_ends(whole, told):
            named = self._by_id_ends(whole)
            if named - whole.uids and not whole.is_cut:
                self._was_cut(whole, named)
                parts += self._parts(whole.where.halves(), whole)
        is_left = not parts and whole.is_cut and whole.where.days is not None
        if is_left and whole.where not in self._proved:
            raise _too_long()
        for part in parts:
            if part.is_cut or part.has_strays or part.n_rows >= whole.n_rows:
                self._prove(part)
        self._conclude(whole)

    def _conclude(self, whole: _Part) -> None:
        """After its parts: a day as long as lists are cut at was cut too; else it is whole."""
        is_day = whole.where.n_days == 1 and whole.where.is_whole_day
        if is_day and not whole.is_cut and self.seen.cap and whole.n_rows >= self.seen.cap:
            whole.is_cut = True
            self._by_id_ends(whole)
        if not whole.is_cut:
            self._see(largest_list=max(self.seen.largest_list, whole.n_rows))

    def _parts(self, slices: list[Slice], whole: _Part) -> list[_Part]:
        """Ask for parts of a list; none where the archive refuses such a question.

        Days are asked for one by one then; a day that cannot be split by its times stays whole.
        """
        try:
            return [self._part(where) for where in slices]
        except RangeRefusedError:
            if whole.where.n_days > 1:
                self._each_day(whole.where)
                self._proved.add(whole.where)
            return []

    def _needs_id_ends(self, whole: _Part, told: frozenset[str]) -> bool:
        """Whether to ask by patients: a day that was cut, or what no time of it splits."""
        where = whole.where
        if where.n_days > 1:
            return False
        if where.is_whole_day:
            return whole.is_cut or bool(whole.uids - told)
        return where.is_one_minute and not whole.is_cut

    def _where_to_split(self, whole: _Part) -> list[Slice]:
        if whole.is_cut:
            return whole.where.halves()
        studies = [self.found[uid] for uid in whole.uids]
        days = [day for one in studies if (day := parse_date(one.study_date)) is not None]
        clocks = [clock for one in studies if (clock := parse_time(one.study_time)) is not None]
        return whole.where.split_at(days, clocks)

    def _was_cut(self, whole: _Part, told: frozenset[str]) -> None:
        """Note that a list ended with success and was not whole; not where it grew meanwhile."""
        again = self._part(whole.where)
        if told <= again.uids:
            return
        whole.is_cut = True
        if whole.where.n_days > 1 and not self._spans_days:
            self._each_day(whole.where)  # perhaps it is the range that it does not understand
        else:
            self._see(cap=again.n_rows, says_cut=False)

    def _cannot_split(self, whole: _Part) -> None:
        """Say what cannot be known: the archive answers beyond what it is asked for."""
        if whole.is_cut:
            raise PlatformFaultError(
                "the archive cuts the list of studies short and does not keep to the dates or"
                " times that it is asked for: the list cannot be completed",
                way_out="ask the PACS team to match StudyDate and StudyTime in C-FIND, or to raise"
                " the limit of answers for our AE title",
            )
        if _is_round(whole.n_rows):
            self.doubts.add(
                f"the archive answered {whole.n_rows} studies and does not keep to the dates or"
                " times that it is asked for: whether the list is whole cannot be told"
            )

    def _by_id_ends(self, whole: _Part) -> frozenset[str]:
        """Ask a day that was cut by the last characters of PatientID: times may be missing.

        Returns
        -------
        frozenset of str
            Study Instance UIDs that these lists told.
        """
        by_end: dict[str, frozenset[str]] = {}
        opened: list[str] = []
        waiting = self._ends_with("")
        is_proved = True
        while waiting:
            end = waiting.pop()
            try:
                part = self._part(replace(whole.where, id_end=end))
            except RangeRefusedError:
                return self._judge_ends(whole, {}, is_proved=False)
            by_end[end] = part.uids
            is_open = part.is_cut or part.n_rows >= whole.n_rows
            if is_open and len(end) < _MOST_ID_SIGNS:
                opened.append(end)
                waiting += self._ends_with(end)
            elif is_open:
                is_proved = False
        for end in opened:
            longer = (
                uids for other, uids in by_end.items() if other.endswith(end) and other != end
            )
            is_proved = is_proved and by_end[end] <= frozenset[str]().union(*longer)
        return self._judge_ends(whole, by_end, is_proved=is_proved)

    def _ends_with(self, end: str) -> list[str]:
        """Make an end of PatientID longer: by each digit, by what was seen before this end."""
        ids = [one.patient_id for one in self.found.values()]
        seen = {text[: len(text) - len(end)][-1:] for text in ids if text.endswith(end)}
        return [sign + end for sign in sorted({*_DIGITS, *(seen & _ALPHANUMERIC)})]

    def _judge_ends(
        self, whole: _Part, by_end: dict[str, frozenset[str]], *, is_proved: bool
    ) -> frozenset[str]:
        told = frozenset[str]().union(*by_end.values())
        named = {uid for uid in whole.uids if self.found[uid].patient_id[-1:] in by_end}
        works = bool(by_end) and named <= told
        if named or not by_end:
            self._see(wildcards=works)
        unsplit = [uid for uid in whole.uids if not self._can_be_split(uid, whole)]
        if works and is_proved and told.issuperset(unsplit):
            self._proved.add(whole.where)
        elif unsplit and (whole.is_cut or told - whole.uids):
            self.doubts.add(
                f"the archive cuts lists at {whole.n_rows} studies, and {len(unsplit)} of one list"
                " carry no StudyDate or StudyTime by which it could be split: there may be more"
            )
        elif unsplit and _is_round(whole.n_rows):
            self.doubts.add(
                f"the archive answered {whole.n_rows} studies, and neither StudyTime nor PatientID"
                f" tells {len(unsplit)} of them apart: whether the list is whole cannot be told"
            )
        return told

    def _can_be_split(self, uid: str, whole: _Part) -> bool:
        is_split = whole.where.days is not None and not whole.where.is_one_minute
        return is_split and parse_time(self.found[uid].study_time) is not None

    def _see(self, **what: object) -> None:
        self.seen = replace(self.seen, **what)  # type: ignore[arg-type]


_ALPHANUMERIC = frozenset(_DIGITS + string.ascii_letters)


def _is_in(study: StudyAnswer, where: Slice) -> bool:
    """Whether a study may lie in a slice: what it does not say, it does not contradict."""
    day = parse_date(study.study_date)
    if where.days is not None and day is not None and not where.days[0] <= day <= where.days[1]:
        return False
    clock = parse_time(study.study_time)
    return where.is_whole_day or clock is None or _is_within(clock, where.seconds)


def _is_within(clock: time, seconds: tuple[int, int]) -> bool:
    at = clock.hour * 3600 + clock.minute * 60 + clock.second
    return seconds[0] <= at < seconds[1]


def _is_round(number: int) -> bool:
    """Whether a length looks like a limit that somebody chose: 10, 50, 200, 256, 500, ..."""
    return number >= 10 and (number % 10 == 0 or number & (number - 1) == 0)


def _too_long() -> PlatformFaultError:
    return PlatformFaultError(
        "the archive cuts the list of studies short even for one minute of a day",
        way_out="ask the PACS team to raise the limit of C-FIND answers for our AE title,"
        " or correct archive.find_limit",
    )
