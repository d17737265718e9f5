"""A purge from its plan to its proof, in phases that can each be killed and done again.

========== =====================================================================================
phase      what is true after it
========== =====================================================================================
tombstone  no later night takes the person in, the journal knows; temporary files are gone
rows       shared files and the manifest hold nothing of the person; tombstones stand in the flow
snapshot   quarantine entries are gone, the published snapshot shows nothing of the person, nor
           does the results database, where Airflow's connection or the settings name one
files      the studies' own files are gone
airflow    its database and logs hold nothing
search     every file outside the vault was read: nothing was found
vault      the identities are gone, the pages overwritten
proof      the vault's files were read too
========== =====================================================================================

The identities go last: until then the vault can tell what to look for, however often it is killed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mpss_lib.audit.doors import FOLDER, recording
from mpss_lib.batch import write_record
from mpss_lib.errors import MpssError, WritersAtWorkError, WrongArgumentError
from mpss_lib.locks import alone
from mpss_lib.maintenance.copies import Copy, copies_with, share_tombstones
from mpss_lib.publication.stage import export_results
from mpss_lib.pull.vault import Vault
from mpss_lib.pull.window import write_withdrawn
from mpss_lib.purge import erase, journal
from mpss_lib.purge.logs import clean_log, log_files
from mpss_lib.purge.search import Proof, readers_of_old_snapshots, search
from mpss_lib.purge.subject import Subject, subject_of
from mpss_lib.purge.traces import Matcher, identities
from mpss_lib.records import Unit
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake
from mpss_lib.warehouse.snapshot import publish

log = logging.getLogger(__name__)

PHASES = ("tombstone", "rows", "snapshot", "files", "airflow", "search", "vault", "proof")
NOT_OURS = frozenset({"backup", "hospital", "archive", FOLDER})
"""Folders of a home that a purge leaves: backups expire, a demo's hospital is not ours, and the
audit log stays as it was written. It has study keys and no identity; a search proves that."""

Progress = Callable[[str], None]


class SomethingLeftError(MpssError):
    """The search found traces: nothing was forgotten in the vault; ``proof`` says where."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(
            f"traces are left in {len(proof.left)} places, first: {proof.left[0].place}"
            f" ({', '.join(proof.left[0].kinds)})",
            way_out="remove or mend what is listed, then run the same purge again: the vault still"
            " knows what to look for",
        )
        self.proof = proof


@dataclass(frozen=True)
class Plan:
    """What would go."""

    subject: Subject
    found: erase.Found
    in_airflow: dict[str, list[str]]
    log_files: tuple[Path, ...]
    copies: tuple[Copy, ...]
    was_ended: bool


