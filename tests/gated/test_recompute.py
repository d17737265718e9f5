"""Gates asked for in a published home: recompute, and the LVEF that the cohort takes from them."""

import numpy as np
import pytest
from fabricated_lake import Builder, fabricate, row
from imaging_objects import HABITS, SUBJECT

from mpss_lib.config import Config, sites_of
from mpss_lib.demo.beating import make_gated
from mpss_lib.demo.nm_modules import SeriesText
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import to_bytes
from mpss_lib.maintenance.outdated import outdated
from mpss_lib.maintenance.recompute import recompute
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.reader import rows
from mpss_lib.whole_files import write_bytes

BEFORE = {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1}}
OFF = Config.model_validate(BEFORE)
FIRST = {"accept": "pass", "lvef_source": "gated_else_registry"}
ON = Config.model_validate(BEFORE | {"gated": {"measure": True}, "cohort": FIRST})
STUDY = "s01"
CLEAR = {"gates": (8.0, 8.0), "voxel_mm": (6.4, 6.4), "is_short_axis": (0.0, 0.0),
         "edv_ml": (120.0, 120.0), "ejection": (50.0, 50.0), "noise": (0.05, 0.05)}  # fmt: skip


@pytest.fixture
def published(tmp_path):
    """A published lake; one study has a gated series beside the chosen one."""
    lake = Lake(tmp_path / "home" / "lake")
    build = Builder(lake, OFF)
    fabricate(build)
    heart = make_gated(77, CLEAR)
    slots = np.stack([one.array for one in heart.gates])
    text = SeriesText("2.25.31", "2.25.41", 1, "STRESS GATED AC")
    path = lake.dicom_folder(STUDY) / "gates.dcm"
    write_bytes(path, to_bytes(nm_dataset(heart.gates[0], SUBJECT, text, HABITS, gated=slots)))
    told = {"study_key": STUDY, "stress": "stress", "orientation": "transaxial"}
    chosen = row("volume", **told, series_key=f"{STUDY}ac", object_key=f"{STUDY}o1", is_chosen=True)
    gates = row("volume", **told, series_key=f"{STUDY}nac", object_key=f"{STUDY}o2",
                reasons=["not_best"], n_time_slots=8, path=lake.relative(path))  # fmt: skip
    build.record("intake", STUDY, "done", [build.write("volume", STUDY, [chosen, gates], salt="g")])
    build.flush()
    stage.run(lake, OFF)
    return lake, heart.percent


def covariates(lake, config):
    """Ejection fraction in the cohort that evaluation would see, by study."""
    cohort = stage.freeze_cohort(lake, config)
    stage.run(lake, config)
    asked = "select study_key, lvef from core.cohort_member where cohort_hash = ?"
    found = rows(lake, asked, [cohort])
    return {one["study_key"]: one["lvef"] for one in found}


def test_gates_are_measured_published_and_count_where_they_are_asked_for(published):
    lake, percent = published
    before = covariates(lake, OFF)
    assert before[STUDY] == 60.0
    home = Home(lake.root.parent, lake, ON, sites_of(ON, lake.root.parent))
    steps = {step.stage: step.keys for step in outdated(lake, ON)}
    assert STUDY in steps["gated"]
    left = recompute(home, activate=True, tell=lambda line: None)
    assert [step.stage for step in left] == []
    found = {one["study_key"]: one for one in rows(lake, "from core.ejection")}
    assert set(found) == set(steps["gated"])
    assert found[STUDY]["state"] == "measured"
    assert found[STUDY]["is_sure"]
    assert {one["state"] for key, one in found.items() if key != STUDY} == {"no_gates"}
    assert found[STUDY]["lvef"] == pytest.approx(percent, abs=5.0)
    after = covariates(lake, ON)
    assert after == before | {STUDY: found[STUDY]["lvef"]}
