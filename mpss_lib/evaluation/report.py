"""One self-contained HTML page for an evaluation, with the numbers as JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from mpss_lib import pages
from mpss_lib.config import AS_PUBLISHED, CORRECTED, Config
from mpss_lib.contract import score_class
from mpss_lib.evaluation import (
    added_figures,
    added_tables,
    figures,
    group_tables,
    scanner_tables,
    stability_tables,
)
from mpss_lib.evaluation import report_calibration as calibrated
from mpss_lib.evaluation import report_summary as summary
from mpss_lib.evaluation import report_tables as tables
from mpss_lib.evaluation.added_tables import PAIR
from mpss_lib.evaluation.added_value.by_group import LEAST
from mpss_lib.evaluation.added_value.classes import NRI_CAVEAT
from mpss_lib.evaluation.checklists.sheet import write_checklists
from mpss_lib.evaluation.findings import Findings, gather
from mpss_lib.evaluation.headline import headline
from mpss_lib.evaluation.inputs import Inputs, load
from mpss_lib.evaluation.report_json import as_json
from mpss_lib.evaluation.significance import LEVEL, floor_text, p_text
from mpss_lib.evaluation.table_three import pattern_text
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake
from mpss_lib.whole_files import write_bytes, write_json

Row = Mapping[str, Any]

BY_CHANCE = LEVEL * len(SEGMENTS)
SHOWN_EVENT = "at_least_100"
"""Event of the calibration and decision curves that the page shows; the others are on the lake."""
DIFFERENCES = {
    "spearman": "rank correlation",
    "auc_any": "area, score > 0",
    "auc_at_least_100": "area, score ≥ 100",
    "brier_at_least_100": "Brier score, ≥ 100 (less is better)",
}
CAVEATS = (
    "Fisher's method takes the runs for independent. Their test sets overlap, so that it raises"
    " false alarms far above the nominal level, one-sided most of all: see the measured error rates"
    " below. Believe the permutation tests.",
    "The published p-values are two-sided: a negative correlation, that is a model that predicts"
    " the wrong way round, counts as evidence. Look at the sign of the median r.",
    "The published winner rule compares log-likelihoods (or AIC) of different dev samples. Without"
    " any model they differ by some 19 units, depending on which patients with very high scores"
    " fall into the dev set: 'highest log-likelihood' chiefly means 'dev set without severe"
    " patients'. The corrected profile scores every train model by the variance it explains in"
    " its dev rows.",
    "A larger X of the combined configuration is no test of what radiomics add. The conditional"
    " test is: it takes a flexible clinical arm (splines, products) out of features and score, and"
    " deals out what is left of the score.",
    "The smallest p-value of a permutation test with {permutations} deals is {smallest}."
    " evaluation.permutations sets their number.",
    "Where the test sets have fewer than {min_test} patients, single runs are under-powered and"
    " their correlations scatter widely.",
)


def write_report(
    cohort: str, lake: Lake, config: Config, inputs: Inputs | None = None
) -> tuple[Path, Path]:
    """Write page, JSON and checklists of an evaluated cohort; returns the first two paths.

    Parameters
    ----------
    cohort : str
        Cohort hash; every step up to ``summarise`` has been done.
    lake, config
    inputs : Inputs, optional
        Of this cohort; read from the lake where none are given.
    """
    found = gather(inputs or load(cohort, lake, config), lake, config)
    address = config.address("evaluation")
    stem = lake.root / "reports" / f"{cohort}.{address.engine}.{address.config}"
    page, data = stem.with_name(stem.name + ".html"), stem.with_name(stem.name + ".json")
    told = shown(found, config)
    write_bytes(page, render(found, told).encode())
    write_json(data, as_json(found, told, config))
    write_checklists(found, lake, config, stem)
    return page, data


def shown(found: Findings, config: Config) -> dict[str, Any]:
    """Give every text and table of the page, by the name under which the template takes it."""
    address = config.address("evaluation")
    inputs = found.inputs
    n_test = found.results[0]["n_test"] if found.results else 0
    return {
        "cohort": inputs.cohort,
        "patients": len(inputs.studies),
        "left_out": len(inputs.left_out),
        "invented": found.n_invented,
        "n_test": n_test,
        "min_test": config.evaluation.min_test,
        "is_underpowered": n_test < config.evaluation.min_test,
        "stem": f"{inputs.cohort}.{address.engine}.{address.config}",
        "makers": f"engine {address.engine}, settings {address.config}",
        "headline": headline(found.tests, found.added),
        "floors": floor_text(found.tests),
        "caveats": _caveats(config),
        "chance": f"{BY_CHANCE:.2g}",
        "limits": _limits(found.tests),
        "pattern": pattern_text(found.tests),
        "chosen": inputs.selected,
        "notes": "; ".join(dict.fromkeys(r["note"] for r in found.counts if r["note"])),
        "discoveries": tables.discoveries(found.univariate),
        "nri_caveat": NRI_CAVEAT,
        "least_group": LEAST,
        "often": calibrated.often_text(),
        "level_sentences": tables.level_sentences(found.levels),
        "stability": stability_tables.stable_text(found.stability, inputs.selected[CORRECTED].bins),
        "few": added_tables.few_text(found.added),
        "settings": config.evaluation.model_dump_json(indent=1),
        **_tables(found, config),
    }


def render(found: Findings, told: Mapping[str, Any]) -> str:
    """Make the page."""
    return pages.render("evaluation.html", figures=_figures(found), **told)


def _tables(found: Findings, config: Config) -> dict[str, Any]:
    bins = found.inputs.selected[CORRECTED].bins
    return {
        "answers": summary.answer_table(found.tests),
        "profiles": summary.profile_table(config),
        "contradictions": summary.contradiction_table(),
        "clinical": tables.clinical_table(found.inputs),
        "ledger": tables.ledger_table(found.counts),
        "null": calibrated.null_tables(),
        "again": calibrated.again_table(),
        "proxies": calibrated.proxy_table(),
        "planted": calibrated.planted_table(),
        "levels": tables.level_table(found.levels),
        "fisher": tables.fisher_table(found.tests),
        "seeds": tables.seed_table(found.seeds),
        "exact": tables.test_table(found.tests, tables.EXACT),
        "approximate": tables.test_table(found.tests, tables.APPROXIMATE),
        "better": tables.better_tables(found.better),
        "added": added_tables.added_tables(found.added),
        "moved": added_tables.moved_table(found.moved, "MYO"),
        "stable": stability_tables.stable_tables(found.stability, bins),
        "scanners": scanner_tables.effect_table(found.scanners),
        "held_out": scanner_tables.held_out_table(found.held_out),
        "groups": group_tables.performance_table(found.by_group, "MYO"),
        "groups_added": group_tables.added_table(found.by_group),
        "sizes": added_tables.size_table(found.added, found.inputs),
    }


def _limits(tests: Sequence[Row]) -> str:
    """Thresholds of Fisher's X, which depend on the number of runs."""
    rows = [row for row in tests if row["test"] == "fisher" and row["threshold"] is not None]
    found = sorted({(row["df"], row["threshold"]) for row in rows})
    return " or ".join(f"{limit:.1f} ({df} degrees of freedom)" for df, limit in found)


