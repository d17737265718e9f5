"""One study from its key to its objects in the staging folder, or to the reason why nothing comes.

A study that the archive announces as it did when the lake got everything of it is not asked for
deeper: its answer of level STUDY (persons, dates, texts, modalities and both counts) has the keyed
digest that the vault kept. An object that was exchanged for another one under the same counts is
found where studies are fetched again and compared (``upstream.recheck``).
"""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mpss_lib.config import Config, Sites
from mpss_lib.errors import StudyFaultError, StudyGoneError, StudyWithdrawnError
from mpss_lib.pull.archive.answers import StudyAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.contents import Contents
from mpss_lib.pull.archive.fetching import StudyFetch, announcement, deliver
from mpss_lib.pull.manifest import announced_by, modalities_asked
from mpss_lib.pull.objects import STAGE, StudyJob, whole_on_lake
from mpss_lib.pull.person import check_rows, named_in
from mpss_lib.pull.received import Answer, ReceivedLedger
from mpss_lib.pull.retrieve.delivery import Delivery
from mpss_lib.pull.taking import MADE, TakenStudy, TakingOrder, made_of
from mpss_lib.pull.upstream.gone import keep_gone
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Outcome
from mpss_lib.upstream import FETCHED_AGAIN, settle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """A study whose objects lie in the staging folder.

    Parameters
    ----------
    job : StudyJob
    fetch : StudyFetch
    delivered : mapping of SOP Instance UID to Delivery
    order : TakingOrder
    folder : Path
        Of this study alone; not there where all of them came ahead, beside those of others.
    n_bytes : int
        Of the objects.
    """

    job: StudyJob
    fetch: StudyFetch
    delivered: Mapping[str, Delivery]
    order: TakingOrder
    folder: Path
    n_bytes: int

    @property
    def study_key(self) -> str:
        """Key of the study."""
        return self.job.identity.study_key

    def clean(self) -> None:
        """Remove the objects from the staging folder."""
        for one in self.delivered.values():
            for path in (one.path, made_of(one.path)):
                with suppress(OSError):  # maintenance removes what stays
                    path.unlink(missing_ok=True)
        if self.folder.exists():
            _remove(self.folder)


