"""A patient withdraws after two nights: copied home, real Airflow database, a search of our own.

The identity strings are collected from the hospital's DICOM objects and from the vault's
pseudonyms, not by the code of the purge. Then a night goes on, the home is destroyed, a backup
that is older than the purge is restored elsewhere, and a night goes on there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import warnings
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from invented_home import grep

pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.pacs]

LEFT_OUT = ("hospital", "archive")
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
OTHERS = ("PatientName", "PatientID", "AccessionNumber")


@dataclass
class Case:
    """A copied home, the patient and everything that names the patient."""

    root: Path
    patient_key: str
    study_keys: list
    secrets: set
    births: set
    target: Path
    n_studies: int
    told: set  # study keys in Airflow's XCom before the purge; other tests' runs among them

    def home(self, root=None):
        from mpss_lib.config import load, sites_of
        from mpss_lib.runtime.home import Home
        from mpss_lib.runtime.orchestrator import Airflow
        from mpss_lib.tables import Lake

        root = root or self.root
        config = load(root, environ={})
        airflow = Airflow(environment(root))
        return Home(root, Lake(root / "lake"), config, sites_of(config, root), airflow)


def environment(root):
    """Airflow's environment of a copied home."""
    return dict(os.environ) | {
        "MPSS_HOME": str(root),
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root / 'airflow' / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(root / "airflow" / "logs"),
    }


def secrets_of(night, vault, patient_id):
    """Identity strings of a patient, from the objects that the hospital holds."""
    found, births, studies = set(), set(), set()
    for path in sorted(night.hospital.objects.glob("*.dcm")):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if str(header.PatientID) != patient_id:
            continue
        found |= {str(header.get(name, "")) for name in (*UIDS, *OTHERS)}
        found |= {vault.uid(str(header[name].value)) for name in UIDS[1:]}
        found |= {vault.accession_key(str(header.AccessionNumber))}
        found |= {str(header.PatientName).replace("^", " ")}
        studies.add(vault.study_key(str(header.StudyInstanceUID)))
        births.add(str(header.PatientBirthDate))
    births |= {f"{b[:4]}-{b[4:6]}-{b[6:]}" for b in births if re.fullmatch(r"\d{8}", b)}
    key = vault.patient_key(patient_id)
    return sorted(studies), (found | studies | {key}) - {""}, births


def keys_in_xcom(root):
    """Every study key that a task handed on in the Airflow database of a home."""
    with closing(sqlite3.connect(root / "airflow" / "airflow.db")) as db:
        values = [row[0] for row in db.execute("select value from xcom")]
    return {one for value in values for one in re.findall(r"S[0-9a-f]{16}", str(value))}


@pytest.fixture(scope="module")
def case(night, tmp_path_factory):
    from mpss_lib.maintenance.database import copy_sqlite
    from mpss_lib.pull.vault import Vault
    from mpss_lib.warehouse import stage

    root = tmp_path_factory.mktemp("withdrawn") / "home"
    shutil.copytree(night.root, root)
    (root / "airflow").mkdir()
    copy_sqlite(Path(os.environ["AIRFLOW_HOME"]) / "airflow.db", root / "airflow" / "airflow.db")
    vault = Vault(root / "vault.sqlite")
    [first, *_] = night.rows("select study_key from core.cohort order by study_key")
    patient_id = vault.identity(first["study_key"]).patient_id
    studies, secrets, births = secrets_of(night, vault, patient_id)
    shared = {o.birth_date for o in vault.everybody() if o.patient_id != patient_id}
    assert not births & shared, "the chosen patient shares a birth date: choose another"
    case = Case(
        root,
        vault.patient_key(patient_id),
        studies,
        secrets,
        births,
        tmp_path_factory.mktemp("elsewhere"),
        night.hospital.n_studies,
        keys_in_xcom(root),
    )
    home = case.home()
    stage.rebuild(home.lake, home.config)
    plant(case, home)
    return case


