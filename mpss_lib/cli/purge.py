"""Purge of a study or a patient."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mpss_lib.audit.doors import recording
from mpss_lib.cli.application import AsJson, app, console, errors, show_json, show_table
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.home import Home

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mpss_lib.maintenance.copies import Copy
    from mpss_lib.purge.phases import Plan, Report
    from mpss_lib.purge.search import Hit


@app.command()
def purge(
    key: Annotated[
        str | None,
        typer.Argument(
            help="Key of a study (S...) or a patient (P...); without it, original identifiers are"
            " asked for, or read from standard input as lines NAME=VALUE (StudyInstanceUID,"
            " PatientID, IssuerOfPatientID, AccessionNumber)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take every trace of a study or a patient out of this home, and prove it.

    Exit status 0: nothing was found afterwards (backups are listed with their expiry); 1:
    something is left, or a writer is at work. An interrupted purge is brought to its end by the
    same command.
    """
    from mpss_lib.pull.vault import Vault
    from mpss_lib.purge.phases import plan
    from mpss_lib.purge.subject import key_of

    home = Home.open()
    if key is None:
        with recording("lookup", home.root, home.config) as told:
            key = key_of(_asked(), Vault(home.sites.vault), home.config)
            told.things = [key]
    planned = plan(key, home)
    found = _listed(planned, home)
    if not as_json:
        _show_plan(planned, found["goes"])
    if not dry_run:
        if not yes:
            _confirm(planned)
        report = _taken_out(key, home, as_json)
        found |= _done(report)
        if not as_json:
            show_report(report)
    if as_json:
        show_json(found)


# --------------------------------------------------------------------------- pieces


def _asked() -> dict[str, str]:
    """Original identifiers: asked for at a terminal, else lines of standard input."""
    from mpss_lib.purge.subject import ASKED

    if sys.stdin.isatty():
        return {name: typer.prompt(name, default="", show_default=False) for name in ASKED}
    lines = [line.partition("=") for line in sys.stdin.read().splitlines() if line.strip()]
    return {name.strip(): value.strip() for name, _, value in lines}


def _confirm(planned: Plan) -> None:
    if not sys.stdin.isatty():
        raise WrongArgumentError(
            "nobody is there to confirm the purge", way_out="look at --dry-run, then add --yes"
        )
    n_studies = len(planned.subject.study_keys)
    what = "patient" if planned.subject.is_patient else "study"
    typer.confirm(f"Remove this {what} ({n_studies} studies) for ever?", abort=True)


def _taken_out(key: str, home: Home, is_quiet: bool) -> Report:
    from mpss_lib.purge.phases import SomethingLeftError
    from mpss_lib.purge.phases import purge as take_out

    shown = errors if is_quiet else console
    try:
        return take_out(key, home, progress=lambda phase: shown.print(f"  {phase}"))
    except SomethingLeftError as error:
        if not is_quiet:
            _show_hits("left", error.proof.left)
        raise


def _listed(planned: Plan, home: Home) -> dict[str, Any]:
    """Give what would go, as ``--json`` says it."""
    goes = [
        *(("study", study) for study in planned.subject.study_keys),
        *(("goes", home.lake.relative(path)) for path in planned.found.whole),
        *(("rewritten", home.lake.relative(path)) for path in planned.found.shared),
        *(("Airflow's database", column) for column in planned.in_airflow),
        *(("lines of a log", path.name) for path in planned.log_files),
    ]
    return {
        "request": planned.subject.request,
        "was_ended": planned.was_ended,
        "goes": [{"what": what, "where": str(where)} for what, where in goes],
        "backups": [asdict(copy) for copy in planned.copies],
    }


def _done(report: Report) -> dict[str, Any]:
    proofs = (report.proof, report.vault_proof)
    return {
        "went": report.counts,
        "n_files_searched": sum(proof.n_files for proof in proofs),
        "possible": [asdict(hit) for hit in report.proof.possible],
        "readers": list(report.readers),
        "backups": [asdict(copy) for copy in report.copies],
    }


def _show_plan(planned: Plan, goes: Sequence[Mapping[str, str]]) -> None:
    rows = (row.values() for row in goes)
    show_table(("what", "where"), rows, title=f"Purge of {planned.subject.request}")
    if planned.was_ended:
        console.print("It was purged before; what the key alone can find is looked for again.")
    show_copies("Backups that hold it (they expire, a purge does not change them)", planned.copies)


def show_report(report: Report) -> None:
    """Print what a purge did."""
    console.print(f"went: {report.counts}", soft_wrap=True, highlight=False)
    read = report.proof.n_files + report.vault_proof.n_files
    console.print(
        f"searched {read} files ({report.proof.n_bytes / 1e6:.1f} MB), Airflow's database and the"
        " vault: nothing found",
        soft_wrap=True,
    )
    _show_hits("possible (a short number or a single word; look yourself)", report.proof.possible)
    for pid in report.readers:
        console.print(f"process {pid} still reads the snapshot of before; it ends with it")
    show_copies("Backups that still hold it", report.copies)


def _show_hits(title: str, hits: Sequence[Hit]) -> None:
    if hits:
        rows = ((hit.place, ", ".join(hit.kinds)) for hit in hits)
        show_table(("place", "kinds"), rows, title=title)


def show_copies(title: str, copies: Sequence[Copy]) -> None:
    """Print a table of backups, if there are any."""
    rows = []
    for copy in copies:
        expires = f"{copy.expires_at:%Y-%m-%d}" if copy.expires_at else "never"
        made = f"{copy.made_at:%Y-%m-%d %H:%M}"
        told = (made, expires) if copy.is_readable else ("cannot be read", "unknown")
        rows.append((copy.path, *told))
    if rows:
        show_table(("path", "made at", "expires at"), rows, title=title)