@dataclass
class Report:
    """What went, what is left, and who still holds it."""

    counts: dict[str, int] = field(default_factory=dict)
    proof: Proof = field(default_factory=Proof)
    vault_proof: Proof = field(default_factory=Proof)
    copies: tuple[Copy, ...] = ()
    readers: tuple[int, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left outside the backups."""
        return self.proof.is_clean and self.vault_proof.is_clean


def plan(request: str, home: Home) -> Plan:
    """Find what a purge of a study or a patient would take; changes nothing.

    Parameters
    ----------
    request : str
        Key of a study (``S...``) or a patient (``P...``).
    home : Home

    Raises
    ------
    WrongArgumentError
        No such key, or one that nobody here has or had.
    """
    vault = Vault(home.sites.vault)
    if request[:1] not in ("S", "P") or not request[1:].isalnum():
        raise WrongArgumentError(
            "a purge needs the key of a study (S...) or a patient (P...)",
            way_out="core.study lists the keys; or give original identifiers on standard input",
        )
    subject = subject_of(request, home.lake, vault)
    phase = journal.phase_of(vault, vault.tombstone(request))
    if not subject.studies and not phase:
        raise WrongArgumentError(
            "the vault knows nobody by this key",
            way_out="check the key or the identifiers (and the issuer of the patient id)",
        )
    matcher = Matcher(subject.traces)
    found = erase.look(home.lake, matcher)
    in_airflow, logs = _in_airflow(home, subject, matcher)
    keys = subject.study_keys
    copies = tuple(copies_with(home, request, keys))
    return Plan(subject, found, in_airflow, logs, copies, phase == journal.ENDED)


def _in_airflow(
    home: Home, subject: Subject, matcher: Matcher
) -> tuple[dict[str, list[str]], tuple[Path, ...]]:
    folders = _log_folders(home)
    logs = tuple(path for path in log_files(folders) if not search([path], matcher).is_clean)
    found = home.airflow.find(subject.plain) if home.airflow else {}
    return found, logs


def _log_folders(home: Home) -> list[Path]:
    folders = {home.root / "logs", home.root / "airflow" / "logs"}
    if home.airflow:
        folders.add(home.airflow.places().logs)
    return sorted({folder.resolve() for folder in folders})


def purge(
    request: str, home: Home, *, progress: Progress | None = None, is_at_rest: bool = False
) -> Report:
    """Take every trace of a study or a patient out of a home and prove it.

    Parameters
    ----------
    request : str
        See ``plan``.
    home : Home
    progress : callable, optional
        Called with the name of each phase (``PHASES``) as it begins.
    is_at_rest : bool
        Nothing runs in this home, whatever its Airflow's database says (a restored one); its
        snapshot is older than what the results database mirrors, which is left as it is.

    Returns
    -------
    Report

    Raises
    ------
    WritersAtWorkError
        A run of Airflow or another writer is at work.
    ResultsBusyError, ResultsRefusedError, ResultsSchemaError
        The results database could not be brought along: mend it, then purge again.
    SomethingLeftError
        The search found traces; the identities stay in the vault until a purge ends.
    """
    tell = progress or (lambda phase: None)
    if not is_at_rest:
        _refuse_while_working(home)
    keys = subject_of(request, home.lake, Vault(home.sites.vault)).study_keys
    audit = recording("purge", home.root, home.config, studies=keys, things=[request], begins=True)
    with audit as told, alone(home.lake.root, "a purge"):
        report = _purge(request, home, tell, has_results=not is_at_rest)
        told.details |= {name: str(count) for name, count in report.counts.items()}
        return report


def _refuse_while_working(home: Home) -> None:
    runs = home.airflow.working() if home.airflow else []
    if runs:
        raise WritersAtWorkError(
            f"{len(runs)} runs of Airflow are at work: {', '.join(sorted(set(runs)))}",
            way_out="wait for their end (or fail them in the grid), then run the purge again;"
            " runs that only wait for a physician do not matter",
        )


def _purge(request: str, home: Home, tell: Progress, *, has_results: bool) -> Report:
    vault = Vault(home.sites.vault)
    planned = plan(request, home)
    subject, mark = planned.subject, vault.tombstone(request)
    matcher = Matcher(subject.traces)
    report = Report(copies=planned.copies)

    def enter(phase: str) -> None:
        tell(phase)
        journal.reach(vault, mark, phase)

    tell("tombstone")
    journal.begin(vault, mark)
    vault.add_tombstones(subject.tombstones)
    share_tombstones(home.root, vault.tombstones())
    report.counts["temporary"] = erase.remove_rubbish(home.lake, home.sites)
    enter("rows")
    _set_tombstones(subject, home)
    report.counts |= _named("rows", erase.rewrite(planned.found, subject, home.lake, matcher))
    enter("snapshot")
    _drop_quarantine(subject, home.lake)
    report.counts |= _show_no_more(home, has_results=has_results)
    enter("files")
    report.counts |= _named("removed", erase.remove(erase.look(home.lake, matcher)))
    enter("airflow")
    report.counts |= _clean_airflow(home, subject, matcher)
    _prove_and_forget(subject, home, vault, report, enter)
    journal.reach(vault, mark, journal.ENDED)
    return report


def _prove_and_forget(
    subject: Subject, home: Home, vault: Vault, report: Report, enter: Progress
) -> None:
    """Search everything but the vault; only where nothing is left, forget who it was."""
    matcher = Matcher(subject.traces)
    enter("search")
    report.proof = _search_all(home, subject, matcher)
    report.readers = tuple(readers_of_old_snapshots(home.lake.root))
    if not report.proof.is_clean:
        raise SomethingLeftError(report.proof)
    enter("vault")
    report.counts["identities"] = len(subject.studies)
    journal.forget(vault, subject.study_keys)
    enter("proof")
    report.vault_proof = _search_vault(home, subject)
    if not report.vault_proof.is_clean:
        raise SomethingLeftError(report.vault_proof)


def _named(name: str, counts: dict[str, int]) -> dict[str, int]:
    return {f"{name}_{key}": value for key, value in counts.items()}


def _set_tombstones(subject: Subject, home: Home) -> None:
    """Let a tombstone stand in the flow for each study that the archive had named."""
    here = home.lake.current_paths("study", home.config.address("pull"))
    for key, mark in subject.tombstone_of.items():
        if key in here or mark not in here:
            set_now = write_withdrawn(mark, home.lake, home.config)
            unit = Unit.of(mark, [set_now.written], is_new=True)
            write_record("pull", [unit], home.lake, home.config, "purge")


def _drop_quarantine(subject: Subject, lake: Lake) -> None:
    for key in subject.study_keys:
        for path in (lake.root / "quarantine").glob(f"*/{key}.json"):
            path.unlink()


def _show_no_more(home: Home, *, has_results: bool) -> dict[str, int]:
    """Publish without the person; where the results database is away, the purge ends here.

    The same command goes on from here when it answers again.
    """
    if not home.lake.snapshot.is_file():
        return {}
    # The records were rewritten on purpose: what the old snapshot knows of them is not missed.
    publish(home.lake, home.config, run_name="purge", is_fresh=True)
    known = home.airflow.results_url() if home.airflow and has_results else ""
    sites = replace(home.sites, results_url=known or home.sites.results_url)
    if not sites.results_url or not has_results:
        return {}
    counts = export_results(home.lake, home.config, sites)
    return {f"results_{name}": counts[name] for name in ("removed", "removed_studies")}


def _clean_airflow(home: Home, subject: Subject, matcher: Matcher) -> dict[str, int]:
    counts = {"log_lines": sum(clean_log(path, matcher) for path in log_files(_log_folders(home)))}
    if home.airflow:
        counts["airflow_rows"] = sum(home.airflow.clean(subject.plain).values())
    return counts


def _search_all(home: Home, subject: Subject, matcher: Matcher) -> Proof:
    roots = [home.root]
    if home.airflow:
        places = home.airflow.places()
        outside = [places.home, places.logs, *([places.sqlite] if places.sqlite else [])]
        roots += [p for p in outside if not p.resolve().is_relative_to(home.root.resolve())]
    proof = search(roots, matcher, leave_out=partial(_leave_out, home))
    proof.join(search([home.root / FOLDER], Matcher(identities(subject.traces))))
    if home.airflow:
        for column, kinds in home.airflow.find(subject.plain).items():
            proof.add(f"Airflow's database: {column}", kinds, ())
    return proof


def _leave_out(home: Home, path: Path) -> bool:
    """Whether the search of everything but the vault passes a path by."""
    if path.parent == home.root and path.name in NOT_OURS:
        return True
    vault = home.sites.vault
    return path.parent == vault.parent and path.name.startswith(vault.name)


def _search_vault(home: Home, subject: Subject) -> Proof:
    vault = home.sites.vault
    files = sorted(vault.parent.glob(f"{vault.name}*"))
    return search(files, Matcher(subject.vault_traces))
