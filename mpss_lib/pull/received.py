"""What the vault remembers of objects as received: keyed digests, and corrections that wait.

A digest is an HMAC under the site's secret: it tells whether the same bytes came again, and nothing
to whoever lacks the secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.pull.vault import Vault

_META_GROUP_LENGTH = slice(132, 144)
"""Where a file has the element (0002,0000) with its length (PS3.10 section 7.1)."""


@dataclass(frozen=True)
class Received:
    """The bytes that the lake's object stands for.

    Parameters
    ----------
    mark : str
        Keyed digest of the data set as received.
    version : str
        "" for the bytes that came first; else the mark of those that took their place.
    path : str
        The de-identified object that they gave, below the lake.
    """

    object_key: str
    study_key: str
    mark: str
    version: str
    path: str


@dataclass(frozen=True)
class Correction:
    """Other bytes of an object that wait for an answer, and what differs in them."""

    object_key: str
    study_key: str
    mark: str
    what: str


class ReceivedLedger:
    """Digests of received objects in the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def mark_of(self, path: Path) -> str:
        """Keyed digest of the data set of a file; its file meta information is ours."""
        content = path.read_bytes()
        head = content[_META_GROUP_LENGTH]
        start = 0
        if head[:8] == b"\x02\x00\x00\x00UL\x04\x00":
            start = 144 + int.from_bytes(head[8:], "little")
        return self._vault.received_mark(hashlib.sha256(content[start:]).hexdigest())

    def of_study(self, study_key: str) -> dict[str, Received]:
        """Read what is known of a study's objects, by object key."""
        rows = self._rows("received", "object_key, study_key, mark, version, path", study_key)
        return {row[0]: Received(*row) for row in rows}

    def waiting(self, study_key: str) -> dict[str, Correction]:
        """Corrections of a study that wait for an answer, by object key."""
        rows = self._rows("correction", "object_key, study_key, mark, what", study_key)
        return {row[0]: Correction(*row) for row in rows}

    def remember(self, study_key: str, taken: Iterable[Received]) -> None:
        """Store what was taken of a study: nothing of it waits any more."""
        self._settle(
            study_key,
            "insert or replace into received (object_key, study_key, mark, version, path)"
            " values (:object_key, :study_key, :mark, :version, :path)",
            [asdict(one) for one in taken],
        )

    def wait(self, study_key: str, found: Iterable[Correction]) -> None:
        """Store what waits for an answer in the place of what waited before."""
        self._settle(
            study_key,
            "insert into correction (object_key, study_key, mark, what)"
            " values (:object_key, :study_key, :mark, :what)",
            [asdict(one) for one in found],
        )

    def _settle(self, study_key: str, statement: str, rows: list[dict[str, str]]) -> None:
        """End what waited of a study and store rows, in one transaction."""
        with self._vault.opened() as db:
            db.execute("begin immediate")
            db.execute("delete from correction where study_key = ?", (study_key,))
            db.executemany(statement, rows)
            db.execute("commit")

    def note_check(self, study_key: str, at: datetime | None = None) -> None:
        """Store when a study's objects were fetched and compared last."""
        moment = (at or datetime.now(UTC)).isoformat(timespec="seconds")
        with self._vault.opened() as db:
            db.execute("insert or replace into checked values (?, ?)", (study_key, moment))

    def checks(self) -> Mapping[str, str]:
        """When each study's objects were fetched and compared last."""
        with self._vault.opened() as db:
            return dict(db.execute("select study_key, checked_at from checked").fetchall())

    def _rows(self, table: str, columns: str, study_key: str) -> list[tuple[str, ...]]:
        statement = f"select {columns} from {table} where study_key = ? order by object_key"  # noqa: S608
        with self._vault.opened() as db:
            return db.execute(statement, (study_key,)).fetchall()
