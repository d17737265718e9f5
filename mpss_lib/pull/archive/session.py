"""Client of the hospital's archive (PACS): lists and retrievals.

Nothing that the archive says about its own success is believed: a list counts only when its last
status is 0x0000, and what was fetched is what lies in the staging folder. ``"Status" not in s``
(an answer without a status) is how a lost association looks. No message quotes a patient, a UID
or an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Sites
from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveRefusedError,
    IncompleteStudyError,
    SettingsError,
    StudyFaultError,
)
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.folder import FolderArchive
from mpss_lib.pull.archive.gate import Gate, gate_of
from mpss_lib.pull.archive.habits import (
    NOTHING_KNOWN,
    Habits,
    known_habits,
    remember_habits,
)
from mpss_lib.pull.archive.questions import ArchiveQuestions
from mpss_lib.pull.archive.several import SeveralArchives, by_archive
from mpss_lib.pull.archive.tls import client_context, days_left
from mpss_lib.pull.archive.web import WebArchive
from mpss_lib.pull.retrieve.ahead import Ahead
from mpss_lib.pull.retrieve.c_get import CGet
from mpss_lib.pull.retrieve.c_move import CMove, Destination, destination_of
from mpss_lib.pull.retrieve.choice import Sample, choose, nothing_comes, tried
from mpss_lib.pull.retrieve.delivery import Delivery, Order
from mpss_lib.pull.retrieve.direct import Direct, Source
from mpss_lib.pull.retrieve.study import fetch_study
from mpss_lib.pull.retrieve.way import Way, comes_later
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake

log = logging.getLogger(__name__)

EXPIRY_DAYS = 30
"""From when on each night warns of our certificate."""
_MOST_OTHERS = 2
"""Other studies that are asked for an object where nothing came of one."""


class ArchiveSession(ArchiveQuestions):
    """Queries and retrievals over one association; use it in a ``with`` statement.

    Parameters
    ----------
    settings : ArchiveSettings
        Address, AE titles, time-outs, and which ways may be taken.
    to : Destination, optional
        The site's receiver.
    others : callable, optional
        Study Instance UIDs that the archive has named: asked for an object, where nothing came.
    known : Habits, optional
        By which way its objects were seen to come, and whether those of several studies do.
    index : Path, optional
        Where the index of a folder is kept.
    gate : Gate, optional
        What every request passes.
    also : sequence of UID
        SOP classes that are fetched beside those of every session.
    """

    def __init__(
        self,
        settings: ArchiveSettings,
        to: Destination | None = None,
        others: Callable[[], Iterable[str]] = tuple,
        known: Habits = NOTHING_KNOWN,
        index: Path | None = None,
        gate: Gate | None = None,
        also: Sequence[UID] = (),
    ) -> None:
        super().__init__(settings, gate, also)
        web = WebArchive(settings, self.gate) if settings.web_url else None
        wanted = settings.retrieve
        folder = FolderArchive(Path(settings.folder), index) if wanted == "folder" else None
        self._sources: dict[str, Source | None] = {"dicomweb": web, "folder": folder}
        ways: dict[str, Way] = {
            "c-get": CGet(self),
            "c-move": CMove(self, to),
            "dicomweb": Direct("WADO-RS", web, "archive.web_url"),
        }
        if folder is not None:  # never by itself: what lies there is not the archive of today
            ways = {"folder": Direct("folder", folder, "archive.folder")}
        self._ways = [way for name, way in ways.items() if wanted in ("auto", name)]
        self._others, self._known_way = others, known.way
        self._ahead = Ahead(known.several)
        self._chosen: Way | None = None
        self._seen: Sample | None = None

    @property
    def _lister(self) -> Source | None:
        """What lists in the place of C-FIND."""
        return self._sources.get(self.settings.retrieve)

    def close(self) -> None:
        """Release the association, and end what lists without one."""
        super().close()
        for source in self._sources.values():
            if source is not None:
                source.close()

    def echo(self) -> None:
        """Verify that the archive answers: C-ECHO, a list of one study, or that it is there."""
        lister = self._lister
        if lister is None:
            super().echo()
        else:
            lister.echo()

    def offers(self, sop_class: str) -> bool:
        """Whether the archive sends objects of a class: only C-GET says so beforehand."""
        return self._lister is not None or super().offers(sop_class)

    def _find_each(self, query: Dataset) -> Iterator[Dataset | None]:
        lister = self._lister
        if lister is None:
            yield from super()._find_each(query)
            return
        self.n_requests += 1
        yield from lister.find(query)

    @property
    def way(self) -> str:
        """Name of the way by which objects came in this session, "" before the first one."""
        return self._chosen.name if self._chosen is not None and self._seen is not None else ""

    @property
    def seen(self) -> Habits:
        """What was seen of the archive in this session, while objects were fetched."""
        return Habits(way=self.way, several=self._ahead.takes_lists) if self.way else NOTHING_KNOWN

    @property
    def takes_several(self) -> bool:
        """Whether several studies may be asked for at once: not before one has come alone."""
        has_come = self._chosen is not None and self._chosen.takes_several and bool(self.way)
        return has_come and self._ahead.may_ask and not self.settings.max_studies_per_minute

    def fetch_ahead(self, wanted: Mapping[str, Sequence[ObjectAnswer]], folder: Path) -> None:
        """Fetch whole studies by one request; see ``retrieve.ahead``."""
        if self._chosen is not None:
            self.gate.begin_study()
            self._ahead.fetch(self._chosen, wanted, folder)

    def fetch(
        self,
        study_uid: str,
        wanted: Sequence[ObjectAnswer],
        whole_series: frozenset[str],
        folder: Path,
        attempts: int,
        spared: frozenset[str] = frozenset(),
    ) -> dict[str, Delivery]:
        """Fetch objects into a folder, and again one by one what did not come.

        Parameters
        ----------
        study_uid, wanted, whole_series, attempts, spared
            As in ``Order``.
        folder : Path
            Made where something comes now. File names are made here, never by the archive.

        Returns
        -------
        dict of str to Delivery
            By SOP Instance UID; every wanted object is in it. One that the archive has and, asked
            for alone, says it cannot send, and a spared one that does not come, carry a problem.
            What all came ahead lies where it came.

        Raises
        ------
        IncompleteStudyError
            If objects are still missing while the archive is well.
        ArchiveBusyError
            If the archive went away, or delivers nothing more of any study.
        ArchiveRefusedError
            If it delivers nothing of other studies either.
        """
        order = Order(study_uid, wanted, whole_series, attempts, spared)
        if not wanted:
            return {}
        self.gate.begin_study()
        if ahead := self._ahead.whole(order):
            self._seen = study_uid, wanted[0]
            return ahead
        folder.mkdir(mode=0o700, exist_ok=True)
        way = self._way_for(order, folder)
        try:
            delivered = self._fetch_by(way, order, folder)
        except ArchiveRefusedError:
            if not self._known_way:
                self.echo()  # raises where it is not refused but away
                raise
            self._known_way, self._chosen = "", None  # it was so once: find out anew
            delivered = self._fetch_by(self._way_for(order, folder), order, folder)
        came = [one for one in wanted if not delivered[one.sop_uid].problem]
        if came:
            self._seen = study_uid, came[0]
        return delivered

    def _fetch_by(self, way: Way, order: Order, folder: Path) -> dict[str, Delivery]:
        doubt = partial(self._check_others, way, order.study_uid, folder)
        there = self._ahead.of(order.study_uid)
        try:
            return fetch_study(way, order, folder, self.settings.uids_per_request, doubt, there)
        except IncompleteStudyError:
            self.echo()  # raises where the archive itself is gone
            raise

    def _way_for(self, order: Order, folder: Path) -> Way:
        if self._chosen is None:
            known = [way for way in self._ways if way.name == self._known_way and not way.lacks()]
            samples = self._samples(order.study_uid, (order.study_uid, order.wanted[0]))
            self._chosen = known[0] if known else choose(self._ways, samples, folder)
        return self._chosen

    def _check_others(self, way: Way, study_uid: str, folder: Path, problem: str) -> None:
        """Ask for an object of other studies, where nothing came of one.

        Raises
        ------
        ArchiveBusyError
            If one that came in this session does not come any more, or nothing comes now that
            may come later.
        ArchiveRefusedError
            If nothing comes of any other study.
        """
        if self._seen is not None:
            if tried(way, [self._seen], folder)[-1]:
                raise ArchiveBusyError(
                    f"the archive delivers nothing any more by {way.name}, not even what it"
                    f" delivered a while ago: {problem}",
                    way_out="try again; if it lasts, ask the PACS team for its log",
                )
            return
        samples = list(self._samples(study_uid))
        problems = tried(way, samples, folder) if samples else []
        if way.missed and (not samples or problems[-1]):
            raise comes_later(way)
        if samples and problems[-1]:
            told = f"nothing of {1 + len(problems)} studies came ({problem})"
            raise nothing_comes({way.name: told, **self._why_not_others(way)})

    def doubt_lists(self, problem: str) -> None:
        """Ask for the series of other studies, where the lists of one always break.

        Raises
        ------
        ArchiveBusyError
            If they break too.
        """
        others = list(islice(self._others(), 1 + _MOST_OTHERS))  # one of them may be the same
        n_broken = 0
        for uid in others:
            try:
                self.find_series(uid)
            except ArchiveBusyError:
                self.drop()
                n_broken += 1
        if n_broken > 1 and n_broken == len(others):
            raise ArchiveBusyError(
                f"the archive answers C-ECHO and lists nothing of other studies either: {problem}",
                way_out="try again; if it lasts, ask the PACS team for its log",
            )

    def _why_not_others(self, way: Way) -> dict[str, str]:
        others = [one for one in self._ways if one.name != way.name]
        return {one.name: why for one in others if (why := one.lacks())}

    def _samples(self, but: str, *first: Sample) -> Iterator[Sample]:
        """Objects of some studies that the archive has named, each of another one."""
        yield from first
        uids = (uid for uid in self._others() if uid != but)
        for uid in islice(uids, _MOST_OTHERS):
            try:
                one = self._an_object(uid)
            except StudyFaultError:
                continue
            if one is not None:
                yield uid, one

    def _an_object(self, study_uid: str) -> ObjectAnswer | None:
        for series in self.find_series(study_uid):
            if series.modality in ("NM", ""):
                return next(iter(self.find_objects(study_uid, series.series_uid)), None)
        return None


def echo(sites: Sites) -> None:
    """Verify the archive of a site (C-ECHO); raises what is wrong, with the way out."""
    with ArchiveSession(sites.archive, gate=gate_of(sites)) as session:
        session.echo()


@contextmanager
def session_of(sites: Sites, also: Sequence[UID] = ()) -> Iterator[AskedArchive]:
    """Open a session with a site's archive, or with all of them; nobody is called yet."""
    each = by_archive(sites)
    with ExitStack() as stack:
        sessions = {name: stack.enter_context(_session(one, also)) for name, one in each.items()}
        yield SeveralArchives(sessions, each) if len(each) > 1 else sessions["archive"]


