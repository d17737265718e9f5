"""Every part of a page that is made from the code, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from generated import commands, errors, features, house, orchestrator, pages, settings, warehouse
from mpss_lib.papers.catalogue import TABLES as OF_PAPERS
from mpss_lib.papers.tables import Table

PARTS: Mapping[str, Table] = MappingProxyType(
    {
        **OF_PAPERS,
        "settings": settings.settings,
        "commands": commands.commands,
        "relations": warehouse.relations,
        "lake-tables": warehouse.lake_tables,
        "expectations": warehouse.expectations,
        "dags": orchestrator.dags,
        "metrics": orchestrator.metrics,
        "routes": pages.routes,
        "roles": pages.roles,
        "errors": errors.errors,
        "features": features.features,
        "house": house.house,
    }
)
