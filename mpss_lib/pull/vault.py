"""The vault: the site's secret, the pseudonyms that it makes and the identities behind them.

It lies beside the lake, never in it, and only its owner may read it. A pseudonym is an HMAC-SHA256
under the site's secret, so that it is the same on every night and cannot be made by anyone who
lacks the secret. The secret lies in a file of its own (``<vault>.key``): whoever has the database
alone cannot make pseudonyms of guessed identifiers.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import sqlite3
import stat
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from mpss_lib.errors import PlatformFaultError, StudyFaultError
from mpss_lib.pull.texts import normal_text

STATEMENTS = (
    "create table if not exists meta (name text primary key, value text not null)",
    "create table if not exists identity (study_key text primary key, study_uid text not null,"
    " patient_key text not null, accession_key text not null, patient_id text not null,"
    " issuer text not null, patient_name text not null, birth_date text not null,"
    " accession_number text not null, study_date text not null, study_time text not null)",
    "create table if not exists object (object_key text primary key, sop_uid text not null,"
    " study_key text not null)",
    "create table if not exists query_window (window_key text primary key,"
    " date_from text not null, date_to text not null)",
    "create table if not exists tombstone (mark text primary key)",
    "create table if not exists withdrawal (mark text primary key, phase text not null,"
    " begun_at text not null, ended_at text not null)",
    "create table if not exists received (object_key text primary key, study_key text not null,"
    " mark text not null, version text not null, path text not null)",
    "create table if not exists correction (object_key text primary key, study_key text not null,"
    " mark text not null, what text not null)",
    "create table if not exists checked (study_key text primary key, checked_at text not null)",
    "create table if not exists announced (study_key text primary key, mark text not null,"
    " digest text not null)",
    *(
        f"create index if not exists {table}_of_study on {table} (study_key)"
        for table in ("object", "received", "correction")
    ),
)


_REMEMBERED = 1024
"""Pseudonyms that a vault remembers, those that were asked for last: a study asks for each of its
own several times."""


@dataclass(frozen=True)
class Identity:
    """Who a study key stands for; dates and times as DICOM writes them."""

    study_key: str
    study_uid: str
    patient_key: str
    accession_key: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    accession_number: str
    study_date: str
    study_time: str


def key_of(vault: Path) -> Path:
    """File of the secret of a vault, or of a copy of one."""
    return vault.with_name(vault.name + ".key")


class Vault:
    """The vault file and its key; safe for many threads and processes.

    Parameters
    ----------
    path : Path
        The SQLite file. Both files are made at the first use with mode 0600.

    Raises
    ------
    PlatformFaultError
        If the key is missing, another one, or can be read by others than its owner.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.key_path = key_of(self.path)
        self._kept = threading.local()
        self._turn = threading.Lock()
        self._mac = lru_cache(_REMEMBERED)(self._made_mac)
        self._uid = lru_cache(_REMEMBERED)(self._made_uid)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._key = self._read_key()
            self.path.touch(mode=0o600)
            with self.opened() as db:
                db.execute("pragma journal_mode = wal")
                for statement in STATEMENTS:
                    db.execute(statement)
                self._check_key_id(db)
        except OSError as error:
            raise self._fault(error.strerror or type(error).__name__) from error

    @property
    def key_id(self) -> str:
        """Name of the secret: 8 hex digits that do not reveal it."""
        return self._mac("key id", "").hex()[:8]

    # ----------------------------------------------------------- pseudonyms

    def study_key(self, study_uid: str) -> str:
        """Make ``S`` and 16 hex digits of a Study Instance UID."""
        return "S" + self._mac("study", study_uid).hex()[:16]

    def patient_key(self, patient_id: str, issuer: str = "", *, study_uid: str = "") -> str:
        """Make ``P`` and 16 hex digits of a patient.

        Studies without a PatientID are not one patient: each is a patient of its own, by its
        ``study_uid``.
        """
        patient_id, issuer = normal_text(patient_id), normal_text(issuer)
        if not patient_id:
            return "P" + self._mac("patient of study", study_uid).hex()[:16]
        return "P" + self._mac("patient", f"{patient_id}\x1f{issuer}").hex()[:16]

    def accession_key(self, accession_number: str) -> str:
        """Make ``A`` and 16 hex digits of an accession number, "" where there is none."""
        text = normal_text(accession_number)
        return "A" + self._mac("accession", text).hex()[:16] if text else ""

    def window_key(self, date_from: str, date_to: str) -> str:
        """Make ``W`` and 16 hex digits of a query window."""
        return "W" + self._mac("window", f"{date_from}-{date_to}").hex()[:16]

    def record_key(self, text: str) -> str:
        """Make ``R`` and 16 hex digits of a row of the registry."""
        return "R" + self._mac("record", text).hex()[:16]

    def uid(self, original: str) -> str:
        """Replace an instance UID by one under the UUID root (PS3.5 B.2), always the same one."""
        return self._uid(original)

    def _made_uid(self, original: str) -> str:
        value = uuid.UUID(bytes=self._mac("uid", original)[:16], version=4)
        return f"2.25.{value.int}"

    def received_mark(self, sha256: str) -> str:
        """Make a keyed digest of an object as received, 32 hex digits, of its SHA-256."""
        return self._mac("received", sha256).hex()[:32]

    def answer_mark(self, answer: str) -> str:
        """Make a keyed digest of what the archive answers for a study, 32 hex digits."""
        return self._mac("answer", answer).hex()[:32]

    def shift_days(self, patient_key: str, max_shift_days: int) -> int:
        """Days to add to each date of a patient: -max_shift_days to -1."""
        number = int.from_bytes(self._mac("shift", patient_key)[:8], "big")
        return -1 - number % max_shift_days

    def _made_mac(self, domain: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{domain}\0{text}".encode(), hashlib.sha256)

    # ----------------------------------------------------------- identities

    def remember_studies(self, identities: Sequence[Identity]) -> None:
        """Store who the studies are; a study that is there gets the newest answer."""
        names = list(Identity.__dataclass_fields__)
        marks = ", ".join(f":{name}" for name in names)
        statement = f"insert or replace into identity ({', '.join(names)}) values ({marks})"  # noqa: S608
        self._write(statement, [asdict(identity) for identity in identities])

    def identity(self, study_key: str) -> Identity:
        """Return who a study is.

        Raises
        ------
        StudyFaultError
            If no query ever returned this study.
        """
        names = ", ".join(Identity.__dataclass_fields__)
        statement = f"select {names} from identity where study_key = ?"  # noqa: S608
        with self.opened() as db:
            row = db.execute(statement, (study_key,)).fetchone()
        if row is None:
            raise StudyFaultError(
                f"the vault does not know study {study_key}",
                way_out="ask the archive for the window of the study again (find), or restore"
                " the vault from its backup",
            )
        return Identity(*row)

    def known(self, study_keys: Iterable[str]) -> dict[str, Identity]:
        """Who the studies are that a query ever returned; those it never did are left out."""
        names = ", ".join(Identity.__dataclass_fields__)
        statement = f"select {names} from identity where study_key = ?"  # noqa: S608
        with self.opened() as db:
            rows = [db.execute(statement, (key,)).fetchone() for key in sorted(set(study_keys))]
        return {row[0]: Identity(*row) for row in rows if row is not None}

    def everybody(self) -> list[Identity]:
        """Every study that the vault knows, by study key."""
        names = ", ".join(Identity.__dataclass_fields__)
        with self.opened() as db:
            rows = db.execute(f"select {names} from identity order by study_key").fetchall()  # noqa: S608
        return [Identity(*row) for row in rows]

    def remember_objects(self, sop_uids: Mapping[str, Mapping[str, str]]) -> None:
        """Store the original SOP Instance UID of each object key of each study key."""
        rows = [
            {"object_key": key, "sop_uid": uid, "study_key": study_key}
            for study_key, objects in sop_uids.items()
            for key, uid in objects.items()
        ]
        self._write(
            "insert or ignore into object (object_key, sop_uid, study_key)"
            " values (:object_key, :sop_uid, :study_key)",
            rows,
        )

    def sop_uid(self, object_key: str) -> str | None:
        """Return the original SOP Instance UID of an object, None where it is unknown."""
        with self.opened() as db:
            row = db.execute(
                "select sop_uid from object where object_key = ?", (object_key,)
            ).fetchone()
        return None if row is None else str(row[0])

    def remember_window(self, window_key: str, date_from: str, date_to: str) -> None:
        """Store the true dates of a query window."""
        self._write(
            "insert or ignore into query_window (window_key, date_from, date_to)"
            " values (:window_key, :date_from, :date_to)",
            [{"window_key": window_key, "date_from": date_from, "date_to": date_to}],
        )

    # ------------------------------------------------------------ withdrawn

    def tombstone(self, text: str) -> str:
        """Make ``X`` and 16 hex digits: a mark that tells nothing to whoever lacks the secret."""
        return "X" + self._mac("tombstone", text).hex()[:16]

    def add_tombstones(self, marks: Iterable[str]) -> None:
        """Store tombstones; those that are there stay."""
        rows = [{"mark": mark} for mark in marks]
        self._write("insert or ignore into tombstone (mark) values (:mark)", rows)

    def tombstones(self) -> list[str]:
        """Every tombstone, sorted."""
        with self.opened() as db:
            return [str(row[0]) for row in db.execute("select mark from tombstone order by mark")]

    def withdrawn(self, texts: Iterable[str]) -> set[str]:
        """Those of the texts (keys of studies, patients, accession numbers) with a tombstone."""
        marks = {self.tombstone(text): text for text in texts}
        with self.opened() as db:
            found = db.execute(
                "select mark from tombstone where mark in (select value from json_each(?))",
                (json.dumps([*marks]),),
            ).fetchall()
        return {marks[mark] for (mark,) in found}

    # ------------------------------------------------------------ the files

    def _write(self, statement: str, rows: Sequence[Mapping[str, str]]) -> None:
        with self.writing() as db:
            db.executemany(statement, rows)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in one transaction, which ends well or is undone.

        Threads take turns here: SQLite would let one sleep and look again, longer each time.
        """
        with self._turn, self.opened() as db:
            db.execute("begin immediate")
            yield db
            db.execute("commit")

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to the file; what is deleted is overwritten, each commit is synced."""
        kept: sqlite3.Connection | None = getattr(self._kept, "db", None)
        try:
            if kept is not None:
                yield from _unfinished_undone(kept)
                return
            with closing(sqlite3.connect(self.path, timeout=60, isolation_level=None)) as db:
                db.execute("pragma synchronous = full")
                db.execute("pragma secure_delete = on")
                yield db
        except sqlite3.Error as error:
            raise self._fault(f"{type(error).__name__}: {error.sqlite_errorname}") from error

    @contextmanager
    def kept(self) -> Iterator[Vault]:
        """Use one connection for everything that this thread asks within the block."""
        if getattr(self._kept, "db", None) is not None:
            yield self
            return
        with self.opened() as db:
            self._kept.db = db
            try:
                yield self
            finally:
                self._kept.db = None

    def _fault(self, why: str) -> PlatformFaultError:
        return PlatformFaultError(
            f"the vault {self.path.name} cannot be used ({why})",
            way_out="correct the rights of its folder, free disk space, or restore its backup",
        )

    def _read_key(self) -> bytes:
        if not self.key_path.exists():
            if self.path.exists() and self.path.stat().st_size:
                raise PlatformFaultError(
                    f"the vault {self.path.name} is there, its key {self.key_path.name} is not",
                    way_out="restore the key from its backup: with another key, every pseudonym"
                    " on the lake would be another one",
                )
            _make_key(self.key_path)
        if stat.S_IMODE(self.key_path.stat().st_mode) & 0o077:
            raise PlatformFaultError(
                f"the vault's key {self.key_path.name} can be read by others than its owner",
                way_out=f"chmod 600 {self.key_path.name}, and think about who has read it",
            )
        text = self.key_path.read_text(encoding="ascii", errors="replace").strip()
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise self._fault("its key file does not hold 64 hex digits")
        return bytes.fromhex(text)

    def _check_key_id(self, db: sqlite3.Connection) -> None:
        db.execute("insert or ignore into meta values ('key_id', ?)", (self.key_id,))
        known = db.execute("select value from meta where name = 'key_id'").fetchone()[0]
        if known != self.key_id:
            raise PlatformFaultError(
                f"the key {self.key_path.name} ({self.key_id}) is not the one that made this"
                f" vault ({known})",
                way_out="restore the key that belongs to this vault from its backup",
            )


def _unfinished_undone(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Yield a connection; a transaction that an error left open is undone."""
    try:
        yield db
    finally:
        if db.in_transaction:
            db.rollback()


def _make_key(path: Path) -> None:
    """Make the key once, however many processes start at the same time: the first link wins."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secrets.token_hex(32).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()
