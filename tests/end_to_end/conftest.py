"""One small hospital, taken through the DAGs twice; every test of this folder looks at it."""

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from quick_evaluation import quick_evaluation

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


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Whatever is evaluated or predicted again is done as the nights did it."""
    with quick_evaluation(has_figures=True):
        yield


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
    with pytest.MonkeyPatch.context() as patch, quick_evaluation(has_figures=True):
        run_nights(result, archive, dagbag, patch)
    return result


def run_nights(night, archive, dagbag, patch):
    """Two nights, and one of nothing; what is set for them ends with them."""
    hospital = night.hospital
    url = {"conn_type": "generic", "extra": {"url": hospital.registry_url}}
    patch.setenv("MPSS_HOME", str(night.root))
    patch.setenv("AIRFLOW_CONN_MPSS_REGISTRY", json.dumps(url))
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            patch.setattr(task, "retries", 0)  # a failure shows at once
    window = {"from": hospital.first_date, "to": hospital.last_date}
    nothing = {"from": "1990-01-01", "to": "1990-01-02"}
    with (
        archive.serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # Airflow and its libraries use what they deprecate
        warnings.filterwarnings("error", module="mpss_")
        extra = {"called_aet": "DEMOPACS", "calling_aet": "MPSS"}
        where = {"conn_type": "dicom", "host": "127.0.0.1", "port": server.port, "extra": extra}
        patch.setenv("AIRFLOW_CONN_MPSS_PACS", json.dumps(where))
        for turn in ("first", "second"):
            for dag_id in ("mpss_clinical", "mpss_ingest", "mpss_evaluate"):
                run = dagbag.dags[dag_id].test(run_conf=window if dag_id == "mpss_ingest" else {})
                night.states[turn, dag_id] = str(run.state)
                if dag_id == "mpss_ingest":
                    night.answers.append(counts_of(run))
            night.feature_bytes.append(digests(night.lake))
        empty = dagbag.dags["mpss_ingest"].test(run_conf=nothing)
        night.states["empty", "mpss_ingest"] = str(empty.state)


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
