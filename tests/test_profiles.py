from __future__ import annotations

import pytest

from mpss_lib.config import AS_PUBLISHED, CORRECTED, SITE, Config
from mpss_lib.profiles import (
    EVALUATION,
    SELECTION,
    SITES_OWN,
    evaluation_profiles,
    selected_in,
    selection_profiles,
    setting_rows,
    site_profile,
)
from mpss_lib.sections import EvaluationSettings, SelectionSettings

ODD = EvaluationSettings(
    n_outer=8, n_inner=4, test_fraction=0.3, criterion="sse", winner="min_aic", final_coef="train",
    screen_p=0.1, p_side="one", outcome_transform="log1p", invalid_run="drop", permutations=5,
)  # fmt: skip


@pytest.mark.parametrize("frozen", [SELECTION, EVALUATION], ids=["selection", "evaluation"])
def test_every_setting_is_frozen_or_named_as_the_sites(frozen):
    stage = "selection" if frozen is SELECTION else "evaluation"
    fields = set(type(Config().section(stage)).model_fields)
    assert SITES_OWN[stage] < fields
    for own in frozen.values():
        assert set(own) == fields - SITES_OWN[stage]


def test_the_frozen_ones_are_the_same_whatever_the_site_sets():
    config = Config(evaluation=ODD, selection=SelectionSettings(correlation=0.5, seed=3))
    plain, odd = evaluation_profiles(Config()), evaluation_profiles(config)
    for profile in (AS_PUBLISHED, CORRECTED):
        assert odd[profile] == plain[profile].model_copy(update={"permutations": 5})
        chosen = selection_profiles(config.selection)[profile]
        assert chosen == selection_profiles(SelectionSettings(seed=3))[profile]
    assert odd[SITE] == ODD
    assert selection_profiles(config.selection)[SITE] == config.selection


def test_the_paper_is_the_default_and_costs_nothing_more():
    assert set(evaluation_profiles(Config())) == {AS_PUBLISHED, CORRECTED}
    assert set(selection_profiles(SelectionSettings())) == {AS_PUBLISHED, CORRECTED}
    assert site_profile(Config()) == AS_PUBLISHED
    own = Config(evaluation=EvaluationSettings(permutations=7, seed=1, missing="error"))
    assert site_profile(own) == AS_PUBLISHED


def test_a_site_may_set_what_is_corrected():
    set_so = {
        "selection": SelectionSettings(**SELECTION[CORRECTED]),
        "evaluation": EvaluationSettings(**EVALUATION[CORRECTED]),
    }
    assert site_profile(Config(**set_so)) == CORRECTED
    assert set(evaluation_profiles(Config(**set_so))) == {AS_PUBLISHED, CORRECTED}


def test_a_site_of_one_selection_and_another_evaluation():
    """Neither profile: its own runs, on the features of the one whose selection it has."""
    config = Config(selection=SelectionSettings(**SELECTION[CORRECTED]))
    assert site_profile(config) == SITE
    assert set(evaluation_profiles(config)) == {AS_PUBLISHED, CORRECTED, SITE}
    assert selected_in(config, SITE) == CORRECTED
    assert selected_in(config, AS_PUBLISHED) == AS_PUBLISHED
    assert selected_in(Config(selection=SelectionSettings(correlation=0.5)), SITE) == SITE


def test_rows_of_the_settings_tell_what_stands_for_the_site():
    rows = setting_rows(Config(evaluation=ODD))
    value = {(r["profile"], r["stage"], r["setting"]): r["value"] for r in rows}
    assert value[AS_PUBLISHED, "evaluation", "winner"] == "max_aic"
    assert value[SITE, "evaluation", "winner"] == "min_aic"
    assert value[CORRECTED, "selection", "dynamic_range"] == "abs_mean"
    assert {r["same_as"] for r in rows if r["profile"] == SITE} == {SITE}
    assert {r["same_as"] for r in setting_rows(Config()) if r["profile"] == SITE} == {AS_PUBLISHED}
    assert ("site", "evaluation", "seed") not in value
