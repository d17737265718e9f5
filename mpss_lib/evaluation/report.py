"""One self-contained HTML page for an evaluation, with the numbers as JSON beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.config import SEGMENTS, Config
from mpss_lib.evaluation import figures
from mpss_lib.evaluation.inputs import Inputs, load
from mpss_lib.evaluation.profiles import AS_PUBLISHED, CORRECTED
from mpss_lib.evaluation.randomised import CONFIGURATIONS
from mpss_lib.evaluation.univariate import berman_class
from mpss_lib.tables import Lake, write_bytes, write_json

Row = Mapping[str, Any]

PAPER_FISHER = {
    "radiomics": dict(
        zip(SEGMENTS, (111.93, 115.02, 88.02, 95.87, 139.25, 53.8, 53.28), strict=True)
    ),
    "clinical": dict(
        zip(SEGMENTS, (294.43, 253.13, 153.14, 84.12, 253.13, 153.14, 84.12), strict=True)
    ),
    "combined": dict(
        zip(SEGMENTS, (341.39, 348.97, 194.73, 174.53, 326.97, 189.2, 141.6), strict=True)
    ),
}
"""Table 3 of the paper (Ashrafinia et al. 2021)."""

CAVEATS = (
    "Fisher's method takes the runs for independent. Their test sets overlap, so that it raises a"
    " false alarm in 3-6 % of cohorts without any signal at the nominal 1 % (measured on 700 null"
    " cohorts of 428 patients; with better winner rules 5-8 %). Believe the permutation and pooled"
    " tests.",
    "The published p-values are two-sided: a negative correlation, that is a model that predicts"
    " the wrong way round, counts as evidence. Look at the sign of the median r.",
    "The published winner rule compares log-likelihoods (or AIC) of different dev samples. Without"
    " any model they differ by some 19 units, depending on which patients with very high scores"
    " fall into the dev set: 'highest log-likelihood' chiefly means 'dev set without severe"
    " patients'. The corrected profile scores every train model by the variance it explains in"
    " its dev rows.",
    "A larger X of the combined configuration is no test of what radiomics add. The increment test"
    " is: it deals the radiomic rows out anew and keeps clinical values and scores together.",
    "Where the test sets have fewer than {min_test} patients, single runs are under-powered and"
    " their correlations scatter widely.",
)


@dataclass(frozen=True)
class Findings:
    """Everything the page shows."""

    inputs: Inputs
    counts: Sequence[Row]
    ledger: Sequence[Row]
    levels: Sequence[Row]
    univariate: Sequence[Row]
    results: Sequence[Row]
    tests: Sequence[Row]
    better: Sequence[Row]


def write_report(cohort: str, lake: Lake, config: Config) -> tuple[Path, Path]:
    """Write page and JSON of an evaluated cohort; answers their paths.

    Parameters
    ----------
    cohort : str
        Cohort hash; every step up to ``summarise`` has been done.
    lake, config
    """
    found = _gather(cohort, lake, config)
    address = config.address("evaluation")
    stem = lake.root / "reports" / f"{cohort}.{address.engine}.{address.config}"
    page, data = stem.with_name(stem.name + ".html"), stem.with_name(stem.name + ".json")
    write_bytes(page, render(found, config).encode())
    write_json(data, _as_json(found, config))
    return page, data


def _gather(cohort: str, lake: Lake, config: Config) -> Findings:
    selection, address = config.address("selection"), config.address("evaluation")

    def of_segments(table: str) -> list[dict[str, Any]]:
        return [row for s in SEGMENTS for row in lake.rows(table, address, f"{cohort}-{s}")]

    return Findings(
        inputs=load(cohort, lake, config),
        counts=lake.rows("selection_count", selection, cohort),
        ledger=lake.rows("selection_step", selection, cohort),
        levels=lake.rows("grey_level", selection, cohort),
        univariate=lake.rows("univariate", address, cohort),
        results=of_segments("split_result"),
        tests=lake.rows("combined_test", address, cohort),
        better=of_segments("better_model"),
    )


def render(found: Findings, config: Config) -> str:
    """Make the page."""
    from mpss_lib.evaluation.page import PAGE

    address = config.address("evaluation")
    inputs = found.inputs
    n_test = found.results[0]["n_test"] if found.results else 0
    warning = (
        "<p class=warn>Under-powered: the test sets have"
        f" {n_test} patients (at least {config.evaluation.min_test} are wanted).</p>"
        if n_test < config.evaluation.min_test
        else ""
    )
    parts = {
        "cohort": inputs.cohort,
        "patients": len(inputs.studies),
        "left_out": len(inputs.left_out),
        "n_test": n_test,
        "bins": inputs.bins,
        "makers": f"engine {address.engine}, settings {address.config}",
        "warning": warning,
        "caveats": "".join(
            f"<li>{escape(text.format(min_test=config.evaluation.min_test))}</li>"
            for text in CAVEATS
        ),
        "clinical": _clinical_table(inputs),
        "features": ", ".join(escape(name) for name in inputs.features),
        "n_features": len(inputs.features),
        "ledger": _table(
            ["step", "before", "removed", "left", "left in the paper"],
            [
                [r["step"], r["n_before"], r["n_removed"], r["n_after"], r["n_paper"]]
                for r in found.counts
            ],
        ),
        "notes": escape("; ".join(r["note"] for r in found.counts if r["note"])),
        "levels": _level_table(found.levels),
        "fisher": _fisher_table(found.tests),
        "calibrated": _calibrated_table(found.tests),
        "better": _better_table(found.better),
        "discoveries": _discoveries(found.univariate),
        "settings": escape(config.evaluation.model_dump_json(indent=1)),
        **_figures(found),
    }
    return PAGE.format(**parts)


def _figures(found: Findings) -> dict[str, str]:
    scores = found.inputs.outcomes["MYO"]
    return {
        "figure_classes": figures.classes(np.bincount(berman_class(scores), minlength=5).tolist()),
        "figure_varieties": figures.varieties(
            [(r["feature"], r["statistic"]) for r in found.ledger if r["step"] == "S3_variety"]
        ),
        "figure_rho": figures.heatmap(found.univariate, found.inputs.features),
        "figure_r": figures.boxes(found.results, "r"),
        "figure_p": figures.boxes(found.results, "p_value"),
    }


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """HTML table; a cell that starts with '<' is taken as it is."""
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return "&ndash;"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:.2f}"
    text = str(value)
    return text if text.startswith("<") else escape(text)


def _clinical_table(inputs: Inputs) -> str:
    rows: list[list[Any]] = []
    for name, values in inputs.clinical.items():
        if values.dtype.kind == "f" and set(np.unique(values)) - {0.0, 1.0}:
            shown = f"{values.mean():.1f} ± {values.std():.1f}"
            rows.append([name, shown])
        elif values.dtype.kind == "f":
            rows.append([name, f"{int(values.sum())} ({100 * values.mean():.1f} %)"])
        else:
            levels, counts = np.unique(values, return_counts=True)
            parts = [f"{a} {b}" for a, b in zip(levels, counts, strict=True)]
            rows.append([name, ", ".join(parts)])
    return _table(["clinical term", "cohort"], rows)


def _level_table(levels: Sequence[Row]) -> str:
    header = (
        "bins,constant features,low range,rank stability,pairs |ρ| ≥ .9,bootstrap share,"
        "survives,chosen,runner-up"
    )
    keys = (
        "bins,n_identical,n_low_range,rank_stability,n_correlated_pairs,bootstrap_share,"
        "is_survivor,is_chosen,is_runner_up"
    )
    return _table(header.split(","), [[row[k] for k in keys.split(",")] for row in levels])


def _fisher_table(tests: Sequence[Row]) -> str:
    by = {
        (r["profile"], r["configuration"], r["segment"]): r for r in tests if r["test"] == "fisher"
    }
    rows: list[list[Any]] = []
    for configuration in CONFIGURATIONS:
        for profile in (AS_PUBLISHED, CORRECTED):
            cells = [by.get((profile, configuration, s)) for s in SEGMENTS]
            rows.append([f"{configuration}, {profile}", *(_fisher_cell(cell) for cell in cells)])
        paper = PAPER_FISHER[configuration]
        rows.append([f"{configuration}, paper", *(paper[s] for s in SEGMENTS)])
    return _table(["X", *SEGMENTS], rows)


def _fisher_cell(row: Row | None) -> Any:
    if row is None:
        return None
    sign = "" if row["median_r"] is None else f" <small>r {row['median_r']:+.2f}</small>"
    text = f"{row['statistic']:.1f}"
    above = row["threshold"] is not None and row["statistic"] > row["threshold"]
    return f"<b>{text}</b>{sign}" if above else f"<span>{text}</span>{sign}"


def _calibrated_table(tests: Sequence[Row]) -> str:
    names = {
        "pooled_spearman": "pooled Spearman, one-sided",
        "permutation_mean_r": "permutation of mean r",
        "permutation_fisher": "permutation of X",
        "nadeau_bengio": "Nadeau-Bengio",
        "increment_mean_r": "radiomics add to clinical",
    }
    by = {(r["profile"], r["test"], r["configuration"], r["segment"]): r for r in tests}
    rows: list[list[Any]] = []
    for profile in (AS_PUBLISHED, CORRECTED):
        for test, title in names.items():
            for configuration in CONFIGURATIONS:
                cells = [by.get((profile, test, configuration, s)) for s in SEGMENTS]
                if any(cells):
                    label = f"{profile}: {title}, {configuration}"
                    rows.append([label, *(_p_cell(cell) for cell in cells)])
    return _table(["p-value", *SEGMENTS], rows)


def _p_cell(row: Row | None) -> Any:
    if row is None or row["p_value"] is None:
        return None
    p = row["p_value"]
    text = f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
    if row["p_error"]:
        text += f" <small>± {row['p_error']:.3f}</small>"
    return f"<b>{text}</b>" if p <= 0.01 else f"<span>{text}</span>"


def _better_table(better: Sequence[Row]) -> str:
    metrics = list(dict.fromkeys(row["metric"] for row in better))
    by = {(r["segment"], r["configuration"], r["metric"]): r for r in better}
    rows = [
        [f"{s}, {c}", *(_score_cell(by.get((s, c, m))) for m in metrics)]
        for s in SEGMENTS
        for c in CONFIGURATIONS
    ]
    return _table(["out of sample", *(name.replace("_", " ") for name in metrics)], rows)


def _score_cell(row: Row | None) -> Any:
    if row is None or row["value"] is None:
        return None
    text = f"<span>{row['value']:.2f}</span>"
    if row["low"] is None:
        return text
    return text + f" <small>{row['low']:.2f} to {row['high']:.2f}</small>"


def _discoveries(univariate: Sequence[Row]) -> str:
    count: Callable[[str], int] = lambda outcome: sum(  # noqa: E731 -- two uses, one line
        row["is_discovery"] for row in univariate if row["outcome"] == outcome
    )
    return f"{count('raw')} against the raw score, {count('class5')} against the five classes"


def _as_json(found: Findings, config: Config) -> dict[str, Any]:
    address = config.address("evaluation")
    return {
        "cohort_hash": found.inputs.cohort,
        "patients": len(found.inputs.studies),
        "left_out": len(found.inputs.left_out),
        "engine": address.engine,
        "config": address.config,
        "settings": config.evaluation.model_dump(mode="json"),
        "bins": found.inputs.bins,
        "features": list(found.inputs.features),
        "selection": list(found.counts),
        "grey_levels": list(found.levels),
        "combined_tests": list(found.tests),
        "better_models": list(found.better),
        "paper_fisher": PAPER_FISHER,
        "caveats": [text.format(min_test=config.evaluation.min_test) for text in CAVEATS],
    }
