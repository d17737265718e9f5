"""What is out of date after a change of settings, and that it comes in the right order."""

import shutil

import pytest
from fabricated_lake import Builder, fabricate
from typer.testing import CliRunner

from mpss_lib import batch, cli
from mpss_lib import config as settings_module
from mpss_lib.batch import CHAIN, chain_of
from mpss_lib.config import Config, sites_of
from mpss_lib.errors import WrongArgumentError
from mpss_lib.maintenance import outdated as module
from mpss_lib.maintenance.outdated import lost, outdated
from mpss_lib.maintenance.recompute import StudiesLostError, recompute
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake, Outcome
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.reader import rows

ACCEPT = {"cohort": {"accept": "pass"}, "warehouse": {"threads": 1}}
CONFIG = Config.model_validate(ACCEPT)
THIN = Config.model_validate(ACCEPT | {"segmentation": {"wall_mm": 9.6}})
IVH = Config.model_validate(ACCEPT | {"radiomics": {"ivh_bins": 500}})
LIMITS = Config.model_validate(ACCEPT | {"quality": {"limits_version": "site-2"}})
SEGMENTED = 15
FEATURES = 11


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("once") / "lake")
    fabricate(Builder(lake, CONFIG))
    return lake


@pytest.fixture
def lake(once, tmp_path):
    lake = Lake(tmp_path / "home" / "lake")
    shutil.copytree(once.root, lake.root)
    stage.run(lake, CONFIG)
    return lake


def listed(lake, config, after=""):
    return {step.stage: len(step.keys) for step in outdated(lake, config, after)}


def test_nothing_is_out_of_date_where_nothing_has_changed(lake):
    assert outdated(lake, CONFIG) == []


def test_a_change_reaches_what_reads_it_and_nothing_before_it(lake):
    assert list(listed(lake, THIN)) == ["segmentation", "quality", "radiomics"]
    assert listed(lake, THIN)["segmentation"] == SEGMENTED
    assert listed(lake, THIN)["radiomics"] == FEATURES
    assert listed(lake, IVH) == {"radiomics": FEATURES}
    assert list(listed(lake, LIMITS)) == ["quality"]


def test_a_raised_engine_counts_as_a_setting_does(lake, monkeypatch):
    monkeypatch.setitem(settings_module.ENGINES, "intake", "99")
    steps = outdated(lake, CONFIG)
    assert [step.stage for step in steps] == ["intake", "segmentation", "quality", "radiomics"]
    assert "-> 99" in steps[0].why
    assert steps[1].why == "reads intake"


def test_the_setting_that_has_changed_is_named_with_both_values(lake):
    steps = outdated(lake, THIN)
    assert steps[0].why == "segmentation.wall_mm 10.4 -> 9.6"
    assert steps[2].why == "reads segmentation"


def test_only_what_hangs_on_the_setting_is_listed(lake):
    both = Config.model_validate(
        ACCEPT | {"quality": {"limits_version": "x"}, "radiomics": {"ivh_bins": 500}}
    )
    assert list(listed(lake, both)) == ["quality", "radiomics"]
    assert list(listed(lake, both, "radiomics.ivh_bins")) == ["radiomics"]
    assert list(listed(lake, both, "quality")) == ["quality"]
    assert list(listed(lake, both, "segmentation.wall_mm")) == ["quality", "radiomics"]
    assert listed(lake, CONFIG, "segmentation.wall_mm") == {}


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("segmentation.wall", "is no setting"),
        ("wall_mm", "is no setting"),
        ("", None),
        ("site.timezone", "changes no number"),
        ("maintenance", "changes no number"),
        ("evaluation.permutations", "changes no number"),
        ("pull.lookback_days", "changes no number"),
    ],
)
def test_a_setting_that_is_none_is_named(lake, setting, told):
    if told is None:
        assert outdated(lake, CONFIG, setting) == []
        return
    with pytest.raises(WrongArgumentError, match=told):
        outdated(lake, CONFIG, setting)


def test_who_was_refused_with_the_new_settings_is_not_waited_for(lake):
    """A study that segmentation refuses now does not come to the features."""
    build = Builder(lake, THIN)
    build.record("segmentation", "s01", "rejected", [], ["not_sure"])
    build.flush()
    assert listed(lake, THIN) == {
        "segmentation": SEGMENTED - 1,
        "quality": listed(lake, THIN)["quality"],
        "radiomics": FEATURES - 1,
    }
    assert "s01" not in lost(lake, THIN)


def test_a_review_alone_is_no_verdict(lake):
    build = Builder(lake, LIMITS)
    build.review("s19", "accept")
    build.flush()
    assert "s19" in outdated(lake, LIMITS)[0].keys


def test_a_tombstone_is_nobody(lake):
    build = Builder(lake, CONFIG)
    build.segmentation("X0123456789abcdef")
    build.flush()
    assert listed(lake, THIN)["segmentation"] == SEGMENTED


# ------------------------------------------------------------------ doing it


