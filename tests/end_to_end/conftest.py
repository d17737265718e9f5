"""One small hospital, taken through the DAGs twice; every test of this folder looks at it."""

import hashlib
import json
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PATIENTS = 14
SETTINGS = """
[cohort]
accept = "pass"
[batch]
min_batch = 10
[evaluation]
n_outer = 8
n_inner = 4
permutations = 2
"""


@dataclass
class Night:
    """A home after the DAGs ran."""

    root: Path
    hospital: object
    states: dict = field(default_factory=dict)
    answers: list = field(default_factory=list)
    feature_bytes: list = field(default_factory=list)

    @property
    def lake(self):
        from mpss_lib.tables import Lake

        return Lake(self.root / "lake")

    def rows(self, sql):
        from mpss_lib.warehouse.reader import rows

        return rows(self.lake, sql)


PLANTED = "Zqxvarden 15.06.50 +41 44 683 91 57 Dr. Wall"
"""What somebody typed beside each description: a name, a birth date, a telephone number."""


def plant(objects):
    """Write names, dates and telephone numbers into the texts that de-identification keeps."""
    from pydicom import dcmread

    for path in sorted(objects.glob("*.dcm")):
        dataset = dcmread(path)
        dataset.StudyDescription = f"{dataset.StudyDescription} {PLANTED}"[:64]
        dataset.ManufacturerModelName = f"{dataset.ManufacturerModelName} SN 683 91 57"
        dataset.SoftwareVersions = [dataset.SoftwareVersions, "15.06.50"]
        dataset.ReferringPhysicianName = "Zqxvarden^Wall"
        dataset.save_as(path)


def digests(lake):
    """Map every landing and batch file of the features to the digest of its bytes."""
    return {
        path.relative_to(lake.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in lake.root.glob("*/feature_*/**/*.parquet")
    }


@pytest.fixture(scope="session")
def night(tmp_path_factory, airflow_database, dagbag):
    from mpss_lib.demo.archive import Archive
    from mpss_lib.demo.cohort import make_hospital

    root = tmp_path_factory.mktemp("home")
    (root / "mpss.toml").write_text(SETTINGS)
    hospital = make_hospital(root / "hospital", patients=PATIENTS)
    plant(hospital.objects)
    archive = Archive(root / "archive")
    archive.add(*sorted(hospital.objects.glob("*.dcm")))
    result = Night(root, hospital)
    before = {name: os.environ.get(name) for name in ("MPSS_HOME", *_CONNECTIONS)}
    os.environ["MPSS_HOME"] = str(root)
    os.environ["AIRFLOW_CONN_MPSS_REGISTRY"] = json.dumps(
        {"conn_type": "generic", "extra": {"url": hospital.registry_url}}
    )
    window = {"from": hospital.first_date, "to": hospital.last_date}
    try:
        with (
            archive.serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # Airflow and its libraries use what they deprecate
            warnings.filterwarnings("error", module="mpss_")
            os.environ["AIRFLOW_CONN_MPSS_PACS"] = json.dumps(
                {
                    "conn_type": "dicom",
                    "host": "127.0.0.1",
                    "port": server.port,
                    "extra": {"called_aet": "DEMOPACS", "calling_aet": "MPSS"},
                }
            )
            for dag in dagbag.dags.values():
                for task in dag.tasks:
                    task.retries = 0  # a failure shows at once
            for turn, conf in (("first", window), ("second", window)):
                for dag_id in ("mpss_clinical", "mpss_ingest", "mpss_evaluate"):
                    run = dagbag.dags[dag_id].test(run_conf=conf if dag_id == "mpss_ingest" else {})
                    result.states[turn, dag_id] = str(run.state)
                    if dag_id == "mpss_ingest":
                        result.answers.append(counts_of(run))
                result.feature_bytes.append(digests(result.lake))
            empty = dagbag.dags["mpss_ingest"].test(
                run_conf={"from": "1990-01-01", "to": "1990-01-02"}
            )
            result.states["empty", "mpss_ingest"] = str(empty.state)
        yield result
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_CONNECTIONS = ("AIRFLOW_CONN_MPSS_PACS", "AIRFLOW_CONN_MPSS_REGISTRY")


def counts_of(run):
    """What ``night_verdict`` answered."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        row = session.scalars(
            select(XComModel).where(
                XComModel.run_id == run.run_id,
                XComModel.task_id == "night_verdict",
                XComModel.key == "return_value",
            )
        ).one()
        return XComModel.deserialize_value(row)
