"""One self-contained HTML page for an evaluation, with the numbers as JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpss_lib import pages
from mpss_lib.config import AS_PUBLISHED, Config
from mpss_lib.contract import score_class
from mpss_lib.evaluation import figures, paper
from mpss_lib.evaluation import report_summary as summary
from mpss_lib.evaluation import report_tables as tables
from mpss_lib.evaluation.calibration import NULL_COHORTS, NULL_LIMITS
from mpss_lib.evaluation.inputs import Inputs, load
from mpss_lib.sections import SEGMENTS
from mpss_lib.tables import Lake, write_bytes, write_json

Row = Mapping[str, Any]

BY_CHANCE = summary.LEVEL * len(SEGMENTS)
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
    "A larger X of the combined configuration is no test of what radiomics add. The increment test"
    " is: it deals the radiomic rows out anew and keeps clinical values and scores together.",
    "The smallest p-value of a permutation test with {permutations} deals is {smallest}."
    " evaluation.permutations sets their number.",
    "Where the test sets have fewer than {min_test} patients, single runs are under-powered and"
    " their correlations scatter widely.",
)


@dataclass(frozen=True)
class Findings:
    """Everything the page shows."""

    inputs: Inputs
    counts: Sequence[Row]
    levels: Sequence[Row]
    varieties: Sequence[Row]
    univariate: Sequence[Row]
    results: Sequence[Row]
    tests: Sequence[Row]
    better: Sequence[Row]


def write_report(
    cohort: str, lake: Lake, config: Config, inputs: Inputs | None = None
) -> tuple[Path, Path]:
    """Write page and JSON of an evaluated cohort; returns their paths.

    Parameters
    ----------
    cohort : str
        Cohort hash; every step up to ``summarise`` has been done.
    lake, config
    inputs : Inputs, optional
        Of this cohort; read from the lake where none are given.
    """
    found = _gather(inputs or load(cohort, lake, config), lake, config)
    address = config.address("evaluation")
    stem = lake.root / "reports" / f"{cohort}.{address.engine}.{address.config}"
    page, data = stem.with_name(stem.name + ".html"), stem.with_name(stem.name + ".json")
    write_bytes(page, render(found, config).encode())
    write_json(data, _as_json(found, config))
    return page, data


def _gather(inputs: Inputs, lake: Lake, config: Config) -> Findings:
    selection, address = config.address("selection"), config.address("evaluation")
    cohort = inputs.cohort

    def of_segments(table: str) -> list[dict[str, Any]]:
        return [row for s in SEGMENTS for row in lake.rows(table, address, f"{cohort}-{s}")]

    return Findings(
        inputs=inputs,
        counts=lake.rows("selection_count", selection, cohort),
        levels=lake.rows("grey_level", selection, cohort),
        varieties=lake.rows("variety_correlation", selection, cohort),
        univariate=lake.rows("univariate", address, cohort),
        results=of_segments("split_result"),
        tests=lake.rows("combined_test", address, cohort),
        better=of_segments("better_model"),
    )


def render(found: Findings, config: Config) -> str:
    """Make the page."""
    address = config.address("evaluation")
    inputs = found.inputs
    n_test = found.results[0]["n_test"] if found.results else 0
    return pages.render(
        "evaluation.html",
        cohort=inputs.cohort,
        patients=len(inputs.studies),
        left_out=len(inputs.left_out),
        n_test=n_test,
        min_test=config.evaluation.min_test,
        is_underpowered=n_test < config.evaluation.min_test,
        makers=f"engine {address.engine}, settings {address.config}",
        caveats=_caveats(config),
        chance=f"{BY_CHANCE:.2g}",
        limits=_limits(found.tests),
        chosen=inputs.selected,
        notes="; ".join(dict.fromkeys(r["note"] for r in found.counts if r["note"])),
        null_cohorts=NULL_COHORTS,
        null_limits="{} at .01, {} at .05".format(*NULL_LIMITS),
        discoveries=tables.discoveries(found.univariate),
        settings=config.evaluation.model_dump_json(indent=1),
        figures=_figures(found),
        **_tables(found, config),
    )


def _tables(found: Findings, config: Config) -> dict[str, Any]:
    return {
        "answers": summary.answer_table(found.tests),
        "profiles": summary.profile_table(config),
        "contradictions": summary.contradiction_table(),
        "clinical": tables.clinical_table(found.inputs),
        "ledger": tables.ledger_table(found.counts),
        "null": tables.null_tables(),
        "planted": tables.planted_table(),
        "levels": tables.level_table(found.levels),
        "fisher": tables.fisher_table(found.tests),
        "exact": tables.test_table(found.tests, tables.EXACT),
        "approximate": tables.test_table(found.tests, tables.APPROXIMATE),
        "better": tables.better_tables(found.better),
    }


def _limits(tests: Sequence[Row]) -> str:
    """Thresholds of Fisher's X, which depend on the number of runs."""
    rows = [row for row in tests if row["test"] == "fisher" and row["threshold"] is not None]
    found = sorted({(row["df"], row["threshold"]) for row in rows})
    return " or ".join(f"{limit:.1f} ({df} degrees of freedom)" for df, limit in found)


def _caveats(config: Config) -> list[str]:
    settings = config.evaluation
    smallest = f"{1 / (settings.permutations + 1):.2g}"
    named = {"permutations": settings.permutations, "smallest": smallest}
    return [text.format(min_test=settings.min_test, **named) for text in CAVEATS]


def _figures(found: Findings) -> dict[str, str]:
    classes = [score_class(score) for score in found.inputs.outcomes["MYO"]]
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
    }


def _as_json(found: Findings, config: Config) -> dict[str, Any]:
    address = config.address("evaluation")
    return {
        "cohort_hash": found.inputs.cohort,
        "patients": len(found.inputs.studies),
        "left_out": len(found.inputs.left_out),
        "engine": address.engine,
        "config": address.config,
        "settings": config.evaluation.model_dump(mode="json"),
        "selected": {
            profile: {"bins": chosen.bins, "features": list(chosen.features)}
            for profile, chosen in found.inputs.selected.items()
        },
        "selection": list(found.counts),
        "grey_levels": list(found.levels),
        "combined_tests": list(found.tests),
        "better_models": list(found.better),
        "paper_fisher": paper.FISHER,
        "paper_contradictions": [
            {"paper": said, "taken": taken} for said, taken in paper.CONTRADICTIONS
        ],
        "caveats": _caveats(config),
    }
