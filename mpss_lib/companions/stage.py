"""Stage companions: CTs and reports of a study's patient, from the archive to the lake.

It asks the archive for the patient's studies, and touches the vault: it runs where pull does. What
it fetches lies beside the study's own objects, goes with them, and is named by table ``companion``.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mpss_lib.batch import Work, audited
from mpss_lib.companions.choosing import Chosen, choose
from mpss_lib.companions.fetching import NOT_OFFERED, arrived, fetch
from mpss_lib.companions.kinds import REPORT
from mpss_lib.companions.search import SR, Listed, list_beside
from mpss_lib.companions.taking import CompanionTaker, LeftError
from mpss_lib.config import Config, Sites
from mpss_lib.dicom.faults import FAULTS
from mpss_lib.errors import StudyWithdrawnError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.archive.companion_classes import COMPANION_CLASSES, REPORT_CLASSES
from mpss_lib.pull.archive.session import archive_of
from mpss_lib.pull.vault import Identity, Vault
from mpss_lib.tables import Lake, Outcome, digest_of
from mpss_lib.whole_files import write_bytes

log = logging.getLogger(__name__)

STAGE = "companions"


def run(
    study_key: str,
    lake: Lake,
    config: Config,
    sites: Sites,
    *,
    force: bool = False,
    session: AskedArchive | None = None,
) -> Outcome:
    """Bring the companions of one study to the lake.

    Writes ``companion``: a row for each report and each series of CT that was looked at, whether it
    is kept or why not; none where the patient has none.

    Parameters
    ----------
    study_key : str
    lake, config, sites : Lake, Config, Sites
    force : bool
        Fetch again although what is announced is there.
    session : AskedArchive, optional
        An association that a batch uses for all its studies; one is opened otherwise.

    Returns
    -------
    Outcome
        ``done`` or ``skipped``, and the files.

    Raises
    ------
    StudyWithdrawnError, StudyFaultError
        The study is broken; the others can go on. An object that is has a row that says so.
    ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, PlatformFaultError
        The archive or this machine is.
    """
    if session is None:
        with (
            opened(lake, config, sites, force, [study_key]) as work,
            audited(STAGE, [study_key], config, sites),
        ):
            return work(study_key)
    with Vault(sites.vault).kept() as vault:
        return _StudyWork(study_key, session, lake, config, sites, vault).do(force=force)


@contextmanager
def opened(
    lake: Lake, config: Config, sites: Sites, force: bool = False, keys: Sequence[str] = ()
) -> Iterator[Work]:
    """Open one association for all studies of a batch."""
    sites.staging.mkdir(parents=True, exist_ok=True, mode=0o700)
    with archive_of(sites, lake, also=COMPANION_CLASSES) as archive:
        yield partial(run, lake=lake, config=config, sites=sites, force=force, session=archive)


@dataclass
class _Made:
    """Rows and files of one study, before anything is on the lake."""

    rows: list[dict[str, Any]]
    files: dict[Path, Path]
    sop_uids: dict[str, str]


class _StudyWork:
    """One study on its way."""

    def __init__(
        self,
        study_key: str,
        archive: AskedArchive,
        lake: Lake,
        config: Config,
        sites: Sites,
        vault: Vault,
    ) -> None:
        self._key, self._archive, self._lake, self._config = study_key, archive, lake, config
        self._vault, self._sites = vault, sites
        self._identity = self._known()
        self._taker = CompanionTaker(self._identity, config, vault)
        self._made = _Made([], {}, {})

    def _known(self) -> Identity:
        if self._vault.withdrawn([self._key]):
            raise StudyWithdrawnError
        identity = self._vault.identity(self._key)
        if self._vault.withdrawn([identity.patient_key]):
            raise StudyWithdrawnError
        return identity

    def do(self, *, force: bool) -> Outcome:
        """Fetch what is announced and is not there."""
        address = self._config.address(STAGE)
        listed = list_beside(self._archive, self._identity, self._config)
        digest = self._digest(listed)
        there = self._lake.existing(STAGE, address, self._key, digest)
        if there and not force and self._are_files_there():
            return Outcome("skipped", there)
        folder = self._sites.staging / f"{self._key}.{secrets.token_hex(4)}.beside"
        folder.mkdir(mode=0o700)
        try:
            self._take(listed, folder)
            self._vault.remember_objects({self._key: self._made.sop_uids})
            for target, made in self._made.files.items():
                write_bytes(target, made.read_bytes())
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # maintenance removes what stays
        rows = sorted(self._made.rows, key=lambda row: str(row["source_key"]))
        faults = [f"{r['source_key']} {r['reason']}" for r in rows if r["reason"] in FAULTS]
        digest = digest_of([digest, *faults]) if faults else digest
        written = self._lake.write("companion", address, self._key, digest, rows)
        return Outcome("done", (written,))

    def _digest(self, listed: Sequence[Listed]) -> str:
        wanted = self._config.companions
        asked = [wanted.calcium_reports, wanted.calcium_ct, wanted.attenuation_ct]
        parts = [*map(str, asked), self._identity.patient_key, self._identity.study_date]
        return digest_of([*parts, *(part for one in listed for part in one.announced(self._vault))])

    def _are_files_there(self) -> bool:
        rows = self._lake.rows("companion", self._config.address(STAGE), self._key)
        return all((self._lake.root / path).is_file() for row in rows for path in row["paths"])

    def _take(self, listed: Sequence[Listed], folder: Path) -> None:
        for number, one in enumerate(each for each in listed if each.series.modality == SR):
            self._take_reports(one, folder / f"report{number}")
        scans = [each for each in listed if each.series.modality != SR]
        for chosen in choose(scans, self._archive, self._taker, self._config, folder):
            self._take_scan(chosen, folder)

    def _take_reports(self, one: Listed, folder: Path) -> None:
        wanted = [x for x in one.objects if x.sop_class in ("", *REPORT_CLASSES)]
        classes = {x.sop_class for x in wanted} - {""}
        refused = {uid for uid in classes if not self._archive.offers(uid)}
        asked = [x for x in wanted if x.sop_class not in refused]
        delivered = fetch(self._archive, one, asked, folder, self._config)
        for answer in wanted:
            key = self._vault.uid(answer.sop_uid)
            row = self._row(one, key, REPORT) | {"n_objects": 1}
            try:
                if answer.sop_class in refused:
                    raise LeftError(NOT_OFFERED)
                made = self._taker.report(arrived(delivered[answer.sop_uid]), answer, one)
                row |= self._keep(key, [(answer, made.content)], folder)
                row["notes"] = list(made.notes)
            except LeftError as error:
                row |= {"reason": error.reason, "detail": error.problem}
            self._made.rows.append(row)

    def _take_scan(self, chosen: Chosen, folder: Path) -> None:
        one = chosen.listed
        key = self._vault.uid(one.series.series_uid)
        row = self._row(one, key, chosen.kind) | {"n_objects": len(one.objects)}
        row["reason"], row["detail"] = chosen.reason, chosen.detail
        if not chosen.reason:
            inside = folder / f"scan{len(self._made.rows)}"
            try:
                delivered = fetch(self._archive, one, one.objects, inside, self._config)
                made = [
                    (x, self._taker.slice_bytes(arrived(delivered[x.sop_uid]), x, one))
                    for x in one.objects
                ]
                row |= self._keep(key, made, inside)
            except LeftError as error:
                row |= {"reason": error.reason, "detail": error.problem}
        self._made.rows.append(row)

    def _row(self, one: Listed, source_key: str, kind: str) -> dict[str, Any]:
        return {
            "study_key": self._key,
            "source_key": source_key,
            "kind": kind,
            "series_key": self._vault.uid(one.series.series_uid),
            "is_stored": False,
            "reason": "",
            "detail": "",
            "days": one.days,
            "n_objects": 0,
            "n_bytes": 0,
            "paths": [],
            "content_sha256": "",
            "notes": [],
        }

    def _keep(
        self, source_key: str, made: Sequence[tuple[ObjectAnswer, bytes]], folder: Path
    ) -> dict[str, Any]:
        """Lay de-identified objects ready; their place on the lake has their content's digest."""
        place = self._lake.dicom_folder(self._key) / "companions"
        paths = []
        for answer, content in made:
            key = self._vault.uid(answer.sop_uid)
            target = place / f"{key}.{digest_of([content])}.dcm"
            ready = folder / f"{key}.made"
            ready.write_bytes(content)
            self._made.sop_uids[key] = answer.sop_uid
            if not target.exists():
                self._made.files[target] = ready
            paths.append(self._lake.relative(target))
        contents = [content for _, content in made]
        return {
            "is_stored": True,
            "paths": sorted(paths),
            "n_bytes": sum(map(len, contents)),
            "content_sha256": digest_of(sorted(contents)),
        }
