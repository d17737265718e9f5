"""The home that a task works in: settings, lake, and sites from Airflow's connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpss_airflow.vocabulary import PACS_CONNECTION, REGISTRY_CONNECTION, RESULTS_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from mpss_lib.config import Config, Sites
    from mpss_lib.sections import SiteSettings
    from mpss_lib.tables import Lake


def open_home() -> tuple[Lake, Config]:
    """Lake and settings of ``$MPSS_HOME``; a lake of before is brought to today's layout."""
    from mpss_lib.config import home, load
    from mpss_lib.tables import Lake
    from mpss_lib.warehouse.layout import bring_up_to_date

    root = home()
    config, lake = load(root), Lake(root / "lake")
    bring_up_to_date(lake)
    return lake, config


def open_sites(config: Config, pacs_connection: str = PACS_CONNECTION) -> Sites:
    """Sites from Airflow's connections; what has no connection comes from the settings file."""
    from dataclasses import replace

    from mpss_lib.config import home, sites_of

    sites = sites_of(config, home())
    pacs = _connection(pacs_connection)
    registry = _connection(REGISTRY_CONNECTION)
    results = _connection(RESULTS_CONNECTION)
    if pacs is not None:
        sites = replace(sites, archive=_archive(config.site, pacs))
    if registry is not None:
        sites = replace(sites, registry_url=url_of(registry))
    if results is not None:
        sites = replace(sites, results_url=url_of(results))
    return sites


def _connection(name: str) -> Connection | None:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get(name)
    except AirflowNotFoundException:
        return None


def _archive(site: SiteSettings, pacs: Connection) -> SiteSettings:
    extra = pacs.extra_dejson
    changes = {
        "archive_host": pacs.host or site.archive_host,
        "archive_port": pacs.port or site.archive_port,
        "called_aet": extra.get("called_aet") or site.called_aet,
        "calling_aet": extra.get("calling_aet") or site.calling_aet,
    }
    return site.model_copy(update=changes)


def url_of(connection: Connection) -> str:
    """Give the SQLAlchemy URL of a connection: its extra field ``url``, else made of its fields.

    Airflow's own type ``postgres`` is no dialect of SQLAlchemy: it is PostgreSQL by psycopg.
    """
    given = connection.extra_dejson.get("url")
    if given:
        return str(given)
    kind, _, rest = connection.get_uri().partition("://")
    return f"postgresql+psycopg://{rest}" if kind in _POSTGRES else f"{kind}://{rest}"


_POSTGRES = ("postgres", "postgresql")
