"""The profiles in which selection and evaluation are done, side by side.

``as_published`` and ``corrected`` are frozen here: every statistical setting of both stages,
whatever the settings file says. ``site`` is what that file says; where it is one of the frozen two,
it is not done a second time. What is no statistical choice (seeds, the number of deals, what a
missing value does, what is marked) is the site's in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mpss_lib.config import AS_PUBLISHED, CORRECTED, LOGLIK, SITE, Config
from mpss_lib.sections import EvaluationSettings, Section, SelectionSettings

VERSIONS: Mapping[str, str] = MappingProxyType({AS_PUBLISHED: "2", CORRECTED: "2"})
"""Raised by hand when a frozen setting changes; it stands in the rows and in their digests.

Version 1 of both took the site's settings as the paper's and let the highest log-likelihood win.
"""

SITES_OWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "selection": frozenset({"bootstrap", "seed"}),
        "evaluation": frozenset(
            {
                *("permutations", "permutation_chunk", "split_seeds"),
                *("missing", "min_test", "min_scanner", "seed"),
            }
        ),
    }
)
"""Settings that are no statistical choice, by section: the site's in every profile."""

_PAPER_SELECTION: Mapping[str, Any] = {
    "max_nan_share": 0.0,
    "min_icc": 0.0,
    "min_variety_rho": 0.98,
    "dynamic_range": "signed",
    "min_dynamic_range": 1e-5,
    "correlation": 0.95,
    "closure": "transitive",
    "rows": "per_segment",
    "grey_level": "published",
    "preferred_bins": 64,
}
_PAPER_EVALUATION: Mapping[str, Any] = {
    "n_outer": 50,
    "n_inner": 20,
    "test_fraction": 0.15,
    "dev_fraction": 0.25,
    "criterion": "aic",
    "p_enter": 0.05,
    "p_remove": 0.2,
    "screen_p": 0.3,
    "categorical_screen": "codes",
    "max_steps": 1000,
    "final_coef": "dev",
    "winner": "max_aic",
    "intercept_only": "skip",
    "invalid_run": "p1",
    "p_side": "two",
    "rank_tol": 1e-10,
    "loglik_variance": "ml",
    "outcome_transform": "none",
    "harmonise": "none",
    "arm_knots": 4,
    "arm_products": "demographic",
}
SELECTION: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        AS_PUBLISHED: _PAPER_SELECTION,
        CORRECTED: {
            **_PAPER_SELECTION,
            "min_icc": 0.75,  # where stability was measured for the cohort
            "dynamic_range": "abs_mean",  # by the signed one features with a negative mean go
            "grey_level": "stable",
        },
    }
)
EVALUATION: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        AS_PUBLISHED: _PAPER_EVALUATION,
        CORRECTED: {
            **_PAPER_EVALUATION,
            "categorical_screen": "kruskal",  # codes depend on how the levels are called
            "winner": "dev_r2",  # the train model that explains most of the dev rows
            "final_coef": "train+dev",
            "outcome_transform": "log1p",
            "p_side": "one",  # only positive correlations count
        },
    }
)


RIVALS: Mapping[str, tuple[str, str]] = MappingProxyType({AS_PUBLISHED: (LOGLIK, "max_loglik")})
"""Of a profile: what its fits are called, and the rule, where another winner is taken of them."""


def rival_profiles(config: Config) -> dict[str, EvaluationSettings]:
    """Give the settings of the other winners, by what they are called."""
    every = evaluation_profiles(config)
    return {
        name: every[profile].model_copy(update={"winner": winner})
        for profile, (name, winner) in RIVALS.items()
    }


def rival_of(profile: str) -> tuple[str, str]:
    """Name and rule of the other winner of a profile, empty without one."""
    return RIVALS.get(profile, ("", ""))


def selection_profiles(settings: SelectionSettings) -> dict[str, SelectionSettings]:
    """Give the settings of each profile of the selection; ``site`` where it is one of its own."""
    found = {name: settings.model_copy(update=dict(own)) for name, own in SELECTION.items()}
    return found if settings in found.values() else {**found, SITE: settings}


def evaluation_profiles(config: Config) -> dict[str, EvaluationSettings]:
    """Give the settings of each profile of the evaluation; ``site`` where it is one of its own."""
    settings = config.evaluation
    found = {name: settings.model_copy(update=dict(own)) for name, own in EVALUATION.items()}
    return found if site_profile(config) in found else {**found, SITE: settings}


def selected_in(config: Config, profile: str) -> str:
    """Name the profile of the selection whose features a profile of the evaluation takes."""
    return _name_of(config.selection, SELECTION) if profile == SITE else profile


def site_profile(config: Config) -> str:
    """Name the profile that is what the settings say: a frozen one if it is the same, or ``site``.

    Predictions are made in it.
    """
    selection = _name_of(config.selection, SELECTION)
    return selection if selection == _name_of(config.evaluation, EVALUATION) else SITE


def setting_rows(config: Config) -> list[dict[str, str]]:
    """Give every setting of every profile, one row each; ``site`` is there whatever it equals.

    ``same_as`` names the profile whose results stand for it, ``version`` is that of a frozen one.
    """
    rows = []
    for profile in (AS_PUBLISHED, CORRECTED, SITE):
        same_as = site_profile(config) if profile == SITE else profile
        start = {"profile": profile, "version": VERSIONS.get(profile, ""), "same_as": same_as}
        for stage, frozen in (("selection", SELECTION), ("evaluation", EVALUATION)):
            own = config.section(stage).model_copy(update=dict(frozen.get(profile, {})))
            rows += [
                {**start, "stage": stage, "setting": name, "value": str(value)}
                for name, value in own.model_dump(mode="json").items()
                if name not in SITES_OWN[stage]
            ]
    return rows


def _name_of(settings: Section, frozen: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the frozen profile that these settings are, or ``site``."""
    for name, own in frozen.items():
        if settings == settings.model_copy(update=dict(own)):
            return name
    return SITE
