"""Airflow of a home: database, migrations, pools, connections, DAGs, runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mpss_lib.doctor.finding import Finding, Subject, mpss
from mpss_lib.errors import PlatformFaultError

MODULE = "mpss_airflow.examine"
MOST_PAUSED = 5


def ask(subject: Subject) -> Mapping[str, Any]:
    """Ask Airflow what it knows of itself, in a process of its own; empty where it has none.

    Raises
    ------
    PlatformFaultError
        It cannot answer.
    """
    if subject.home is None or subject.home.airflow is None:
        return {}
    told = subject.home.airflow.run(
        [MODULE], "Airflow cannot be examined", "`mpss up`, then logs/bootstrap.log"
    )
    found: Mapping[str, Any] = json.loads(told.splitlines()[-1])
    return found


def findings(subject: Subject, told: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge what Airflow told."""
    if not told:
        return
    migrate = mpss(subject, "airflow", "db", "migrate")
    if not told["revision"]:
        yield Finding("airflow", "Airflow's database is empty", migrate, is_safe=True)
        return
    if told["revision"] != told["head"]:
        yield Finding(
            "airflow",
            f"migrations of Airflow's database are pending ({told['revision']}, not"
            f" {told['head']})",
            migrate,
            advice="`mpss backup create FOLDER` first",
        )
        return
    yield from _pools(subject, told)
    yield from _connections(subject, told)
    yield from _dags(subject, told)


def _pools(subject: Subject, told: Mapping[str, Any]) -> Iterator[Finding]:
    for wanted in told["wanted_pools"]:
        name, slots = wanted["name"], str(wanted["slots"])
        known = told["pools"].get(name)
        command = mpss(subject, "airflow", "pools", "set", name, slots, wanted["description"])
        if known is None:
            what = f"the pool {name} is missing: its tasks wait for ever"
            yield Finding("airflow", what, command, is_safe=True)
        elif known == 0:
            what = f"the pool {name} has no slot: its tasks wait for ever"
            yield Finding("airflow", what, command)


def _connections(subject: Subject, told: Mapping[str, Any]) -> Iterator[Finding]:
    known, archive = told["archive"], subject.config.archive
    if known is None:
        what = "the connection mpss_pacs is missing: tasks take the address of mpss.toml"
        yield Finding("airflow", what, mpss(subject, "up"), level="warning")
    elif (known["host"], known["port"]) != (archive.host, archive.port) and not told["is_demo"]:
        yield Finding(
            "airflow",
            f"the connection mpss_pacs says {known['host']}:{known['port']} and decides;"
            f" mpss.toml says {archive.host}:{archive.port}",
            f"{mpss(subject, 'airflow', 'connections', 'delete', 'mpss_pacs')} &&"
            f" {mpss(subject, 'up')}",
            level="warning",
            advice="where mpss.toml is right; else correct [archive] in it",
        )


def _dags(subject: Subject, told: Mapping[str, Any]) -> Iterator[Finding]:
    for file in told["broken"]:
        yield Finding(
            "airflow",
            f"the DAG file {file} does not import",
            mpss(subject, "up"),
            advice="it is read anew; if it stays: `mpss airflow dags list-import-errors` shows the"
            " line, and the version has to be installed again",
        )
    for dag in told["paused"]:
        what = f"{dag} is paused, and has run before"
        command = mpss(subject, "airflow", "dags", "unpause", dag)
        yield Finding("airflow", what, command, level="warning")
    for run in told["stuck"]:
        yield Finding(
            "airflow",
            f"a run of {run['dag_id']} has been {run['state']} for {run['hours']} hours",
            mpss(subject, "up"),
            advice="a scheduler ends what is over its time; the run is red then: clear its tasks",
        )


def examined(subject: Subject) -> tuple[Mapping[str, Any], list[Finding]]:
    """Ask and judge; what cannot answer is a finding."""
    try:
        told = ask(subject)
    except PlatformFaultError as error:
        return {}, [Finding("airflow", error.problem, mpss(subject, "up"), advice=error.way_out)]
    return told, list(findings(subject, told))