def plant(case, home):
    """What a home with a running scheduler, people and a broken study has beside a test's."""
    from mpss_lib.quality.gallery import pictures_of
    from mpss_lib.quality.review import record_review

    [key, *_] = case.study_keys
    assert len(pictures_of(key, home.lake, home.config)) == 2
    record_review(home.lake, home.config, key, "accept", "clear", "dr")
    home.lake.quarantine("quality", key, error="X", problem="p", way_out="w")
    every = sorted(path.name for path in (home.lake.root / "dicom").iterdir())
    run = case.root / "airflow" / "logs" / "dag_id=mpss_ingest" / "run_id=manual__2026"
    for name in ("fetch", "intake"):
        log = run / f"task_id=batch.{name}" / "map_index=0" / "attempt=1.log"
        log.parent.mkdir(parents=True)
        lines = [f"{i} of {len(every)}: {one} done" for i, one in enumerate(every, start=1)]
        lines.append(f"counts: {{'stage': '{name}', 'keys': {every}}}")
        told = [{"timestamp": "2026-11-22T19:00:00Z", "event": line} for line in lines]
        log.write_text("".join(json.dumps(one) + "\n" for one in told))
    with closing(sqlite3.connect(case.root / "airflow" / "airflow.db")) as db:
        [(ti, *_), *_] = db.execute("select id from task_instance").fetchall()
        db.execute(
            "insert into hitl_detail (ti_id, options, subject, body, params, created_at,"
            " params_input) values (?, '[\"Accept\"]', ?, ?, '{}', '2026-11-22', '{}')",
            (ti, f"{key}: review", f"Flags: motion of {key}"),
        )
        db.execute("update dag_run set conf = ?", (json.dumps({"keys": [key, "other"]}),))
        db.execute(
            "insert into log (dttm, event, extra) values ('2026-11-22', 'trigger', ?)",
            (json.dumps({"asked": f"why {key}"}),),
        )
        db.commit()


@pytest.fixture(scope="module")
def saved(case):
    """A backup of the home as it was before the purge."""
    from mpss_lib.maintenance.backup import create

    home = case.home()
    return create(home, case.target)


@pytest.fixture(scope="module")
def before(case, saved):
    return grep(case.root, case.secrets | case.births, leave_out=LEFT_OUT)


@pytest.fixture(scope="module")
def report(case, before):
    from mpss_lib.purge.phases import purge

    return purge(case.patient_key, case.home())


