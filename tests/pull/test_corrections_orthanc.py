"""A real archive (Orthanc) that replaces, moves and deletes studies after their night."""

from __future__ import annotations

import json
import urllib.request
from datetime import date

import orthanc
import pytest
from pacs_objects import make_nm
from real_archives import store

from mpss_lib import upstream
from mpss_lib.dicom import to_bytes
from mpss_lib.errors import SameUidOtherBytesError
from mpss_lib.pull import stage
from mpss_lib.pull.upstream.reconcile_door import reconcile
from mpss_lib.pull.vault import Vault

pytestmark = pytest.mark.pacs

MARCH = (date(2026, 3, 1), date(2026, 3, 31))


class Hospital:
    """Orthanc with four studies that were pulled; ``replace`` is what a PACS team does."""

    def __init__(self, server, installed, folder):
        self.server, self.installed, self.folder = server, installed, folder
        self.n_sent = 0

    def send(self, *datasets):
        folder = self.folder / f"sent-{self.n_sent}"
        folder.mkdir()
        self.n_sent += 1
        for number, dataset in enumerate(datasets):
            (folder / f"{number}.dcm").write_bytes(to_bytes(dataset))
        store(self.installed, self.server.aet, self.server.port, folder)

    def delete(self, number):
        for study in json.loads(self.server.ask("/studies")):
            tags = json.loads(self.server.ask(f"/studies/{study}"))["MainDicomTags"]
            if tags["StudyInstanceUID"] == make_nm(number).StudyInstanceUID:
                url = f"http://127.0.0.1:{self.server.http}/studies/{study}"
                urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10)

    def replace(self, number, **attributes):
        self.delete(number)
        self.send(make_nm(number, **attributes))


@pytest.fixture
def hospital(installed, tmp_path):
    with orthanc.running(installed("Orthanc"), tmp_path / "orthanc") as server:
        yield Hospital(server, installed, tmp_path)


def test_what_a_pacs_team_does_is_named_and_followed(hospital, sites_of, lake, config):
    sites = sites_of(hospital.server.port, called_aet=hospital.server.aet, dimse_timeout_s=20)
    hospital.send(*(make_nm(n) for n in range(1, 6)))
    for key in stage.find(MARCH, lake, config, sites):
        stage.run(key, lake, config, sites)
    assert reconcile(MARCH, lake, config, sites).found == ()

    hospital.delete(1)
    hospital.replace(2, study_date="20260420")
    hospital.replace(3, PatientID="HOSP-MERGED")
    hospital.send(make_nm(4, series=2))
    hospital.send(make_nm(6, study_date="20260310"))

    vault = Vault(sites.vault)
    key = {n: vault.study_key(make_nm(n).StudyInstanceUID) for n in range(1, 7)}
    found = {(one.study_key, one.kind) for _, one in reconcile(MARCH, lake, config, sites).found}
    assert found == {
        (key[1], "deleted"), (key[2], "moved"), (key[3], "merged"), (key[4], "changed"),
        (key[6], "missing"),
    }  # fmt: skip


def test_a_replaced_object_waits_and_is_accepted(hospital, sites_of, lake, config):
    sites = sites_of(hospital.server.port, called_aet=hospital.server.aet, dimse_timeout_s=20)
    hospital.send(make_nm(1))
    [key] = stage.find(MARCH, lake, config, sites)
    stage.run(key, lake, config, sites)
    [old] = lake.rows("instance", config.address("pull"), key)

    hospital.replace(1, PatientWeight="99")
    assert stage.run(key, lake, config, sites, force=True).status == "done"
    hospital.replace(1, seed=4711)
    assert stage.run(key, lake, config, sites).status == "skipped"
    with pytest.raises(SameUidOtherBytesError, match="PixelData"):
        stage.run(key, lake, config, sites, force=True)
    assert stage.run(key, lake, config, sites, accepts=True).status == "done"

    [new] = lake.rows("instance", config.address("pull"), key)
    assert (new["object_key"], new["path"]) != (old["object_key"], old["path"])
    assert (lake.root / old["path"]).is_file()
    hospital.delete(1)
    assert stage.run(key, lake, config, sites).status == "skipped"
    assert [one.kind for one in upstream.noted(lake)] == ["deleted"]
