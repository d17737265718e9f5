"""Prepare Airflow's database: schema, pools, roles, connections. Safe to repeat.

``python -m mpss_airflow.bootstrap`` reads a JSON object on standard input:
``{"connections": {"<conn_id>": {"conn_type": ..., "host": ..., "port": ..., "extra": {...}}},
"overwrite": true}`` (empty input: schema and pools only; without ``overwrite`` a connection that
is there stays as the operator left it; ``"slots": {"<pool>": 3}`` gives pools other slots than
``vocabulary.POOLS``, as a cluster needs it; ``"is_alone": true``: who asks has looked that nothing
of the home runs). Run it once after the installation and after an upgrade: it says with which
version the home runs from then on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mpss_airflow.vocabulary import PACS_POOL, POOLS

if TYPE_CHECKING:
    from mpss_lib.tables import Lake

ALIVE_S = 60
"""A component that runs gives a sign of life every few seconds."""

WITH_ROLES = ("MpssAuthManager", "FabAuthManager")
"""Auth managers that keep the roles of ``accounts.roles``."""


def prepare(
    connections: dict[str, dict[str, Any]],
    *,
    overwrite: bool = False,
    slots: Mapping[str, int] | None = None,
) -> None:
    """Bring the schema up to date, create or update pools and roles, create connections.

    Connections that are there are changed only with ``overwrite``. Roles are brought back to the
    table of ``accounts.roles``; what somebody had changed is printed.
    """
    from airflow.models.connection import Connection
    from airflow.models.pool import Pool
    from airflow.utils import db
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from mpss_lib.config import load

    db.initdb()
    own = {PACS_POOL.name: load().archive.max_associations} | dict(slots or {})
    for pool in POOLS:
        Pool.create_or_update_pool(
            name=pool.name,
            slots=own.get(pool.name, pool.slots),
            description=pool.description,
            include_deferred=False,
        )
    prepare_roles()
    with create_session() as session:
        for name, fields in connections.items():
            known = session.scalar(select(Connection).where(Connection.conn_id == name))
            made = Connection(conn_id=name, **{**fields, "extra": json.dumps(fields["extra"])})
            if known is None:
                session.add(made)
            if known is None or not overwrite:
                continue
            for field in ("conn_type", "host", "port", "description"):
                setattr(known, field, getattr(made, field))
            known.set_extra(made.extra)


def prepare_roles() -> None:
    """Keep the roles where persons have accounts; another auth manager has none of ours."""
    from airflow.configuration import conf
    from airflow.utils.session import create_session

    if conf.get("core", "auth_manager").rpartition(".")[2] not in WITH_ROLES:
        return
    from mpss_airflow.accounts.roles import keep_roles

    with create_session() as session:
        for told in keep_roles(session):
            sys.stdout.write(f"role mended: {told}\n")


def beside() -> list[str]:
    """Name the components that have given a sign of life just now; before any table is there, none.

    It is asked before the tables are brought to this version: by columns that every one has.
    """
    from airflow.utils.session import create_session
    from sqlalchemy import inspect, text

    with create_session() as session:
        if not inspect(session.get_bind()).has_table("job"):
            return []
        sql = text(
            "select distinct job_type from job where state = 'running' and latest_heartbeat > :then"
        )
        then = datetime.now(UTC) - timedelta(seconds=ALIVE_S)
        return sorted(str(kind) for (kind,) in session.execute(sql, {"then": then}))


def check_alone(lake: Lake) -> None:
    """Refuse to change what others work with who must not work beside this version.

    Raises
    ------
    OtherCodeError
        Something of the home runs, with a version that this one does not go with.
    """
    from mpss_lib.runtime.side_by_side import check_may_work, differences

    if differences(lake) and (running := beside()):
        sys.stderr.write(f"at work: {', '.join(running)} (seen in the last {ALIVE_S} s)\n")
        check_may_work(lake, who="the bootstrap")


def main() -> int:
    """Read the connections from standard input and prepare the database."""
    from mpss_lib.config import home
    from mpss_lib.runtime.side_by_side import OtherCodeError, declare
    from mpss_lib.secrecy import LAKE_UMASK
    from mpss_lib.tables import Lake

    text = sys.stdin.read().strip()
    asked = json.loads(text) if text else {}
    lake = Lake(home() / "lake")
    try:
        if not asked.get("is_alone"):
            check_alone(lake)
    except OtherCodeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    prepare(
        asked.get("connections", {}),
        overwrite=bool(asked.get("overwrite")),
        slots=asked.get("slots"),
    )
    os.umask(LAKE_UMASK)  # what is made in the lake is for every role's account
    declare(lake)
    return 0


if __name__ == "__main__":
    sys.exit(main())
