"""Every table comes again with the same bytes: its files are taken away, its stage does them anew.

Two kinds are left out. ``review`` states when a physician decided: a decision is no calculation
and cannot be repeated. What ``pull`` writes comes from PACS and registry, which do not run here;
``tests/pull`` fetches and imports the same twice and compares.
"""

import hashlib
import os
import pwd
import shutil
import tempfile
from pathlib import Path

import pytest
from other_account import NOBODY, in_nobodys_name, is_root

from mpss_lib import config as settings
from mpss_lib.batch import run_stage
from mpss_lib.schemas import TABLES, tables_of
from mpss_lib.secrecy import seal
from mpss_lib.tables import Lake, read_parquet
from mpss_lib.warehouse.stage import rebuild

TIMED = {"review"}
FROM_OUTSIDE = {table.name for table in tables_of("pull")}
STUDY_STAGES = ("intake", "segmentation", "quality", "radiomics", "publication")


@pytest.fixture(scope="module")
def copy(night, tmp_path_factory):
    """The lake after the nights, to be taken apart; the settings with which it was made."""
    root = tmp_path_factory.mktemp("again")
    shutil.copytree(night.root / "lake", root / "lake")
    (root / "mpss.toml").write_bytes((night.root / "mpss.toml").read_bytes())
    config = settings.load(root)
    rebuild(Lake(root / "lake"), config)
    return Lake(root / "lake"), config, settings.sites_of(config, root)


@pytest.fixture(scope="module")
def cohort(copy):
    [found] = {path.name for path in (copy[0].root / "landing" / "model").rglob("cohort=*")}
    return found.split("=")[1].split(".")[0]


def files(lake, names, unit=""):
    """Landing files of some tables (of one unit and its parts), each with its bytes' digest."""
    found = [p for name in names for p in (lake.root / "landing" / name).rglob("*.parquet")]
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.name.split("=")[1].startswith(unit)
    }


def comes_again(lake, names, work, unit=""):
    """Take the files away, do the work, compare; every table must have had some."""
    before = files(lake, names, unit)
    assert {path.relative_to(lake.root).parts[1] for path in before} == set(names)
    for path in before:
        path.unlink()
    work()
    assert files(lake, names, unit) == before


def studies(lake, config):
    """Three studies that were predicted."""
    return sorted(lake.current_paths("prediction", config.address("publication")))[:3]


def trained_and_not(lake, config):
    """A study of the models' cohort, and one whose clinical row the snapshot gives."""
    paths = lake.current_paths("prediction", config.address("publication"))
    found = {
        read_parquet(path, "prediction")["is_training_study"][0].as_py(): key
        for key, path in sorted(paths.items(), reverse=True)
    }
    return [found[True], found[False]]


@pytest.mark.parametrize("stage", STUDY_STAGES)
def test_a_stage_of_studies(copy, stage):
    from importlib import import_module

    lake, config, sites = copy
    assert studies(lake, config)
    door = import_module(f"mpss_lib.{stage}.stage")
    extra = (sites,) if stage == "publication" else ()
    for key in studies(lake, config):
        made = door.run(key, lake, config, *extra, force=True)
        names = {file.table for file in made.written if file.path.find(f"={key}.") > 0}
        comes_again(lake, names, lambda key=key: door.run(key, lake, config, *extra), key)


def test_a_host_that_computes_needs_lake_and_settings_only(copy):
    """No vault, no key, no audit log, and nothing of them is made."""
    lake, config, sites = copy
    key = studies(lake, config)[0]
    for stage in STUDY_STAGES:
        assert run_stage(stage, [key], lake, config, sites, force=True).done == 1
    assert {path.name for path in lake.root.parent.iterdir()} == {"lake", "mpss.toml"}