@contextmanager
def _session(sites: Sites, also: Sequence[UID]) -> Iterator[ArchiveSession]:
    """Open a session with one archive; by which way objects came is remembered."""
    vault = Vault(sites.vault)

    def others() -> list[str]:
        return [one.study_uid for one in reversed(vault.everybody())]

    _warn_of_expiry(sites.archive)
    known, to = known_habits(sites), destination_of(sites)
    index = sites.vault.with_name("folder-index.sqlite")
    # While one connection is open, no other one that closes waits for a checkpoint of the vault.
    gate = gate_of(sites)
    gate.check()  # before a line of the audit log is written: a task that waits looks each minute
    asked = ArchiveSession(sites.archive, to, others, known, index, gate, also)
    with vault.opened(), asked as session:
        try:
            yield session
        finally:
            remember_habits(sites, session.seen)


def _warn_of_expiry(archive: ArchiveSettings) -> None:
    if not archive.tls:
        return
    client_context(archive)  # says what is wrong with the files, before they are read here
    if (left := days_left(archive)) < EXPIRY_DAYS:
        log.warning("our TLS certificate (archive.tls_certificate) is good for %d days", left)


@contextmanager
def archive_of(
    sites: Sites,
    lake: Lake,
    session: AskedArchive | None = None,
    also: Sequence[UID] = (),
) -> Iterator[AskedArchive]:
    """Use the caller's association, or one of our own that ends with the block.

    ``also``: SOP classes that are fetched over it beside those of every session.

    Raises
    ------
    SettingsError
        The vault or the staging folder lies inside the lake, which researchers read.
    """
    root = lake.root.resolve()
    for name, path in (("vault", sites.vault), ("staging", sites.staging)):
        if path.resolve().is_relative_to(root):
            raise SettingsError(
                f"the {name} ({path.name}) lies inside the lake",
                way_out="put it beside the lake: it holds identifiers",
            )
    with session_of(sites, also) if session is None else nullcontext(session) as archive:
        yield archive
