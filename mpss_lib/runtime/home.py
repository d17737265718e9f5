"""A home: a folder with its settings, its lake, and what they name outside."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mpss_lib import config as settings
from mpss_lib.config import Config, Sites
from mpss_lib.runtime.airflow_database import DATABASE, database_named
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.orchestrator import Airflow
from mpss_lib.tables import Lake
from mpss_lib.warehouse.layout import bring_up_to_date

NOT_ALLOWED = "airflow-db-not-allowed:"
"""What Airflow puts in its place for a task (airflow.sdk.execution_time.supervisor)."""


@dataclass(frozen=True)
class Home:
    """A home as it was opened: settings that are changed later are another home's.

    Parameters
    ----------
    root : Path
    lake : Lake
        ``<root>/lake``.
    config : Config
    sites : Sites
        As the settings name them; a task takes Airflow's connections instead.
    airflow : Airflow, optional
        None where its database cannot be reached from here.
    """

    root: Path
    lake: Lake
    config: Config
    sites: Sites
    airflow: Airflow | None = None

    @classmethod
    def open(cls, root: Path | None = None) -> Home:
        """Open a home; by default the one of ``MPSS_HOME``.

        A lake of a version before is brought to today's layout first.

        Raises
        ------
        SettingsError
            A setting is wrong.
        WritersAtWorkError
            A task of the version before is still writing.
        """
        home = cls.as_it_is(root)
        bring_up_to_date(home.lake)
        return home

    @classmethod
    def as_it_is(cls, root: Path | None = None) -> Home:
        """Open a home as ``open`` does, and leave its lake as a version before has left it.

        Raises
        ------
        SettingsError
            A setting is wrong.
        """
        root = settings.home() if root is None else root
        config, lake = settings.load(root), Lake(root / "lake")
        return cls(root, lake, config, settings.sites_of(config, root), _airflow(root, config))


def _airflow(root: Path, config: Config) -> Airflow | None:
    """Airflow of a home: its own, or the one that the environment names (cluster)."""
    own = AirflowHome.load(root)
    if own is not None:
        return Airflow(own.environment(config))
    url = database_named(os.environ)
    if url and not url.startswith(NOT_ALLOWED):
        return Airflow(dict(os.environ) | {DATABASE: url, "MPSS_HOME": str(root)})
    return None