class Fetcher:
    """Fetches the studies of a batch, one after the other.

    Parameters
    ----------
    archive : AskedArchive
    lake, config, sites, vault
    force : bool
        Fetch and compare again even if everything announced is there.
    accepts : bool
        Fetch again and take the corrections that wait (``mpss accept``).
    """

    def __init__(
        self,
        archive: AskedArchive,
        lake: Lake,
        config: Config,
        sites: Sites,
        vault: Vault,
        *,
        force: bool = False,
        accepts: bool = False,
    ) -> None:
        self._archive, self._lake, self._config = archive, lake, config
        self._sites, self._vault = sites, vault
        self._ledger = ReceivedLedger(vault)
        self._force, self._accepts = force, accepts
        self._rows: Mapping[str, StudyAnswer] = {}
        self._new: Mapping[str, Identity] = {}
        self._listed: dict[str, Contents] = {}
        self._ahead: list[Path] = []
        self._newest: Path | None = None
        self._claimed: set[Path] = set()

    def close(self) -> None:
        """Remove the folders of what came ahead."""
        for folder in self._ahead:
            _remove(folder)
        self._ahead, self._newest, self._listed = [], None, {}

    def _clear_ahead(self) -> None:
        """Remove what came ahead and was not taken when the turn of its study came."""
        self._listed = {}
        for path in self._newest.iterdir() if self._newest is not None else ():
            if path.suffix != MADE and path not in self._claimed:
                path.unlink(missing_ok=True)
        self._newest, self._claimed = None, set()

    def foresee(self, study_keys: Sequence[str]) -> None:
        """Ask for the rows of several studies at once; what does not come is asked for alone."""
        known = self._vault.known(study_keys)
        gone = self._vault.withdrawn(known)
        left = {key: known[key] for key in study_keys if key in known and key not in gone}
        self._rows = self._archive.find_listed([one.study_uid for one in left.values()])
        is_again = self._force or self._accepts
        there = self._lake.current_paths("instance", self._config.address(STAGE), left)
        self._new = {key: one for key, one in left.items() if is_again or key not in there}

    def look_ahead(self, study_keys: Sequence[str]) -> int:
        """Fetch the next studies by one request, where the archive takes it and they are new.

        Returns
        -------
        int
            For how many of the keys that was done, at least 1; what did not come of them, and what
            is not new, is asked for when its turn comes.
        """
        self._clear_ahead()
        if not self._archive.takes_several:
            return 1
        rows: list[StudyAnswer] = []
        n_objects = n_keys = 0
        for key in study_keys:
            row = self._row_ahead(key)
            n_objects += (row.n_objects or 0) if row is not None else 0
            if n_objects > self._sites.archive.uids_per_request and rows:
                break
            n_keys += 1
            rows += [row] if row is not None else []
        if len(rows) > 1:
            self._fetch_ahead(rows)
        return n_keys

    def _row_ahead(self, study_key: str) -> StudyAnswer | None:
        """Give the archive's answer for a study of which nothing speaks against its fetch."""
        before = self._new.get(study_key)
        row = None if before is None else self._rows.get(before.study_uid)
        if before is None or row is None or not row.n_objects:
            return None
        try:
            check_rows(row)
            StudyFetch(row, before, self._vault, self._config)
        except (StudyFaultError, StudyWithdrawnError):
            return None  # said when its turn comes
        return row

    def _fetch_ahead(self, rows: Sequence[StudyAnswer]) -> None:
        settings = self._config.pull
        asked = modalities_asked(settings.modality, contours=settings.contours)
        self._listed = self._archive.find_contents(rows, asked)
        wanted = {}
        for uid, listed in self._listed.items():
            manifest = announced_by(
                self._archive, uid, settings.modality, contours=settings.contours, listed=listed
            )
            if manifest.is_whole and manifest.objects:
                wanted[uid] = manifest.wanted
        if len(wanted) > 1:
            self._newest = Path(tempfile.mkdtemp(dir=self._sites.staging, prefix="S.ahead."))
            self._ahead.append(self._newest)
            self._archive.fetch_ahead(wanted, self._newest)

    def fetch(self, study_key: str) -> Outcome | Fetched:
        """Bring one study to the staging folder.

        Returns
        -------
        Outcome or Fetched
            ``skipped`` if what is announced is all on the lake already (nothing was fetched).

        Raises
        ------
        DicomFileError, IncompleteStudyError, SameUidOtherBytesError
            The study is broken; the others can go on.
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, PlatformFaultError
            The archive or this machine is.
        """
        if self._vault.withdrawn([study_key]):
            raise StudyWithdrawnError
        before = self._vault.identity(study_key)
        row = self._rows.get(before.study_uid) or self._archive.find_study(before.study_uid)
        if row is not None and (there := self._unchanged(row, before)):
            return there
        try:
            listed = self._listed.pop(before.study_uid, None)
            announced, manifest = announcement(
                self._archive, before.study_uid, self._config, row, listed
            )
        except StudyGoneError as error:
            return keep_gone(error, before, self._archive, self._lake, self._config, self._vault)
        fetch = StudyFetch(announced, before, self._vault, self._config)
        job = StudyJob(
            fetch.identity,
            manifest,
            self._lake,
            self._config,
            self._vault,
            accepts=self._accepts,
        )
        there = Outcome("skipped", () if self._must_come(fetch) else job.existing())
        if there.written and not self._force:
            settle(self._lake, [study_key], FETCHED_AGAIN)
            self._note_answer(announced, job)
            return there
        return self._delivered(fetch, job, before, there)

    def settled(self, one: Fetched, taken: TakenStudy) -> Fetched:
        """Decide whose study it is, by what its objects name; another one where it is another's.

        Raises
        ------
        TwoPatientsError, UnreadableValueError, StudyWithdrawnError
        """
        named = taken.named
        if named is None:
            named = tuple(named_in(x.path for x in one.delivered.values() if not x.problem))
        identity = one.fetch.settled(named)
        if identity == one.job.identity:
            return one
        job = one.job.of(identity)
        return replace(one, job=job, order=job.order(one.delivered))

    def answer_of(self, announced: StudyAnswer, job: StudyJob) -> Answer | None:
        """Give what the vault keeps of an answer; None where it could not tell a change."""
        is_counted = self._config.pull.counts == "agree"
        if not is_counted or job.has_faults or None in (announced.n_series, announced.n_objects):
            return None
        return self._vault.answer_mark(repr(announced)), job.digest

    def _must_come(self, fetch: StudyFetch) -> bool:
        return self._accepts or fetch.is_of_another

    def _unchanged(self, row: StudyAnswer, before: Identity) -> Outcome | None:
        """Skip a study that the archive announces as it did when the lake got all of it."""
        known = self._ledger.answer(before.study_key)
        if self._force or self._accepts or known is None:
            return None
        mark, digest = known
        if self._config.pull.counts != "agree" or mark != self._vault.answer_mark(repr(row)):
            return None
        check_rows(row)
        if StudyFetch(row, before, self._vault, self._config).is_of_another:
            return None
        there = whole_on_lake(self._lake, self._config, before.study_key, digest)
        if not there:
            return None
        settle(self._lake, [before.study_key], FETCHED_AGAIN)
        return Outcome("skipped", there)

    def _note_answer(self, announced: StudyAnswer, job: StudyJob) -> None:
        answer = self.answer_of(announced, job)
        if answer is not None:
            self._ledger.note_answer(job.identity.study_key, answer)

    def _delivered(
        self, fetch: StudyFetch, job: StudyJob, before: Identity, there: Outcome
    ) -> Outcome | Fetched:
        key = before.study_key
        folder = self._sites.staging / f"{key}.{secrets.token_hex(4)}"
        try:
            is_there = bool(there.written)
            delivered = deliver(self._archive, before.study_uid, job, folder, is_there=is_there)
            if is_there and job.lacks(delivered):
                log.warning("%s: not compared: objects that the lake holds did not come again", key)
                self._ledger.note_check(key)  # only the comparison could not be made
                _remove(folder)
                return there
            order = job.order(delivered)
            came = [one.path for one in delivered.values() if not one.problem]
            self._claimed.update(came)
            n_bytes = sum(path.stat().st_size for path in came)
            return Fetched(job, fetch, delivered, order, folder, n_bytes)
        except BaseException:
            _remove(folder)
            raise


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # maintenance removes what stays