def another_night(night, root, dagbag, airflow_database):
    """The registry and the whole window again, by the DAGs, in another home."""
    from mpss_lib.demo.archive import Archive

    window = {"from": night.hospital.first_date, "to": night.hospital.last_date}
    states = []
    with (
        Archive(night.root / "archive").serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server,
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # Airflow and its libraries use what they deprecate
        warnings.filterwarnings("error", module="mpss_")
        patch.setenv("MPSS_HOME", str(root))
        extra = {"called_aet": "DEMOPACS", "calling_aet": "MPSS"}
        patch.setenv(
            "AIRFLOW_CONN_MPSS_PACS",
            json.dumps(
                {"conn_type": "dicom", "host": "127.0.0.1", "port": server.port, "extra": extra}
            ),
        )
        url = {"conn_type": "generic", "extra": {"url": night.hospital.registry_url}}
        patch.setenv("AIRFLOW_CONN_MPSS_REGISTRY", json.dumps(url))
        for dag_id in ("mpss_clinical", "mpss_ingest"):
            conf = window if dag_id == "mpss_ingest" else {}
            states.append(str(dagbag.dags[dag_id].test(run_conf=conf).state))
    return states


@pytest.fixture(scope="module")
def later(case, report, night, dagbag, airflow_database):
    return another_night(night, case.root, dagbag, airflow_database)


@pytest.fixture(scope="module")
def restored(case, later, saved, night, dagbag, airflow_database):
    """The home is lost; its backup comes back elsewhere, and a night goes on there.

    Lost is moved out of reach, and back at the end: the other tests come in any order.
    """
    from mpss_lib.maintenance.restore import restore
    from mpss_lib.purge.reapply import reapply
    from mpss_lib.warehouse import stage

    root = case.root.with_name("again")
    lost = case.root.with_name("lost")
    case.root.rename(lost)
    back = restore(saved, root)
    home = case.home(root)
    counts = stage.rebuild(home.lake, home.config)
    had = grep(root, case.secrets, leave_out=LEFT_OUT)
    again = reapply(back.tombstones, home)
    states = another_night(night, root, dagbag, airflow_database)
    lost.rename(case.root)
    return {"root": root, "counts": counts, "had": had, "again": again, "states": states}


def test_before_the_search_finds_the_patient_in_every_kind_of_place(before):
    tops = {name.split("/")[0] for name in before}
    assert tops == {"airflow", "lake", "vault.sqlite"}
    below = {name.split("/")[1] for name in before if name.split("/")[0] in ("airflow", "lake")}
    places = "dicom landing manifest masks pictures quarantine warehouse.duckdb airflow.db logs"
    assert set(places.split()) <= below


def test_after_the_purge_the_search_finds_nothing(case, report):
    assert report.is_clean
    assert report.counts["log_lines"] > 0
    assert report.counts["airflow_rows"] > 3
    assert len(case.secrets) > 8
    assert grep(case.root, case.secrets | case.births, leave_out=LEFT_OUT) == {}


def test_airflow_keeps_what_is_of_others(case, report, night):
    with closing(sqlite3.connect(case.root / "airflow" / "airflow.db")) as db:
        [(n_runs,)] = db.execute("select count(*) from dag_run").fetchall()
        conf = {row[0] for row in db.execute("select conf from dag_run")}
        assert db.execute("select count(*) from hitl_detail").fetchall() == [(0,)]
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert n_runs >= len(night.states)
    assert conf == {'{"keys": ["other"]}'}
    assert len(case.told) >= night.hospital.n_studies
    assert keys_in_xcom(case.root) == case.told - set(case.study_keys)


def test_the_backup_that_still_holds_the_patient_is_listed(report, saved):
    assert [copy.path for copy in report.copies] == [saved]
    assert report.copies[0].expires_at is not None


def test_a_later_night_is_green_and_leaves_the_patient_out(later, case):
    from mpss_lib.warehouse.reader import rows

    assert later == ["success", "success"]
    lake = case.home().lake
    flow = rows(lake, "select * from core.cohort_flow")
    assert len(flow) == case.n_studies
    gone = [row for row in flow if row["reason"] == "withdrawn"]
    assert len(gone) == len(case.study_keys)
    [window] = rows(lake, "select n_returned from raw.query_window where n_days > 30")
    assert window["n_returned"] == case.n_studies
    assert grep(case.root, case.secrets | case.births, leave_out=LEFT_OUT) == {}


def test_the_models_are_marked(later, case):
    from mpss_lib.warehouse.reader import rows

    found = rows(case.home().lake, "select distinct has_withdrawn as w from result.model_overview")
    assert found == [{"w": True}]


def test_a_restored_home_withdraws_the_patient_again_and_goes_on(restored, case):
    assert restored["had"]
    assert restored["counts"]["studies"] == case.n_studies
    assert [one.is_clean for one in restored["again"]] == [True]
    assert restored["states"] == ["success", "success"]
    root = restored["root"]
    assert grep(root, case.secrets | case.births, leave_out=LEFT_OUT) == {}


def test_the_restored_database_of_airflow_is_whole(restored, night):
    with closing(sqlite3.connect(restored["root"] / "airflow" / "airflow.db")) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        [(n_runs,)] = db.execute("select count(*) from dag_run").fetchall()
    assert n_runs >= len(night.states)
