"""What breaks at night: a batch, the PACS, an object, the registry. The rest goes on."""

import io
import json
import logging
import re
import sys
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from peer import Peer, Script, free_port

from mpss_lib import cli

pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.pacs]

N_STUDIES = 9
BATCH = 3
SETTINGS = f"""
[cohort]
accept = "pass"
[batch]
min_batch = {BATCH}
fault_share = 0.4
[pull]
fetch_attempts = 1
"""
PASSWORD = "only-for-this-test"  # noqa: S105


@dataclass
class Site:
    """A home with a small archive whose objects can be damaged and mended."""

    root: Path
    hospital: object
    archive: object
    studies: dict
    """Study key -> SOP Instance UIDs, in the order of the keys."""
    damaged: set = field(default_factory=set)

    @property
    def lake(self):
        from mpss_lib.tables import Lake

        return Lake(self.root / "lake")

    @property
    def batches(self):
        keys = list(self.studies)
        return [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]

    @property
    def broken(self):
        """Two of three studies of the first batch, one of the second."""
        return [*self.batches[0][:2], self.batches[1][0]]

    def rows(self, sql):
        from mpss_lib.warehouse.reader import rows

        return rows(self.lake, sql)

    def flow(self):
        return {
            row["study_key"]: row["reason"]
            for row in self.rows("select study_key, reason from core.cohort_flow")
        }

    def featured(self):
        found = self.rows("select distinct study_key from feature.radiomics")
        return {row["study_key"] for row in found}

    def shorten(self, dataset):
        """What a truncated file is: pixel data that end too early."""
        if dataset.SOPInstanceUID in self.damaged:
            dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 4 * 2]

    def damage(self, *keys):
        self.damaged.update(uid for key in keys for uid in self.studies[key])