@pytest.fixture
def compute_host(night):
    """A home whose lake is another account's; vault, key and audit log are closed as always."""
    root = Path(tempfile.mkdtemp(prefix="mpss-compute-", dir="/tmp"))
    root.chmod(0o711)
    shutil.copytree(night.root / "lake", root / "lake")
    (root / "mpss.toml").write_bytes((night.root / "mpss.toml").read_bytes())
    rebuild(Lake(root / "lake"), settings.load(root))  # who is no training study is looked up there
    for path in ((root / "lake"), *(root / "lake").rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for name in ("vault.sqlite", "vault.sqlite.key"):
        shutil.copy(night.root / name, root / name)
    shutil.copytree(night.root / "audit", root / "audit")
    seal(root)
    (root / "mpss.toml").chmod(0o644)
    yield root
    shutil.rmtree(root)


@is_root
def test_an_account_that_computes_cannot_read_the_vault(compute_host):
    """The rights of the files refuse it, no convention; it needs none of it for its stages."""
    root = compute_host
    config, lake = settings.load(root), Lake(root / "lake")
    sites = settings.sites_of(config, root)
    names = [table.name for stage in STUDY_STAGES for table in tables_of(stage)]

    keys = trained_and_not(lake, config)

    def compute():
        os.environ["MPSS_HOME"] = str(root)
        return [
            run_stage(stage, keys, lake, config, sites, force=True).done for stage in STUDY_STAGES
        ]

    before = [files(lake, names, key) for key in keys]
    assert in_nobodys_name(compute) == str([len(keys)] * len(STUDY_STAGES))
    assert [files(lake, names, key) for key in keys] == before
    assert all(before)
    after = {path for found in before for path in found}
    owners = {path.owner() for path in after}
    assert owners == {pwd.getpwuid(NOBODY).pw_name}
    for name in ("vault.sqlite", "vault.sqlite.key", "audit"):
        path = root / name
        told = in_nobodys_name(lambda path=path: path.stat() and path.open())
        assert told.startswith("PermissionError"), name
    told = in_nobodys_name(lambda: run_stage("pull", keys, lake, config, sites, force=True))
    assert "Error" in told
    assert not any(key in told for key in keys)


def test_studies_are_all_tables_of_their_stages(copy):
    lake, _, _ = copy
    named = {table.name for stage in STUDY_STAGES for table in tables_of(stage)}
    there = {name for name in named if files(lake, [name])}
    assert named - there <= TIMED | {"contour_object", "segmentation_agreement"}


def test_the_catalogue(copy):
    from mpss_lib.radiomics.stage import ensure_catalogue

    lake, config, _ = copy
    work = lambda: ensure_catalogue(lake, config.address("radiomics"))  # noqa: E731
    comes_again(lake, ["feature_catalogue"], work)


def test_the_frozen_cohort(copy, cohort):
    from mpss_lib.warehouse.stage import freeze_cohort

    lake, config, _ = copy
    names = ["cohort_member", "cohort_outcome"]
    comes_again(lake, names, lambda: freeze_cohort(lake, config), cohort)


def test_the_expectations(copy):
    """They are forced, not taken away: a check opens the files of the one before."""
    from mpss_lib.warehouse.stage import check

    lake, config, _ = copy
    names = ["expectation_result", "expectation_failure", "expectation_seen"]
    check(lake, config)  # of the files as they are here: their times enter the name
    before = files(lake, names)
    assert before
    assert check(lake, config, force=True)["suites_run"] == 4
    assert files(lake, names) == before


@pytest.mark.parametrize("stage", ["selection", "evaluation"])
def test_a_stage_of_the_cohort(copy, cohort, stage):
    from importlib import import_module

    lake, config, _ = copy
    door = import_module(f"mpss_lib.{stage}.stage")
    names = [table.name for table in tables_of(stage)]
    comes_again(lake, names, lambda: door.run(cohort, lake, config), cohort)


def test_the_stability_of_features(copy, cohort):
    """With few perturbations; the values beside the rows come again too."""
    from mpss_lib.stability import stage as stability
    from mpss_lib.stability.stage import FEWEST_STUDIES
    from mpss_lib.steps import members_of

    lake, config, _ = copy
    few = config.stability.model_copy(update={"shifts": 2, "rotations": 2, "count_pairs": 1})
    config = config.model_copy(update={"stability": few})
    keys = members_of(cohort, lake, config)[:FEWEST_STUDIES]

    def measure():
        for key in keys:
            stability.run(key, lake, config)
        assert stability.summarise(cohort, lake, config)["is_measured"]

    measure()
    values = {path: path.read_bytes() for path in (lake.root / "perturbed").rglob("*.npz")}
    assert len(values) == len(keys)
    for path in values:
        path.unlink()
    comes_again(lake, [table.name for table in tables_of("stability")], measure)
    assert {path: path.read_bytes() for path in values} == values


def test_the_gates(copy):
    lake, config, sites = copy
    asked = config.model_copy(update={"gated": config.gated.model_copy(update={"measure": True})})
    keys = studies(lake, config)

    def measure():
        assert run_stage("gated", keys, lake, asked, sites).done == len(keys)

    measure()
    comes_again(lake, [table.name for table in tables_of("gated")], measure)


def test_no_table_is_forgotten():
    asked = {*STUDY_STAGES, "gated", "warehouse", "stability", "selection", "evaluation"}
    asked |= {"companions", "calcium"}  # tests/companions and tests/calcium write theirs twice
    rest = {name for name, table in TABLES.items() if table.stage not in asked}
    assert rest == FROM_OUTSIDE
