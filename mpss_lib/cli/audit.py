"""The audit log: listed, verified, sent; and the vault's entries, which nobody reads without it."""

from __future__ import annotations

from typing import Annotated

import typer

from mpss_lib.audit.doors import chain_of, record, recording
from mpss_lib.audit.listing import Wanted, as_row, newest
from mpss_lib.audit.message import Event
from mpss_lib.audit.vocabulary import SUCCESS
from mpss_lib.cli.application import AsJson, app, audit_app, errors, show_json, show_table
from mpss_lib.errors import WrongArgumentError
from mpss_lib.runtime.home import Home


@audit_app.command("ls")
def audit_ls(
    kind: Annotated[str | None, typer.Option(help="Only pull, review, purge, ...")] = None,
    study: Annotated[str | None, typer.Option(help="Only what was about this study key.")] = None,
    last: Annotated[int, typer.Option(min=1, help="So many of the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List who did what, newest last; that it was listed is written too."""
    home = Home.open()
    wanted = Wanted(kind or "", study or "")
    found = newest(chain_of(home.root, home.config).folder, wanted, last)
    record(Event("audit_read", SUCCESS, [study] if study else []), home.root, home.config)
    if as_json:
        show_json([one.message | {"seq": one.seq, "hash": one.hash} for one in found])
    else:
        rows = [as_row(one) for one in found]
        columns = ("seq", "when", "who", "what", "outcome", "about")
        show_table(columns, [row.values() for row in rows], title="Audit log", numbers={"seq"})


@audit_app.command("verify")
def audit_verify() -> None:
    """Read the whole log: finds a line that was edited, deleted, put elsewhere, or cut off.

    Exit status 1: it is not as it was written.
    """
    from mpss_lib.audit.syslog import sent_of
    from mpss_lib.audit.verify import verify

    home = Home.open()
    chain = chain_of(home.root, home.config)
    verdict = verify(chain)
    for fault in verdict.faults:
        errors.print(fault, soft_wrap=True, highlight=False, markup=False)
    told = f"{verdict.n_lines} lines in {verdict.n_files} files, {len(verdict.faults)} faults"
    told += f"; {verdict.n_mended} torn lines set aside" if verdict.n_mended else ""
    told += f"; {verdict.torn} bytes of an unfinished line at the end" if verdict.torn else ""
    typer.echo(told)
    typer.echo(f"the last line is {verdict.head.seq}, hash {verdict.head.hash}")
    if home.config.audit.syslog_host:
        sent = sent_of(chain.folder)
        why = f" ({sent.problem})" if sent.problem else ""
        typer.echo(f"syslog: {verdict.head.seq - sent.seq} lines wait{why}")
    raise typer.Exit(1 if verdict.faults else 0)


@audit_app.command("send")
def audit_send() -> None:
    """Give the syslog receiver every line that waits. Exit status 1: it takes none."""
    from mpss_lib.audit.syslog import send

    home = Home.open()
    if not home.config.audit.syslog_host:
        raise WrongArgumentError(
            "no syslog receiver is set", way_out="name one in the settings: audit.syslog_host"
        )
    left = send(chain_of(home.root, home.config), home.config.audit)
    typer.echo(f"{left} lines wait")
    raise typer.Exit(1 if left else 0)


@app.command("who")
def who(keys: Annotated[list[str], typer.Argument(help="Study keys.")]) -> None:
    """Say whose studies these are, from the vault; that you asked is in the audit log."""
    from mpss_lib.pull.vault import Vault

    home = Home.open()
    with recording("lookup", home.root, home.config, studies=keys):
        known = Vault(home.sites.vault).known(keys)
        if missing := [key for key in keys if key not in known]:
            raise WrongArgumentError(
                f"the vault does not know {missing[0]!r}", way_out="core.study lists the keys"
            )
    names = (
        *("study_key", "patient_id", "patient_name", "birth_date"),
        *("accession_number", "study_date", "study_uid"),
    )
    for key in keys:
        for name in names:
            typer.echo(f"{name:17}{getattr(known[key], name)}")
