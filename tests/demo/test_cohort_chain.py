"""Demo hospital -> archive -> pull -> intake over real sockets: each object meets its reason."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from standin_phantom import hollow_sphere

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.demo.plan import EXPECTED_FLOW
from mpss_lib.intake import stage as intake
from mpss_lib.pull import stage as pull
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake

CONFIG = Config()


@pytest.mark.pacs
def test_each_object_arrives_and_meets_its_reason(tmp_path):
    hospital = make_hospital(tmp_path / "hospital", patients=10, workers=1, maker=hollow_sphere)
    lake = Lake(tmp_path / "lake")
    archive = Archive(tmp_path / "archive")
    assert archive.add(*hospital.objects.glob("*.dcm")).stored == hospital.n_objects
    with archive.serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server:
        pacs = ArchiveSettings(port=server.port, called_aet="DEMOPACS")
        sites = Sites(tmp_path / "vault.sqlite", tmp_path / "staging", pacs, hospital.registry_url)
        window = (
            date.fromisoformat(hospital.first_date),
            date.fromisoformat(hospital.last_date),
        )
        keys = pull.find(window, lake, CONFIG, sites)
        assert len(keys) == hospital.n_studies
        pulled = Counter(pull.run(key, lake, CONFIG, sites).status for key in keys)
        registry = pull.import_registry(lake, CONFIG, sites)
    assert pulled == {"done": hospital.n_studies}
    vault = Vault(sites.vault)
    studies = hospital.truth["studies"]
    outcomes = {}
    for study in studies:
        key = vault.study_key(study["study_instance_uid"])
        outcomes[key] = intake.run(key, lake, CONFIG).status
        assert got_reasons(lake, key) == expected_reasons(study, vault), study["role"]
        is_refused = EXPECTED_FLOW[study["role"]] == ("intake_rejected",)
        assert outcomes[key] == ("rejected" if is_refused else "done")
    assert set(outcomes) == set(keys)
    assert registry["given"] == sum(study["has_row"] for study in studies)
    assert registry["rejected"] == sum(bool(study["mistakes"]) for study in studies)


def got_reasons(lake: Lake, key: str) -> Counter[tuple[str, ...]]:
    """Reasons of each object of pull and intake, by object (or by series left behind)."""
    found: Counter[tuple[str, ...]] = Counter()
    for row in lake.rows("instance", CONFIG.address("pull"), key):
        if not row["is_stored"]:
            found[(row["series_key"], row["reason"])] += row["n_objects"]
    for row in lake.rows("volume", CONFIG.address("intake"), key):
        found[(row["series_key"], *row["reasons"])] += 1
        assert row["is_chosen"] == (not row["reasons"])
    return found


def expected_reasons(study: dict, vault: Vault) -> Counter[tuple[str, ...]]:
    return Counter(
        (vault.uid(one["series_instance_uid"]), *one["expected"]) for one in study["objects"]
    )