class Door:
    """A stage that writes what the fabricated lake holds; it notes who came in which order."""

    def __init__(self, name, seen, refuses=(), breaks=()):
        self.name, self.seen, self.refuses, self.breaks = name, seen, refuses, breaks
        self.opened = batch.lake_only(self.run)

    def run(self, study_key, lake, config, *, force=False):
        self.seen.append((self.name, study_key))
        if (self.name, study_key) in self.breaks:
            raise ValueError("broken")
        if (self.name, study_key) in self.refuses:
            return Outcome("rejected", (), ("not_sure",))
        build = Builder(lake, config)
        build.catalogue()
        {
            "segmentation": lambda: build.segmentation(study_key),
            "quality": lambda: build.quality(study_key),
            "radiomics": lambda: build.radiomics(study_key, 5),
        }[self.name]()
        build.flush()
        return Outcome("done")


@pytest.fixture
def doors(monkeypatch):
    """Stages in the place of the real ones: (stage, study) in the order of the work."""
    seen, refuses, breaks = [], set(), set()
    monkeypatch.setattr(batch, "stage_of", lambda name: Door(name, seen, refuses, breaks))
    seen_of = type("Seen", (), {})()
    seen_of.seen, seen_of.refuses, seen_of.breaks = seen, refuses, breaks
    return seen_of


def home_of(lake, config):
    root = lake.root.parent
    return Home(root, lake, config, sites_of(config, root))


def shown(lake):
    return {
        row["stage"]: row["config"] for row in rows(lake, "select stage, config from meta.pointer")
    }


def test_the_stages_come_in_the_order_of_the_chain_and_wait_for_the_activation(lake, doors):
    before = shown(lake)
    left = recompute(home_of(lake, THIN), tell=lambda line: None)
    order = list(dict.fromkeys(name for name, _ in doors.seen))
    assert order == [name for name in CHAIN if name in order] == list(chain_of(THIN)[2:])
    assert left == []
    assert shown(lake) == before
    assert rows(lake, "select count(distinct study_key) as n from feature.radiomics") == [
        {"n": FEATURES}
    ]


def test_activation_publishes_all_stages_of_a_study_together(lake, doors):
    told = []
    assert recompute(home_of(lake, THIN), activate=True, tell=told.append) == []
    now = shown(lake)
    assert all(now[name] == THIN.address(name).config for name in CHAIN)
    assert told[-1] == "published: segmentation, quality, radiomics"


def test_who_is_refused_goes_no_further_and_does_not_stop_the_activation(lake, doors):
    doors.refuses.add(("segmentation", "s01"))
    recompute(home_of(lake, THIN), activate=True, tell=lambda line: None)
    assert ("radiomics", "s01") not in doors.seen
    assert shown(lake)["radiomics"] == THIN.address("radiomics").config


def test_a_study_that_got_lost_stops_the_activation(lake, doors):
    doors.breaks.add(("radiomics", "s01"))
    before = shown(lake)
    with pytest.raises(StudiesLostError, match=r"1 studies .*first: s01, at radiomics"):
        recompute(home_of(lake, THIN), activate=True, tell=lambda line: None)
    assert shown(lake) == before
    doors.breaks.clear()
    doors.seen.clear()
    recompute(home_of(lake, THIN), activate=True, tell=lambda line: None)
    assert doors.seen == [("radiomics", "s01")]  # it goes on where it stood
    assert shown(lake)["radiomics"] == THIN.address("radiomics").config


def test_the_time_is_told_where_the_home_knows_it(lake):
    assert all(step.seconds is None or step.seconds >= 0 for step in outdated(lake, THIN))
    runs = [
        {"stage": name, "run_digest": "d", "written_at": module.datetime(2026, 1, 1, 0, minute),
         "n_given": 30, "n_done": 30}
        for name, minute in (("intake", 0), ("segmentation", 2))
    ]  # fmt: skip
    ledger = type("Ledger", (), {"runs": runs})()
    assert module._seconds("segmentation", ledger, 100) == pytest.approx(400.0)
    assert module._seconds("intake", ledger, 100) is None


def test_what_is_made_and_not_shown_is_no_peace(lake, monkeypatch):
    """Was: the settings went back, nothing was to do, and the snapshot showed the other wall."""
    monkeypatch.setenv("MPSS_HOME", str(lake.root.parent))
    settings = lake.root.parent / "mpss.toml"

    def told(more=""):
        settings.write_text(f'[cohort]\naccept = "pass"\n[warehouse]\nthreads = 1\n{more}')
        return CliRunner().invoke(cli.app, ["recompute", "--dry-run"]).output

    assert told() == "Everything is of the settings in force.\n"
    fabricate(Builder(lake, THIN))
    thin = told("[segmentation]\nwall_mm = 9.6\n")
    assert thin.startswith("All is made. The snapshot shows another version of ")
    assert "segmentation" in thin
    assert "mpss recompute --activate" in thin
    stage.activate("all", lake, THIN)
    assert told("[segmentation]\nwall_mm = 9.6\n") == "Everything is of the settings in force.\n"
    assert "The snapshot shows another version of" in told()
