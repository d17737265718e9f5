"""Several archives of a site, asked as if they were one.

Each keeps its own session: habits, limits, AE titles, hours. A study that is in two is one study:
answers about it are joined, so that two persons under one UID are two persons of that study, and of
its counts the larger one stands: the lists of the archive that it is fetched from must reach it. It
is fetched from the first archive, in the order of the settings, that holds it and answers. One that
is away holds up only the studies that nobody else has.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mpss_lib.config import Sites
from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveDownError,
    ArchiveRefusedError,
    OneArchiveAwayError,
    StudyFaultError,
)
from mpss_lib.pull.archive.answers import (
    ObjectAnswer,
    SeriesAnswer,
    StudyAnswer,
    WindowAnswer,
    joined_answers,
)
from mpss_lib.pull.archive.contents import Contents
from mpss_lib.pull.archive.habits import NOTHING_KNOWN, Habits, known_habits, remember_habits
from mpss_lib.pull.archive.modalities import with_series
from mpss_lib.pull.archive.questions import repeated

if TYPE_CHECKING:
    from mpss_lib.pull.archive.session import ArchiveSession
    from mpss_lib.pull.retrieve.delivery import Delivery

log = logging.getLogger(__name__)

T = TypeVar("T")

Away = ArchiveBusyError | ArchiveDownError | ArchiveRefusedError
AWAY = (ArchiveBusyError, ArchiveDownError, ArchiveRefusedError)
"""What one archive does that says nothing of the others."""

AWAY_S = 60.0
"""For so long an archive that did not answer its call, or refused it, is not called again."""


def by_archive(sites: Sites) -> dict[str, Sites]:
    """Sites of each archive by its name, in the order of the settings; the first: ``archive``."""
    first = sites.archive.model_copy(update={"others": {}})
    return {
        "archive": replace(sites, archive=first),
        **{name: replace(sites, archive=one) for name, one in sites.archive.others.items()},
    }


class SeveralArchives:
    """The archives of a site; each method as in ``ArchiveSession``.

    Parameters
    ----------
    sessions : mapping of name to ArchiveSession
        In the order in which a study is looked for.
    sites : mapping of name to Sites
        Whose habits are known and remembered.
    """

    def __init__(self, sessions: Mapping[str, ArchiveSession], sites: Mapping[str, Sites]) -> None:
        self._sessions, self._sites = sessions, sites
        self._holders: dict[str, list[str]] = {}
        self._away_until: dict[str, float] = {}
        self._lost: dict[str, Away] = {}
        self._current = next(iter(sessions))

    # ---------------------------------------------------------------- lists

    def find_studies(
        self, date_from: date, date_to: date, modality: str, known: Habits = NOTHING_KNOWN
    ) -> WindowAnswer:
        """List the studies of a window in every archive; one that is away is a doubt.

        Raises
        ------
        ArchiveDownError, ArchiveBusyError
            All of them are away.
        """
        return self._listed(
            known, lambda one, habits: one.find_studies(date_from, date_to, modality, habits)
        )

    def find_undated(self, modality: str, known: Habits = NOTHING_KNOWN) -> WindowAnswer:
        """List the studies without a date in every archive."""
        return self._listed(known, lambda one, habits: one.find_undated(modality, habits))

    def _listed(
        self, known: Habits, ask: Callable[[ArchiveSession, Habits], WindowAnswer]
    ) -> WindowAnswer:
        forgotten = self._forgotten(known)
        answers: dict[str, WindowAnswer] = {}
        away: dict[str, Away] = {}
        for name, session in self._sessions.items():
            try:
                answers[name] = ask(session, replace(known_habits(self._sites[name]), **forgotten))
            except AWAY as error:
                self._leave(name, error)
                away[name] = error
                continue
            remember_habits(self._sites[name], answers[name].seen)
        if not answers:
            raise next(iter(away.values()))
        joined = self._joined({name: answer.studies for name, answer in answers.items()})
        self._tell(answers, joined)
        doubts = [f"archive {name} was away: {error.problem}" for name, error in away.items()]
        doubts += [f"archive {name}: {one}" for name in answers for one in answers[name].doubts]
        return WindowAnswer(
            tuple(joined[uid] for uid in sorted(joined)),
            sum(answer.n_requests for answer in answers.values()),
            sum(answer.n_unusable for answer in answers.values()),
            tuple(doubts),
        )

    def _forgotten(self, known: Habits) -> dict[str, Any]:
        """Give the habits that the caller forgets of the first archive, and so of each."""
        first = known_habits(next(iter(self._sites.values())))
        names = [field.name for field in fields(Habits)]
        changed = [name for name in names if getattr(known, name) != getattr(first, name)]
        return {name: getattr(NOTHING_KNOWN, name) for name in changed}

    def _joined(self, found: Mapping[str, Iterable[StudyAnswer]]) -> dict[str, StudyAnswer]:
        """Join what archives say of one study; remember who holds it."""
        joined: dict[str, StudyAnswer] = {}
        holders: dict[str, list[str]] = {}
        for name, studies in found.items():
            for study in studies:
                uid = study.study_uid
                joined[uid] = joined_answers(joined[uid], study) if uid in joined else study
                holders.setdefault(uid, []).append(name)
        self._holders |= holders
        return joined

    def _tell(self, answers: Mapping[str, WindowAnswer], joined: Mapping[str, StudyAnswer]) -> None:
        counts = {name: len(answer.studies) for name, answer in answers.items()}
        n_twice = sum(len(self._holders[uid]) > 1 for uid in joined)
        log.info("find: studies by archive %s, %d of them in more than one", counts, n_twice)

    # ------------------------------------------------------------- one study

    def find_study(self, study_uid: str) -> StudyAnswer | None:
        """Ask every archive for a study; None where each of them says that it has none.

        Raises
        ------
        ArchiveBusyError
            Nobody has it, and one that may is away.
        """
        found: dict[str, list[StudyAnswer]] = {}
        for name, answer in self._asked(lambda one: one.find_study(study_uid)).items():
            if answer is not None:
                found[name] = [answer]
        self._check_found(found)
        counts = {name: one.n_objects for name, (one,) in found.items()}
        if len({count for count in counts.values() if count is not None}) > 1:
            log.warning("archives count other objects of one study: %s", counts)
        return self._joined(found).get(study_uid)

    def find_listed(self, study_uids: Sequence[str]) -> dict[str, StudyAnswer]:
        """Leave each study to be asked for alone: whoever cannot do lists may hold it too."""
        return {}

    def find_named(self, name: str) -> list[StudyAnswer]:
        """Ask every archive by UID or accession number."""
        found = self._asked(lambda one: one.find_named(name))
        joined = self._joined(found)
        self._check_found(joined)
        return [joined[uid] for uid in sorted(joined)]

    def find_patient(self, patient_id: str) -> list[StudyAnswer]:
        """Ask every archive for the studies of a patient.

        Raises
        ------
        ArchiveBusyError
            One is away: what it alone holds would be missing.
        """
        found = self._asked(lambda one: one.find_patient(patient_id))
        joined = self._joined(found)
        if self._lost:
            self._check_found({})
        return [joined[uid] for uid in sorted(joined)]

    def _asked(self, ask: Callable[[ArchiveSession], T]) -> dict[str, T]:
        answers: dict[str, T] = {}
        self._lost = {}
        for name, session in self._sessions.items():
            try:
                self._check_here(name)
                answers[name] = ask(session)
            except AWAY as error:
                self._leave(name, error)
                self._lost[name] = error
        return answers

    def _check_found(self, found: Mapping[str, object]) -> None:
        if not found and self._lost:
            name, error = next(iter(self._lost.items()))
            self._current = name
            raise self._away(name, error) from error

    def of_modality(self, studies: Iterable[StudyAnswer], modality: str) -> list[StudyAnswer]:
        """Keep the studies that hold a modality."""
        return with_series(studies, modality, self._modalities_in)

    def _modalities_in(self, study_uid: str) -> tuple[str, ...]:
        try:
            series = self.persistently("the list of series", lambda: self.find_series(study_uid), 2)
        except StudyFaultError:
            return ()
        return tuple(sorted({one.modality for one in series}))

    def find_series(self, study_uid: str) -> list[SeriesAnswer]:
        """List the series of a study where it is fetched from; none where nobody has it."""
        holder = self._holder(study_uid)
        return [] if holder is None else self._with(holder, lambda one: one.find_series(study_uid))

    def find_objects(self, study_uid: str, series_uid: str) -> list[ObjectAnswer]:
        """List the objects of a series where it is fetched from."""
        holder = self._holder(study_uid)
        if holder is None:
            return []
        return self._with(holder, lambda one: one.find_objects(study_uid, series_uid))

    takes_several = False  # each study comes from the archive that holds it and answers

    def find_contents(
        self, rows: Sequence[StudyAnswer], modalities: Collection[str]
    ) -> dict[str, Contents]:
        """Leave each study to be asked for alone, where it is fetched from."""
        return {}

    def fetch_ahead(self, wanted: Mapping[str, Sequence[ObjectAnswer]], folder: Path) -> None:
        """Leave each study to be fetched alone."""

    def offers(self, sop_class: str) -> bool:
        """Whether the archive that was asked last sends objects of a class."""
        return self._with(self._current, lambda one: one.offers(sop_class))

    def fetch(
        self,
        study_uid: str,
        wanted: Sequence[ObjectAnswer],
        whole_series: frozenset[str],
        folder: Path,
        attempts: int,
        spared: frozenset[str] = frozenset(),
    ) -> Mapping[str, Delivery]:
        """Fetch objects from the first archive that holds the study and answers."""
        name = self._holder(study_uid) or self._current
        try:
            return self._with(
                name,
                lambda one: one.fetch(study_uid, wanted, whole_series, folder, attempts, spared),
            )
        except ArchiveBusyError as error:
            self._leave(name, error)
            raise self._away(name, error) from error

    def persistently(self, what: str, operation: Callable[[], T], attempts: int) -> T:
        """Repeat a question for one study; as ``ArchiveSession`` of the archive that was asked."""
        return repeated(what, operation, attempts, self._drop, self._is_well)

    def _drop(self) -> None:
        self._sessions[self._current].drop()

    def _is_well(self, problem: str) -> str:
        session = self._sessions[self._current]
        try:
            session.echo()
            session.doubt_lists(problem)
        except AWAY as error:
            self._leave(self._current, error)
            raise self._away(self._current, error) from error
        return f"archive {self._current}"

    # --------------------------------------------------------------- pieces

    def _holder(self, study_uid: str) -> str | None:
        """First archive that holds a study and is not away; None where all say that nobody does."""
        if study_uid not in self._holders:
            self.find_study(study_uid)
        names = self._holders.get(study_uid, [])
        return next(chain((n for n in names if not self._is_away(n)), names), None)

    def _with(self, name: str, ask: Callable[[ArchiveSession], T]) -> T:
        self._current = name
        try:
            self._check_here(name)
            return ask(self._sessions[name])
        except (ArchiveDownError, ArchiveRefusedError) as error:
            self._leave(name, error)
            raise self._away(name, error) from error

    def _is_away(self, name: str) -> bool:
        return time.monotonic() < self._away_until.get(name, 0.0)

    def _check_here(self, name: str) -> None:
        if self._is_away(name):
            raise ArchiveBusyError("it was away a moment ago", way_out="wait until it is back")

    def _leave(self, name: str, error: Away) -> None:
        self._sessions[name].drop()
        if isinstance(error, ArchiveDownError | ArchiveRefusedError):
            self._away_until[name] = time.monotonic() + AWAY_S

    def _away(self, name: str, error: Away) -> OneArchiveAwayError:
        return OneArchiveAwayError(
            f"archive {name} is away, busy or refuses us, and of some studies it alone may have"
            f" them: {error.problem}",
            way_out=error.way_out,
        )
