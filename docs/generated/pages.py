"""Routes of the pages in Airflow's UI, and what each role may do."""

from __future__ import annotations

import inspect

from fastapi.routing import APIRoute
from mpss_airflow.accounts.roles import RIGHTS
from mpss_airflow.pages.app import make_app
from mpss_airflow.vocabulary import PAGES

from mpss_lib.papers.tables import markdown


def routes() -> str:
    """Give every route: method, path, who may, and what it answers."""
    rows = [
        (", ".join(sorted(one.methods)), f"`{PAGES}{one.path}`", _first(one))
        for one in make_app().routes
        if isinstance(one, APIRoute)
    ]
    return markdown(("method", "path", "gives"), sorted(rows, key=lambda row: row[1]))


def _first(one: APIRoute) -> str:
    return (inspect.getdoc(one.endpoint) or "").partition("\n\n")[0].replace("\n", " ")


def roles() -> str:
    """Give the rights of each role, in the words of Flask-AppBuilder."""
    rows = [
        (f"`{name}`", "; ".join(sorted(f"{action} on {on}" for action, on in rights)))
        for name, rights in RIGHTS.items()
    ]
    return markdown(("role", "rights"), rows)