@dataclass
class Night:
    """What was seen right after the bad night."""

    run: object
    said: str
    flow: dict
    featured: set
    quarantined: list
    left: list
    """Files of broken studies that should not be there."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from pydicom import dcmread

    from mpss_lib.demo.archive import Archive
    from mpss_lib.demo.cohort import make_hospital
    from mpss_lib.pull.vault import Vault

    root = tmp_path_factory.mktemp("faults")
    (root / "mpss.toml").write_text(SETTINGS)
    hospital = make_hospital(root / "hospital", patients=2, workers=1)
    archive = Archive(root / "archive")
    vault = Vault(root / "vault.sqlite")
    found = {}
    for path in sorted(hospital.objects.glob("*.dcm")):
        header = dcmread(path, stop_before_pixels=True)
        found.setdefault(vault.study_key(header.StudyInstanceUID), []).append((path, header))
    chosen = dict(sorted(found.items())[:N_STUDIES])
    for objects in chosen.values():
        archive.add(*(path for path, _ in objects))
    studies = {
        key: [str(header.SOPInstanceUID) for _, header in objects]
        for key, objects in chosen.items()
    }
    return Site(root, hospital, archive, studies)


@pytest.fixture(autouse=True)
def quick_and_quiet(monkeypatch, site, airflow_database, dagbag):
    prepare(monkeypatch, site, dagbag)


def prepare(monkeypatch, site, dagbag):
    """No retry (a failure shows at once); the home and the registry of this module."""
    monkeypatch.setenv("MPSS_HOME", str(site.root))
    monkeypatch.setenv("MPSS_ARCHIVE__PATIENCE_H", "0")
    set_registry(monkeypatch, site.hospital.registry_url)
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            monkeypatch.setattr(task, "retries", 0)


def set_archive(monkeypatch, port, called="HOSPITAL", calling="MPSS"):
    extra = {"called_aet": called, "calling_aet": calling}
    connection = {"conn_type": "dicom", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MPSS_PACS", json.dumps(connection))


def set_registry(monkeypatch, url):
    connection = {"conn_type": "generic", "extra": {"url": url}}
    monkeypatch.setenv("AIRFLOW_CONN_MPSS_REGISTRY", json.dumps(connection))


@contextmanager
def serving(site, monkeypatch):
    with Peer(site.archive, Script(edit_object=site.shorten)) as server:
        set_archive(monkeypatch, server.port)
        yield server


def run(dagbag, dag_id, **conf):
    """Run a DAG to its end: the run, and everything that it said."""
    said = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(said):
        warnings.simplefilter("ignore")  # Airflow and its libraries use what they deprecate
        warnings.filterwarnings("error", module="mpss_")
        done = dagbag.dags[dag_id].test(run_conf=conf)
    return done, said.getvalue()


def ingest(dagbag, site, *, whole=True):
    first, last = site.hospital.first_date, site.hospital.last_date
    return run(dagbag, "mpss_ingest", **{"from": first, "to": last if whole else first})


def states(done):
    """Count the states of each task of a run."""
    found = {}
    for instance in done.get_task_instances():
        found.setdefault(instance.task_id, Counter())[str(instance.state)] += 1
    return found


def failure(said):
    """The lines with which tasks failed."""
    return [line for line in said.splitlines() if "AirflowFailException: " in line]


@pytest.fixture(scope="module")
def bad_night(site, dagbag, airflow_database):
    """One night: two of three studies of the first batch are truncated, one of the second."""
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, site, dagbag)
        imported, _ = run(dagbag, "mpss_clinical")
        assert str(imported.state) == "success"
        site.damage(*site.broken)
        with serving(site, patch):
            done, said = ingest(dagbag, site)
    left = [path for key in site.broken for path in site.lake.dicom_folder(key).glob("*")]
    left += list((site.root / "staging").iterdir())
    return Night(done, said, site.flow(), site.featured(), site.lake.quarantined(), left)


def test_a_failed_batch_leaves_the_others_published_and_the_run_red(bad_night, site):
    flow, featured = bad_night.flow, bad_night.featured
    assert str(bad_night.run.state) == "failed"
    found = states(bad_night.run)
    assert found["batch.fetch"] == {"failed": 1, "success": 2}
    assert found["batch.radiomics"] == {"upstream_failed": 1, "success": 2}
    for task in ("find_studies", "snapshot", "predict", "snapshot_predictions"):
        assert found[task] == {"success": 1}, task
    assert found["night_verdict"] == {"failed": 1}
    sound = {key for batch in site.batches[1:] for key in batch} - {site.batches[1][0]}
    assert featured
    assert featured <= sound
    assert featured | {key for key in sound if flow[key] == "intake_rejected"} == sound
    fetch, verdict = failure(bad_night.said)
    assert "pull: 2 of 3 studies quarantined" in fetch
    assert "way out: read `mpss quarantine ls`" in fetch
    assert "8 tasks failed: batch.fetch_0: failed; batch.calcium_0: upstream_failed; " in verdict


def test_every_study_of_the_bad_night_has_its_reason(bad_night, site):
    flow = bad_night.flow
    assert set(flow) == set(site.studies)
    quarantined = {key for key, reason in flow.items() if reason == "pull_quarantined"}
    assert quarantined == set(site.broken)
    assert flow[site.batches[0][2]] == "intake_missing"
    summary = site.rows("select sum(n_studies) as n from core.cohort_flow_summary")
    assert summary == [{"n": N_STUDIES}]


def test_a_truncated_object_says_what_and_the_way_out(bad_night, site):
    assert {row["study_key"] for row in bad_night.quarantined} == set(site.broken)
    for row in bad_night.quarantined:
        assert row["stage"] == "pull"
        assert row["error"] == "DicomFileError"
        assert re.search(r"pixel data of \d+ bytes, its header says \d+", row["problem"])
        assert "mpss quarantine retry" in row["way_out"]
    assert bad_night.left == []


def retry_by_hand(monkeypatch):
    """``mpss quarantine retry``: its exit status."""
    monkeypatch.setattr(sys, "argv", ["mpss", "quarantine", "retry"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def test_what_is_mended_goes_on_and_in_the_end_nothing_is_missing(
    bad_night, site, dagbag, monkeypatch
):
    from mpss_airflow.maintenance import retry_quarantined

    monkeypatch.setattr("mpss_airflow.batch.current_run", lambda: "by hand")
    monkeypatch.setenv("MPSS_ARCHIVE__CALLED_AET", "HOSPITAL")
    mended, *broken = sorted(site.broken)
    with serving(site, monkeypatch) as server:
        monkeypatch.setenv("MPSS_ARCHIVE__PORT", str(server.port))
        assert retry_by_hand(monkeypatch) == 1
        assert {row["tries"] for row in site.lake.quarantined()} == {2}
        # One is mended: the weekly retry takes it on, though too many are still broken.
        site.damaged.difference_update(site.studies[mended])
        counts = retry_quarantined()
        found = {name: counts["pull"][name] for name in ("given", "done", "quarantined")}
        assert found == {"given": 3, "done": 1, "quarantined": 2}
        assert counts["intake"]["given"] == 1
        assert {row["study_key"] for row in site.lake.quarantined()} == set(broken)
        site.damaged.clear()
        assert retry_by_hand(monkeypatch) == 0
        assert site.lake.quarantined() == []
        # The sound study of the failed batch waits for its batch: the same window again.
        done, said = ingest(dagbag, site)
    assert str(done.state) == "success", failure(said)
    flow = site.flow()
    assert set(flow) == set(site.studies)
    stages = ("pull", "intake", "segmentation", "quality", "radiomics")
    stuck = {f"{stage}_{why}" for stage in stages for why in ("missing", "quarantined")}
    assert not stuck & set(flow.values())
    rejected = {key for key, reason in flow.items() if reason == "intake_rejected"}
    assert site.featured() == set(site.studies) - rejected


@pytest.mark.parametrize("case", ["down", "unknown caller", "other name"])
def test_an_archive_that_does_not_serve_us_is_named(case, bad_night, site, dagbag, monkeypatch):
    before = site.flow()
    calling, called = ("STRANGER" if case == "unknown caller" else "MPSS"), "DEMOPACS"
    with site.archive.serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server:
        port = free_port() if case == "down" else server.port
        called = "OTHERPACS" if case == "other name" else "DEMOPACS"
        set_archive(monkeypatch, port, called, calling)
        done, said = ingest(dagbag, site)
    assert str(done.state) == "failed"
    found = states(done)
    assert found["find_studies"] == {"failed": 1}
    assert found["night_verdict"] == {"failed": 1}
    find, verdict = failure(said)
    where = f"127.0.0.1:{port} (called {called}, calling {calling})"
    if case == "down":
        assert f"nobody answers at {where} | way out: check host and port" in find
        assert "(waited for 0 minutes: archive.patience_h)" in find
    else:
        assert f"the archive at {where} refused us" in find
        assert "way out: let the PACS team enter our AE title" in find
    assert "find_studies: failed" in verdict
    assert site.flow() == before


def test_an_archive_that_is_away_is_waited_for_and_the_run_goes_green(
    bad_night, site, dagbag, monkeypatch, caplog
):
    """A night of which the archive has nothing: it is asked twice while it is away, and again."""
    monkeypatch.setenv("MPSS_ARCHIVE__PATIENCE_H", "1")
    monkeypatch.setattr("mpss_airflow.patience.FIRST_PAUSE_S", 1.0)
    port = free_port()
    set_archive(monkeypatch, port, "DEMOPACS")
    told = []

    def hear(record):
        told.append(record.getMessage())
        if len(told) == 2:
            stack.enter_context(
                site.archive.serve(port=port, aet="DEMOPACS", allowed_aets=["MPSS"])
            )
        return True

    waits = logging.getLogger("mpss_airflow.patience")
    with ExitStack() as stack:
        waits.addFilter(hear)
        stack.callback(waits.removeFilter, hear)
        done, said = run(dagbag, "mpss_ingest", **{"from": "2001-01-01", "to": "2001-01-01"})
    assert str(done.state) == "success", failure(said)
    assert "the task is tried again in 1 s (waited for 0 of 60 minutes)" in caplog.text
    assert len(told) == 2
    [found] = [one for one in done.get_task_instances() if one.task_id == "find_studies"]
    assert (str(found.state), found.try_number) == ("success", 1)


@pytest.fixture
def sleeping_database(monkeypatch):
    """A kind of database whose server never answers, and whose driver tells the password."""
    from sqlalchemy.dialects import registry
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

    class Sleeping(SQLiteDialect_pysqlite):
        def create_connect_args(self, url):
            return [], {"url": url.render_as_string(hide_password=False)}

        def connect(self, url):
            raise self.dbapi.OperationalError(f"connection refused: {url}")

    monkeypatch.setitem(registry.impls, "sleeping", lambda: Sleeping)
    return "sleeping"


def test_a_registry_that_is_down_is_named_without_its_password(
    bad_night, site, dagbag, monkeypatch, sleeping_database
):
    before = site.rows("select * from core.clinical order by all")
    assert before
    set_registry(monkeypatch, f"{sleeping_database}://reader:{PASSWORD}@registry.example:5432/x")
    done, said = run(dagbag, "mpss_clinical")
    assert str(done.state) == "failed"
    assert states(done)["import_registry"] == {"failed": 1}
    assert states(done)["snapshot"] == {"upstream_failed": 1}
    assert PASSWORD not in said
    [told] = failure(said)
    assert "registry sleeping://reader:***@registry.example:5432/x does not answer" in told
    assert "way out: check that it runs, the network, and user and password" in told
    assert site.rows("select * from core.clinical order by all") == before


def test_a_registry_file_that_is_gone_is_named(bad_night, site, dagbag, monkeypatch):
    before = site.rows("select * from core.clinical order by all")
    set_registry(monkeypatch, f"sqlite:///{site.root / 'gone.sqlite'}")
    done, said = run(dagbag, "mpss_clinical")
    assert str(done.state) == "failed"
    [told] = failure(said)
    assert "gone.sqlite is not there | way out: check the path" in told
    assert site.rows("select * from core.clinical order by all") == before
    assert not (site.root / "gone.sqlite").exists()