def _caveats(config: Config) -> list[str]:
    settings = config.evaluation
    smallest = p_text(1 / (settings.permutations + 1))
    named = {"permutations": settings.permutations, "smallest": smallest}
    return [text.format(min_test=settings.min_test, **named) for text in CAVEATS]


def _figures(found: Findings) -> dict[str, str]:
    classes = [score_class(score) for score in found.inputs.outcomes["MYO"]]
    mine = added_tables.of_profile
    enough = added_tables.enough(found.added, SHOWN_EVENT)
    return {
        "classes": figures.classes([classes.count(k) for k in range(5)]),
        "varieties": figures.varieties(
            [row for row in found.varieties if row["profile"] == AS_PUBLISHED]
        ),
        "rho": figures.heatmap(
            [row for row in found.univariate if row["profile"] == AS_PUBLISHED],
            found.inputs.selected[AS_PUBLISHED].features,
        ),
        "r": figures.boxes(found.results, "r"),
        "p": figures.boxes(found.results, "p_value"),
        "differences": added_figures.differences(
            [r for r in mine(found.added) if (r["configuration"], r["compared_with"]) == PAIR],
            DIFFERENCES,
        ),
        "calibration": added_figures.calibration(
            [row for row in mine(found.calibration) if _is_drawn(row, enough)]
        ),
        "decision": added_figures.decision(
            [row for row in mine(found.decision) if _is_drawn(row, enough)]
        ),
    }


def _is_drawn(row: Row, enough: Set[str]) -> bool:
    return row["event"] == SHOWN_EVENT and row["segment"] in enough
