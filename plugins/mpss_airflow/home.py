"""The home that a task works in, and its sites from Airflow's connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mpss_airflow.vocabulary import INGEST, PACS_CONNECTION, REGISTRY_CONNECTION, RESULTS_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from mpss_lib.archive_sections import ArchiveSettings
    from mpss_lib.runtime.home import Home


def open_home() -> Home:
    """Open the home of ``$MPSS_HOME``; its sites are those of the settings file.

    Raises
    ------
    OtherCodeError
        The home runs with a version that this one must not work beside.
    """
    from mpss_lib.audit.message import act_for
    from mpss_lib.config import home
    from mpss_lib.runtime.home import Home
    from mpss_lib.runtime.side_by_side import check_may_work
    from mpss_lib.tables import Lake

    act_for(_who_triggered())
    check_may_work(Lake(home() / "lake"))
    return Home.open()


def _run() -> Any:
    """DAG run of this task; None outside a task (a connection test)."""
    from airflow.sdk import get_current_context

    try:
        return get_current_context().get("dag_run")
    except RuntimeError:
        return None


def _kind_of(run: Any) -> str:
    return str(getattr(run.run_type, "value", run.run_type))


def _who_triggered() -> str:
    """Account that triggered this task's run, or how it came about; "" outside a task."""
    run = _run()
    if run is None:
        return ""
    return str(getattr(run, "triggering_user_name", None) or f"airflow:{_kind_of(run)}")


def _is_night() -> bool:
    """Whether this is the nightly pull: a scheduled run of the ingest, no bulk load."""
    run = _run()
    return run is not None and run.dag_id == INGEST and _kind_of(run) == "scheduled"


def connected_home(pacs_connection: str = PACS_CONNECTION) -> Home:
    """Open it with the sites of Airflow's connections; what has none is as the settings name it."""
    from dataclasses import replace

    home = open_home()
    sites = replace(home.sites, is_night=_is_night())
    archive = home.config.archive
    others = {
        name: _archive(one, _connection(f"{PACS_CONNECTION}_{name}"))
        for name, one in archive.others.items()
    }
    pacs = _connection(pacs_connection)
    registry = _connection(REGISTRY_CONNECTION)
    results = _connection(RESULTS_CONNECTION)
    known = archive.others.get(pacs_connection.removeprefix(f"{PACS_CONNECTION}_"), archive)
    sites = replace(sites, archive=_archive(known, pacs))
    if known is archive:
        sites = replace(sites, archive=sites.archive.model_copy(update={"others": others}))
    if registry is not None:
        sites = replace(sites, registry_url=url_of(registry))
    if results is not None:
        sites = replace(sites, results_url=url_of(results))
    return replace(home, sites=sites)


def _connection(name: str) -> Connection | None:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None


def _archive(known: ArchiveSettings, pacs: Connection | None) -> ArchiveSettings:
    """Give an archive as its connection names it; without one, as the settings do."""
    if pacs is None:
        return known
    extra = pacs.extra_dejson
    changes = {
        "host": pacs.host or known.host,
        "port": pacs.port or known.port,
        "called_aet": extra.get("called_aet") or known.called_aet,
        "calling_aet": extra.get("calling_aet") or known.calling_aet,
    }
    return known.model_copy(update=changes)


def url_of(connection: Connection) -> str:
    """Give the SQLAlchemy URL of a connection: its extra field ``url``, else made of its fields.

    Airflow's own type ``postgres`` is no dialect of SQLAlchemy: it is PostgreSQL by psycopg. Extra
    fields become parameters of the URL (``sslmode``); empty ones, which forms leave, none.

    Raises
    ------
    SettingsError
        An extra field is a list or an object: no parameter of a URL.
    """
    from urllib.parse import urlencode

    from airflow.sdk import Connection as Plain

    extra = connection.extra_dejson
    if extra.get("url"):
        return str(extra["url"])
    fields = ("conn_type", "host", "schema", "login", "password", "port")
    bare = Plain(conn_id=connection.conn_id, **{name: getattr(connection, name) for name in fields})
    kind, _, rest = bare.get_uri().partition("://")
    query = urlencode(_parameters(connection.conn_id, extra))
    if query:
        rest += ("?" if connection.schema else "/?") + query
    return f"postgresql+psycopg://{rest}" if kind in _POSTGRES else f"{kind}://{rest}"


def _parameters(name: str, extra: Mapping[str, Any]) -> dict[str, str]:
    """Extra fields that say something, as text."""
    from mpss_lib.errors import SettingsError

    told = {key: value for key, value in extra.items() if value not in (None, "", [], {})}
    for key, value in told.items():
        if not isinstance(value, str | int | float):
            raise SettingsError(
                f"the extra field {key!r} of the connection {name} is no plain value",
                way_out="write the address into the extra field url:"
                ' {"url": "postgresql://user:password@host:5432/database"}',
            )
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in told.items()
    }


_POSTGRES = ("postgres", "postgresql")
