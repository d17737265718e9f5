"""How far a purge came: rows of the vault under the tombstone of the request, never its key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from mpss_lib.pull.vault import Vault

BEGUN, ENDED = "begun", "ended"


def begin(vault: Vault, mark: str) -> None:
    """Write down that a purge has begun; one that had ended begins again."""
    with vault.opened() as db:
        db.execute(
            "insert into withdrawal (mark, phase, begun_at, ended_at) values (?, ?, ?, '')"
            " on conflict (mark) do update set phase = excluded.phase, ended_at = ''",
            (mark, BEGUN, _now()),
        )


def reach(vault: Vault, mark: str, phase: str) -> None:
    """Write down the phase that a purge has reached."""
    ended = _now() if phase == ENDED else ""
    with vault.opened() as db:
        db.execute(
            "update withdrawal set phase = ?, ended_at = ? where mark = ?", (phase, ended, mark)
        )


def phase_of(vault: Vault, mark: str) -> str:
    """Phase that the purge of a request has reached; "" where there was none."""
    with vault.opened() as db:
        row = db.execute("select phase from withdrawal where mark = ?", (mark,)).fetchone()
    return "" if row is None else str(row[0])


def unfinished(vault: Vault) -> list[Mapping[str, str]]:
    """Purges that were interrupted, the oldest first: mark, phase, begun_at."""
    names = ("mark", "phase", "begun_at")
    with vault.opened() as db:
        rows = db.execute(
            "select mark, phase, begun_at from withdrawal where phase != ? order by begun_at",
            (ENDED,),
        ).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def forget(vault: Vault, study_keys: Sequence[str]) -> int:
    """Delete the identities and objects of studies; the pages are overwritten.

    Returns
    -------
    int
        Rows deleted.
    """
    marks = ", ".join("?" * len(study_keys))
    with vault.writing() as db:
        n_rows = sum(
            db.execute(f"delete from {table} where study_key in ({marks})", study_keys).rowcount  # noqa: S608
            for table in ("object", "received", "correction", "checked", "announced", "identity")
        )
    with vault.opened() as db:
        db.execute("vacuum")
        db.execute("pragma wal_checkpoint(truncate)")
    return n_rows


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
