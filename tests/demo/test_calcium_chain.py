"""Demo hospital with CTs and reports -> archive -> companions -> calcium: the truth comes back."""

from __future__ import annotations

from datetime import date

import pytest

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.batch import run_stage
from mpss_lib.config import Config, Sites
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.chest import ARTERIES
from mpss_lib.demo.cohort import make_hospital
from mpss_lib.pull import stage as pull
from mpss_lib.pull.vault import Vault
from mpss_lib.tables import Lake

ASKED = {"calcium_reports": True, "calcium_ct": True}
CONFIG = Config.model_validate({"companions": ASKED})
STAGES = ("pull", "intake", "segmentation", "companions", "calcium")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Truth and rows of the studies of three patients with a CT, by study key."""
    root = tmp_path_factory.mktemp("calcium")
    hospital = make_hospital(root / "hospital", patients=5, seed=12, workers=1, with_ct=True)
    archive = Archive(root / "archive")
    assert archive.add(*hospital.objects.glob("*.dcm")).stored == hospital.n_objects
    lake = Lake(root / "lake")
    with archive.serve(aet="DEMOPACS", allowed_aets=["MPSS"]) as server:
        pacs = ArchiveSettings(port=server.port, called_aet="DEMOPACS")
        sites = Sites(root / "vault.sqlite", root / "staging", pacs)
        window = (
            date.fromisoformat(hospital.first_date),
            date.fromisoformat(hospital.last_date),
        )
        found = pull.find(window, lake, CONFIG, sites)
        assert len(found) == hospital.n_studies  # the calcium studies are none of them
        vault = Vault(sites.vault)
        truth = {
            vault.study_key(one["study_instance_uid"]): one["calcium"]
            for one in hospital.truth["studies"]
            if one["role"] == "regular" and not one["artefact"] and one["calcium"]["planted"]
        }
        keys = list(truth)[:3]
        for stage in STAGES:
            keys = list(run_stage(stage, keys, lake, CONFIG, sites).keys)
    return {key: (truth[key], rows_of(lake, key)) for key in keys}


def rows_of(lake, key):
    rows = lake.rows("calcium_source", CONFIG.address("calcium"), key)
    return sorted(rows, key=lambda row: (row["kind"], not row["is_counted"]))


def test_the_report_that_counts_has_the_scores_of_the_truth(chain):
    assert chain
    for told, rows in chain.values():
        final = next(row for row in rows if row["kind"] == "report")
        assert final["is_counted"]
        assert final["days"] == told["cac_days"]
        got = {name: final[name.lower()] for name in ARTERIES}
        assert got == pytest.approx(told["reported"], abs=1e-6)
        assert final["total"] == pytest.approx(sum(told["reported"].values()), abs=0.05)
        reports = [row for row in rows if row["kind"] == "report"]
        assert len(reports) == 1 + told["has_draft"]
        assert [row["reason"] for row in reports[1:]] == ["superseded"] * told["has_draft"]


def test_the_ct_has_the_score_that_was_planted(chain):
    """What counts is right; calcium near the aorta's root may be taken for its own, and waits."""
    for told, rows in chain.values():
        (scan,) = (row for row in rows if row["kind"] == "calcium_ct")
        planted = told["planted"]
        assert scan["state"] == "scored"
        assert scan["has_surface"]
        assert scan["is_counted"] == (scan["n_waiting"] == 0)
        assert scan["total"] <= sum(planted.values()) + 1e-6
        if scan["is_counted"]:
            assert scan["total"] == pytest.approx(sum(planted.values()), rel=0.01, abs=2.0)
            for name in ("LCX", "RCA"):
                assert scan[name.lower()] == pytest.approx(planted[name], rel=0.01, abs=2.0)
