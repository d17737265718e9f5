"""What the vault remembers of objects as received: keyed digests, and corrections that wait.

A digest is an HMAC under the site's secret: it tells whether the same bytes came again, and nothing
to whoever lacks the secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

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


Answer = tuple[str, str]
"""Keyed digest of the archive's answer for a study, and input digest of the study's rows then."""


@dataclass(frozen=True)
class Settled:
    """A study that is on the lake: what was taken, and the answer that announced it.

    Parameters
    ----------
    answer : Answer or None
        None where it cannot tell that nothing changed: no counts, or objects that failed.
    """

    study_key: str
    taken: tuple[Received, ...]
    answer: Answer | None


_ANNOUNCED = "insert or replace into announced (study_key, mark, digest) values (?, ?, ?)"


def sha256_as_received(content: bytes) -> str:
    """SHA-256 of the data set of a file; its file meta information is ours."""
    head = content[_META_GROUP_LENGTH]
    start = 0
    if head[:8] == b"\x02\x00\x00\x00UL\x04\x00":
        start = 144 + int.from_bytes(head[8:], "little")
    return hashlib.sha256(memoryview(content)[start:]).hexdigest()


def _now(at: datetime | None = None) -> str:
    return (at or datetime.now(UTC)).isoformat(timespec="seconds")


class ReceivedLedger:
    """Digests of received objects in the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def mark_of(self, sha256: str) -> str:
        """Keyed digest of a data set of which the SHA-256 (``sha256_as_received``) is given."""
        return self._vault.received_mark(sha256)

    def of_study(self, study_key: str) -> dict[str, Received]:
        """Read what is known of a study's objects, by object key."""
        rows = self._rows("received", "object_key, study_key, mark, version, path", study_key)
        return {row[0]: Received(*row) for row in rows}

    def waiting(self, study_key: str) -> dict[str, Correction]:
        """Corrections of a study that wait for an answer, by object key."""
        rows = self._rows("correction", "object_key, study_key, mark, what", study_key)
        return {row[0]: Correction(*row) for row in rows}

    def remember(self, studies: Sequence[Settled]) -> None:
        """Store what was taken of studies, in one transaction: nothing of them waits any more."""
        moment = _now()
        with self._vault.writing() as db:
            for one in studies:
                db.execute("delete from correction where study_key = ?", (one.study_key,))
                db.executemany(
                    "insert or replace into received (object_key, study_key, mark, version, path)"
                    " values (:object_key, :study_key, :mark, :version, :path)",
                    [asdict(taken) for taken in one.taken],
                )
                db.execute("insert or replace into checked values (?, ?)", (one.study_key, moment))
                db.execute("delete from announced where study_key = ?", (one.study_key,))
                if one.answer is not None:
                    db.execute(_ANNOUNCED, (one.study_key, *one.answer))

    def wait(self, study_key: str, found: Iterable[Correction]) -> None:
        """Store what waits for an answer in the place of what waited before."""
        with self._vault.writing() as db:
            db.execute("delete from correction where study_key = ?", (study_key,))
            db.executemany(
                "insert into correction (object_key, study_key, mark, what)"
                " values (:object_key, :study_key, :mark, :what)",
                [asdict(one) for one in found],
            )

    def note_check(self, study_key: str, at: datetime | None = None) -> None:
        """Store when a study's objects were fetched and compared last."""
        with self._vault.opened() as db:
            db.execute("insert or replace into checked values (?, ?)", (study_key, _now(at)))

    def note_answer(self, study_key: str, answer: Answer) -> None:
        """Store what the archive answers for a study of which the lake holds everything."""
        with self._vault.opened() as db:
            db.execute(_ANNOUNCED, (study_key, *answer))

    def answer(self, study_key: str) -> Answer | None:
        """Give what the archive answered for a study when the lake held everything of it."""
        statement = "select mark, digest from announced where study_key = ?"
        with self._vault.opened() as db:
            row = db.execute(statement, (study_key,)).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    def checks(self) -> Mapping[str, str]:
        """When each study's objects were fetched and compared last."""
        with self._vault.opened() as db:
            return dict(db.execute("select study_key, checked_at from checked").fetchall())

    def _rows(self, table: str, columns: str, study_key: str) -> list[tuple[str, ...]]:
        statement = f"select {columns} from {table} where study_key = ? order by object_key"  # noqa: S608
        with self._vault.opened() as db:
            return db.execute(statement, (study_key,)).fetchall()
