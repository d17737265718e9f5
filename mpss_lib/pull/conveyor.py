"""Studies of a batch on their way: fetched here, taken apart beside it, stored in groups.

===========  ===========================================================================
fetching     in the caller's thread: one association, one study after the other
taking       reading, verifying, decoding and de-identifying, in a process of its own where
             there is a second core and the batch is worth it, and here where nothing may be
             fetched meanwhile; else here
storing      in a process of its own, under the same conditions: it waits for the disk
             (``storing``); here too when nothing else is left; the vault is written here
===========  ===========================================================================

Outcomes are given in the order in which they are asked for, each when its study is durable. What
one study does is that study's own; a fault of the archive or of the platform ends the fetching, and
what was fetched before it is stored.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

from mpss_lib.config import Config
from mpss_lib.errors import (
    ArchiveBusyError,
    OneArchiveAwayError,
    PlatformFaultError,
    WrongArgumentError,
)
from mpss_lib.pull import storing
from mpss_lib.pull.beside import Helper, Helpers
from mpss_lib.pull.fetched import Fetched, Fetcher
from mpss_lib.pull.taking import TakenStudy, Taker
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake, Outcome, Written

GROUP = 32
"""Studies that are stored together."""
LAST_GROUP = GROUP // 4
"""When nothing is left to fetch: what is stored meanwhile needs not be waited for in the end."""
WAITS_S = 5.0
"""Where studies come slowly, what is ready is stored after this time, however few they are."""
AHEAD = 4 * GROUP
"""Studies that were fetched and are not stored yet, at most."""
MOST_BYTES = 2**28
"""Of objects that lie in the staging folder and are not stored yet, about."""
LEAST = 8
"""Studies from which on helpers are worth it."""
LISTED = 50
"""Studies of which the archive's answers are asked for at once."""
FIRST = GROUP // 4
"""Of many, studies that are asked for at first: nobody else has work before they are there."""


