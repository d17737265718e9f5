"""The results database: its connection, and its errors in this package's words.

========================  ================================================================
error                     when
========================  ================================================================
``SettingsError``         the address is none of PostgreSQL's
``ResultsBusyError``      nobody answers, starting up, too many clients, a lock was not to
                          be had in time, the connection broke: the same may succeed later
``ResultsRefusedError``   user, password, database, rights: a person must act
``ResultsSchemaError``    the tables are not those that this version writes
========================  ================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mpss_lib.errors import (
    MpssError,
    PlatformFaultError,
    ResultsBusyError,
    ResultsRefusedError,
    ResultsSchemaError,
    SettingsError,
)

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 60
STATEMENT_TIMEOUT_S = 900
"""Longest time of one statement, and of a connection that holds the lock and sends nothing."""

_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")
_REFUSED = ("authentication", "does not exist", "no pg_hba.conf entry", "not permitted", "denied")
"""What a server says before it has let us in and given an SQLSTATE (libpq keeps only the text)."""

_WAY_OUT_BUSY = "try again later; check that the server runs and the network, then clear this task"
_WAY_OUT_RIGHTS = (
    "grant {user} what it lacks (`mpss export --ddl` prints the tables for the database's owner:"
    " then select, insert, update, delete on them and usage on their schema are enough)"
)


@contextmanager
def connected(url: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[Any]:
    """Connect, open one transaction and commit it at the end; on any error nothing is changed.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database?sslmode=...``; an SQLAlchemy driver after
        the plus sign is left out.
    lock_timeout_s : float
        Longest wait for another export, seconds.

    Yields
    ------
    psycopg.Connection
        Its session speaks UTF-8 and UTC.

    Raises
    ------
    SettingsError, ResultsBusyError, ResultsRefusedError, ResultsSchemaError
    """
    import psycopg

    known = parameters(url)
    with _in_our_words(known):
        defaults = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "mpss export"}
        wanted: dict[str, Any] = {**defaults, **known, "client_encoding": "utf8"}
        # prepare_threshold: a pooler between us and the server may not keep statements.
        with (
            psycopg.connect(**wanted, prepare_threshold=None) as connection,
            connection.transaction(),
        ):
            for name, value in (
                ("timezone", "UTC"),
                ("lock_timeout", f"{lock_timeout_s}s"),
                ("statement_timeout", f"{STATEMENT_TIMEOUT_S}s"),
                ("idle_in_transaction_session_timeout", f"{STATEMENT_TIMEOUT_S}s"),
            ):
                connection.execute("select set_config(%s, %s, true)", [name, value])
            yield connection


def parameters(url: str) -> dict[str, Any]:
    """Give the connection parameters that an address names, in libpq's words.

    Raises
    ------
    SettingsError
        It is no address of a PostgreSQL server; a password in it is not shown.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        if not _SCHEME.match(url):
            raise ProgrammingError("not PostgreSQL")
        return dict(conninfo_to_dict(_SCHEME.sub("postgresql://", url)))
    except ProgrammingError:
        raise SettingsError(
            "site.results_url (or the connection mpss_results) is no address of PostgreSQL",
            way_out="write postgresql://user:password@host:5432/database; special characters of"
            " the password as %XX",
        ) from None  # the text of the error holds the address with its password


def name_of(known: Mapping[str, Any]) -> str:
    """Name a server for a person, without the password."""
    user, host = known.get("user", ""), known.get("host") or known.get("hostaddr") or "localhost"
    port, database = known.get("port", "5432"), known.get("dbname", "")
    return f"{user}@{host}:{port}/{database}"


@contextmanager
def _in_our_words(known: Mapping[str, Any]) -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _translated(error, known) from None  # its details may quote rows


def _translated(error: psycopg.Error, known: Mapping[str, Any]) -> MpssError:
    where, state = name_of(known), error.sqlstate
    if state is None:
        return _without_state(error, where)
    said = f"{error.diag.message_primary} ({state})"
    if state == "25006":
        return ResultsRefusedError(
            f"the results database {where} only reads: {said}",
            way_out="give the address of the primary server",
        )
    if state == "42501" or state.startswith("28") or state == "3D000":
        return ResultsRefusedError(
            f"the results database {where} refuses: {said}",
            way_out=_WAY_OUT_RIGHTS.format(user=known.get("user", "the user")),
        )
    if state[:2] in {"08", "40", "53", "57"} or state == "55P03":
        return ResultsBusyError(
            f"the results database {where} is busy or broke off: {said}", way_out=_WAY_OUT_BUSY
        )
    if state[:2] in {"42", "23", "22"} or state == "55000":
        return ResultsSchemaError(
            f"the tables of the results database {where} are not ours: {said}",
            way_out="let its owner compare them with `mpss export --ddl`; drop the schema and"
            " export again if nothing else is in it",
        )
    return PlatformFaultError(
        f"the results database {where} answered: {said}", way_out="ask the database's owner"
    )


def _without_state(error: psycopg.Error, where: str) -> MpssError:
    said = " ".join(str(error).split())
    lacks_password = error.pgconn is not None and error.pgconn.needs_password
    if lacks_password or ("FATAL" in said and any(word in said for word in _REFUSED)):
        return ResultsRefusedError(
            f"the results database {where} refuses the connection: {said}",
            way_out="correct user, password and database of site.results_url or of the connection"
            " mpss_results",
        )
    return ResultsBusyError(
        f"the results database {where} does not answer: {said}", way_out=_WAY_OUT_BUSY
    )
