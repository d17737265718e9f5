"""Each example runs as it stands, in a folder of its own, against a small evaluated home."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated_lake import Builder, fabricate, row, settings
from typer.testing import CliRunner

import mpss_lib
from mpss_lib import cli
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CONFIGURATIONS = ("radiomics", "clinical", "combined")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("examples-home")
    build = Builder(Lake(root / "lake"), settings())
    fabricate(build)
    stage.run(build.lake, build.config)
    cohort = stage.freeze_cohort(build.lake, build.config)
    build.evaluate(cohort)
    runs(build, {"cohort_hash": cohort, "profile": "as_published"})
    stage.run(build.lake, build.config)
    return root


def runs(build, start):
    """What an evaluation writes of its runs: figures 5 to 8 of the paper are drawn from it."""
    rng = np.random.default_rng(1)
    found = {
        "split_result": [
            start | {"segment": segment, "configuration": one, "outer": k, "r": r, "is_valid": True}
            for segment in SEGMENTS
            for one in CONFIGURATIONS
            for k, r in enumerate(rng.uniform(-0.3, 0.6, 4))
        ],
        "univariate": [
            start
            | {"segment": segment, "outcome": "raw", "feature": name, "rho": rng.uniform(-0.4, 0.4)}
            for segment in SEGMENTS
            for name in ("morph_volume", "ih_entropy")
        ],
    }
    pairs = [
        start | {"family": "glcm", "averaged": f"a{k}", "merged": f"m{k}", "rho": 0.9 + 0.01 * k}
        for k in range(5)
    ]
    cohort = start["cohort_hash"]
    for name, rows in (*found.items(), ("variety_correlation", pairs)):
        written = build.write(name, cohort, [row(name, **one) for one in rows])
        unit = "selection" if name == "variety_correlation" else "evaluation"
        build.record(unit, f"{cohort}-{name}", "done", [written])
    build.flush("more")


@pytest.fixture
def run(home, tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return lambda name: runpy.run_path(str(EXAMPLES / name))


def test_every_example_is_run_here():
    here = Path(__file__).read_text()
    assert [p.name for p in EXAMPLES.glob("*.py") if f'run("{p.name}")' not in here] == []
    assert [p.name for p in EXAMPLES.glob("*.R") if f'EXAMPLES / "{p.name}"' not in here] == []


def test_figures_and_tables_of_the_paper(run, tmp_path):
    run("paper_figures.py")
    drawn = {path.stem for path in (tmp_path / "paper").glob("*.png")}
    assert drawn == {"table_3", *(f"figure_{k}" for k in (4, 5, 6, 7, 8))}
    read = {p.stem: pd.read_csv(p) for p in (tmp_path / "paper").glob("*.csv")}
    assert read["flow"]["n_left"].iloc[-1] == read["figure_4"]["patients"].sum() == 3
    assert read["table_2"]["feature"].tolist() == ["morph_volume", "ih_entropy"]
    assert read["table_3"]["fisher"].tolist() == [90.0, 150.0]
    assert len(read["figure_8"]) == 4 * len(SEGMENTS) * len(CONFIGURATIONS)


def test_robustness_of_features(run, capsys):
    made = run("robustness.py")
    icc = dict(zip(made["names"], made["icc"], strict=True))
    assert made["table"].shape == (10, 5, 487)
    assert icc["cm_corr_3D_avg"] > 0.9 > 0.5 > icc["ih_max_grad"]
    assert "features have an ICC of .75 and more" in capsys.readouterr().out


def test_a_nifti_of_ones_own(run, tmp_path):
    made = run("own_nifti.py")
    assert made["spacing_mm"] == (3.0, 2.0, 2.0)
    written = pd.read_csv(tmp_path / "features.csv").set_index("feature")["value"]
    assert len(written) == 487
    voxels_ml = made["ball"].sum() * 12 / 1000
    assert written["morph_volume"] / 1000 == pytest.approx(voxels_ml, rel=0.05)
    assert written["stat_mean"] == pytest.approx(made["made"][made["ball"]].mean(), abs=1.0)


def test_beside_mirp(tmp_path):
    program = os.environ.get("MIRP_PYTHON")
    if program is None:
        pytest.skip("MIRP_PYTHON names no Python that has the engine and MIRP")
    place = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = [program, EXAMPLES / "beside_mirp.py"]
    done = subprocess.run(
        script, capture_output=True, text=True, check=True, cwd=tmp_path, env=place
    )
    assert "487 features of 487 are in both" in done.stdout
    both = pd.read_csv(tmp_path / "beside_mirp.csv").set_index("feature")
    assert both[["engine", "mirp"]].notna().all(axis=None)
    no_algorithm = both.index.str.contains("ombb|mvee")
    assert no_algorithm.sum() == 4
    close = both[~no_algorithm]
    np.testing.assert_allclose(close["engine"], close["mirp"], rtol=2e-6, atol=1e-6)
    assert (close["difference"] <= 1e-9).sum() > 440


def test_without_mirp_nothing_is_compared(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mirp", None)  # an import of it fails, as where it is not
    with pytest.raises(SystemExit, match="MIRP is not installed in this Python"):
        run("beside_mirp.py")
    assert list(tmp_path.iterdir()) == []


def test_the_lake_in_polars(run):
    made = run("lake_in_polars.py")
    assert made["joined"]["study_key"].n_unique() == 3
    assert made["myo"].collect().height > 3


def test_the_warehouse_in_r(home, tmp_path, monkeypatch):
    program = shutil.which("Rscript")
    if program is None:
        pytest.skip("R is not installed")
    monkeypatch.setenv("MPSS_HOME", str(home))
    script = EXAMPLES / "lake_in_R.R"
    lines = re.findall(r"^#   (mpss sql .*)$", script.read_text(), re.M)
    assert len(lines) == 2
    monkeypatch.chdir(tmp_path)
    for line in lines:
        told = CliRunner().invoke(cli.app, shlex.split(line)[1:])
        assert told.exit_code == 0, told.output
    done = subprocess.run([program, script], capture_output=True, text=True, check=True)
    with mpss_lib.open_warehouse() as snapshot:
        scores = snapshot.sql("select study_key, cac_total from core.cohort").df()
    features = mpss_lib.feature_matrix(segment="MYO", bins=64)
    both = features.join(scores.set_index("study_key"), how="inner")
    rho = both[features.columns].rank().corrwith(both["cac_total"].rank()).abs()
    told = re.findall(r"-?\d\.\d+", done.stdout)
    wanted = rho.nlargest(10).dropna().to_numpy()
    assert len(told) == len(wanted) > 5
    np.testing.assert_allclose(np.array(told, dtype=float), wanted, atol=1e-6)
