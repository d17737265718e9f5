"""Airflow's database, read from outside: it answers with dead services and without a login.

Only tables that every Airflow 3 has are read, with plain selects; nothing is written.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mpss_lib.errors import PlatformFaultError

if TYPE_CHECKING:
    from sqlalchemy import Connection

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
"""Environment variable that names it."""

_DAGS = "select dag_id from dag where not is_stale"
_BROKEN = "select filename from import_error order by filename limit 20"
_ADMINISTRATORS = (
    "select count(*) from ab_user join ab_user_role on ab_user_role.user_id = ab_user.id"
    " join ab_role on ab_role.id = ab_user_role.role_id"
    " where ab_role.name = 'Admin' and ab_user.active"
)


def database_named(environment: Mapping[str, str]) -> str:
    """Give the address of Airflow's database that an environment names; "" where it names none.

    Directly, or by the command that prints it (``..._CMD``: secrets in files), as Airflow takes it.

    Raises
    ------
    PlatformFaultError
        The command fails; what it says is not shown, for it may hold the password.
    """
    command = environment.get(f"{DATABASE}_CMD", "")
    if (url := environment.get(DATABASE, "")) or not command:
        return url
    done = subprocess.run(
        shlex.split(command), env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PlatformFaultError(
            f"the command of {DATABASE}_CMD ended with {done.returncode}",
            way_out="look whether the files of secrets are there and may be read",
        )
    return done.stdout.strip()


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Open Airflow's database for questions."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def known_dags(connection: Connection) -> set[str]:
    """Give the DAGs that the DAG processor has read."""
    return {str(row[0]) for row in connection.exec_driver_sql(_DAGS)}


def broken_files(connection: Connection) -> tuple[str, ...]:
    """Give the DAG files that do not import."""
    return tuple(str(row[0]) for row in connection.exec_driver_sql(_BROKEN))


def has_administrator(connection: Connection) -> bool:
    """Whether some account may do everything; False in a database without accounts."""
    from sqlalchemy import inspect

    if not inspect(connection).has_table("ab_user"):
        return False
    return bool(connection.exec_driver_sql(_ADMINISTRATORS).scalar())