class Conveyor:
    """Gives the outcome of one study after the other; use it in a ``with`` statement.

    Parameters
    ----------
    fetcher : Fetcher
    lake, config, vault
    keys : sequence of str
        Studies that will be asked for, in this order: they are fetched ahead.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        lake: Lake,
        config: Config,
        vault: Vault,
        keys: Sequence[str] = (),
    ) -> None:
        self._fetcher, self._vault = fetcher, vault
        self._lake, self._config = lake, config
        self._todo = deque(keys)
        self._known = set(keys)
        self._n_listed = self._n_ahead = 0
        self._has_listed = False
        self._results: dict[str, Outcome | Exception] = {}
        self._taking: deque[_Taking] = deque()
        self._group: list[Fetched] = []
        self._stored_at = time.monotonic()
        self._storing: deque[_Storing] = deque()
        self._takes = Helper(Taker(config.pull, vault.uid).take_all)
        self._writes = Helper(storing.write)
        self._helpers = Helpers(self._takes, self._writes, is_worth_it=len(keys) >= LEAST)

    def __enter__(self) -> Conveyor:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._writes.finish()
            self._helpers.close()
        finally:
            self._fetcher.close()
            for one in self._under_way():
                one.clean()

    def __call__(self, study_key: str) -> Outcome:
        """Do a study and those before it, and fetch some after it.

        Raises
        ------
        MpssError
            What ``Fetcher.fetch``, ``StudyJob.prepare`` and ``storing`` raise.
        """
        if study_key not in self._known:
            self._known.add(study_key)
            self._todo.appendleft(study_key)
            self._n_listed += 1
            self._n_ahead += 1
        while study_key not in self._results:
            if not (self._todo or self._under_way()):
                raise RuntimeError("a study was lost on its way")
            self._step()
        self._known.discard(study_key)
        result = self._results.pop(study_key)
        if isinstance(result, Exception):
            raise result
        return result

    def _under_way(self) -> list[Fetched]:
        stored = [one for storing in self._storing for one in storing.group]
        return [*stored, *self._group, *(taking.one for taking in self._taking)]

    def _step(self) -> None:
        """Bring on what is ready, then fetch one more study, or wait where none may be fetched."""
        self._takes.look()
        self._writes.look()
        while self._taking and self._taking[0].future.done():
            self._prepare()
        while self._storing and self._storing[0].future.done():
            self._end_group()
        under_way = self._under_way()
        n_bytes = sum(one.n_bytes for one in under_way)
        may_fetch = bool(self._todo) and len(under_way) < AHEAD and n_bytes < MOST_BYTES
        if may_fetch:
            self._fetch()
        elif self._takes.help():
            return
        elif self._taking:
            self._prepare()
        elif self._group:
            self._store()
        elif self._storing and not self._writes.help():
            self._end_group()

    def _n_to_list(self) -> int:
        is_long = len(self._todo) >= GROUP
        return FIRST if is_long and not self._has_listed else LISTED

    def _fetch(self) -> None:
        key = self._todo.popleft()
        try:
            if not self._n_listed:
                some = [key, *islice(self._todo, self._n_to_list() - 1)]
                self._n_listed, self._has_listed = len(some), True
                self._fetcher.foresee(some)
            self._n_listed -= 1
            if not self._n_ahead:
                some = [key, *islice(self._todo, min(GROUP - 1, self._n_listed))]
                self._n_ahead = self._fetcher.look_ahead(some)
            self._n_ahead -= 1
            result = self._fetcher.fetch(key)
            if isinstance(result, Outcome):
                self._results[key] = result
            else:
                self._helpers.start()
                self._taking.append(_Taking(result, self._takes.submit(result.order)))
        except Exception as error:  # raised when the turn of its study comes
            self._fail([key], error)

    def _prepare(self) -> None:
        taking = self._taking.popleft()
        one = taking.one
        try:
            taken = self._takes.result(taking.future, one.order)
            settled = self._fetcher.settled(one, taken)
            if settled is not one:  # somebody else's: it is taken as theirs
                self._taking.appendleft(_Taking(settled, self._takes.submit(settled.order)))
                return
            one.job.prepare(one.delivered, taken)
        except Exception as error:  # raised when the turn of its study comes
            one.clean()
            self._fail([one.study_key], error)
            return
        self._group.append(one)
        most = GROUP if self._todo else LAST_GROUP
        if len(self._group) >= most or time.monotonic() - self._stored_at > WAITS_S:
            self._store()

    def _store(self) -> None:
        group, self._group, self._stored_at = self._group, [], time.monotonic()
        self._begin_to_store(group)

    def _begin_to_store(self, group: list[Fetched]) -> None:
        try:
            files = storing.named(group, self._lake, self._config, self._vault)
        except Exception as error:  # raised when the turn of its study comes
            self._not_stored(group, error)
        else:
            self._helpers.start()
            self._storing.append(_Storing(group, files, self._writes.submit(files)))

    def _end_group(self) -> None:
        one = self._storing.popleft()
        parts = (self._fetcher, self._lake, self._config, self._vault)
        try:
            written = self._writes.result(one.future, one.files)
            outcomes = storing.settled(one.group, written, *parts)
        except Exception as error:  # raised when the turn of its study comes
            self._not_stored(one.group, error)
            return
        for study in one.group:
            study.clean()
        self._results.update(zip([study.study_key for study in one.group], outcomes, strict=True))

    def _not_stored(self, group: list[Fetched], error: Exception) -> None:
        if len(group) > 1 and not _ends_a_batch(error):  # one of them: the others go on
            for one in group:
                self._begin_to_store([one])
            return
        for one in group:
            one.clean()
        self._fail([one.study_key for one in group], error)

    def _fail(self, keys: Sequence[str], error: Exception) -> None:
        self._results.update(dict.fromkeys(keys, error))
        if _ends_a_batch(error):
            self._known.difference_update(self._todo)
            self._todo.clear()
            self._n_listed = self._n_ahead = 0


@dataclass(frozen=True)
class _Storing:
    """A group of studies whose files are brought to the lake."""

    group: list[Fetched]
    files: storing.GroupFiles
    future: Future[tuple[Written, ...]]


@dataclass(frozen=True)
class _Taking:
    """A study that was fetched, and what becomes of it."""

    one: Fetched
    future: Future[TakenStudy]


def _ends_a_batch(error: Exception) -> bool:
    """Whether an error is not that of one study (``mpss_lib.batch``)."""
    if isinstance(error, OSError):
        return error.errno is not None
    if isinstance(error, OneArchiveAwayError):
        return False
    return isinstance(error, PlatformFaultError | ArchiveBusyError | WrongArgumentError)
