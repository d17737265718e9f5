"""Tables of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS, LOGLIK, PROFILES
from mpss_lib.evaluation import paper
from mpss_lib.evaluation.inputs import Inputs
from mpss_lib.evaluation.significance import is_at_floor, p_text
from mpss_lib.sections import SEGMENTS

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """Text of a cell, bold where ``is_marked``, and a note in small beside or below it."""

    text: str
    note: str = ""
    is_marked: bool = False
    is_noted_below: bool = False


@dataclass(frozen=True)
class Table:
    """A table of numbers, scores or text, as the template shows it."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: str = "numbers"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], kind: str = "numbers") -> Table:
    """Make a table; numbers get their digits, and what is not there a dash."""
    return Table(tuple(header), tuple(tuple(map(_cell, row)) for row in rows), kind)


def number_text(value: float, digits: int = 2, *, is_signed: bool = False) -> str:
    """Write a number with a true minus sign, and 0 without a sign."""
    text = f"{value:{'+' if is_signed else ''}.{digits}f}"
    if float(text) == 0.0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def interval_text(low: float, high: float, digits: int = 2, *, is_signed: bool = False) -> str:
    """Write the ends of an interval."""
    ends = (number_text(end, digits, is_signed=is_signed) for end in (low, high))
    return " to ".join(ends)


def _cell(value: Any) -> Cell:
    if isinstance(value, Cell):
        return value
    if value is None:
        return Cell("–")
    if isinstance(value, bool):
        return Cell("yes" if value else "")
    if isinstance(value, float):
        text = f"{value:.3g}" if abs(value) < 10 else f"{value:.2f}"
        return Cell(text.replace("-", "−"))
    return Cell(str(value))


TERMS = {"age": "age, years", "bmi": "BMI, kg/m²", "lvef": "LVEF, %"}


def clinical_table(inputs: Inputs) -> Table:
    """Distribution of each clinical term."""
    rows: list[list[Any]] = []
    for term, values in inputs.clinical.items():
        name = TERMS.get(term, term.replace("_", " "))
        if values.dtype.kind == "f" and set(np.unique(values)) - {0.0, 1.0}:
            shown = f"{values.mean():.1f} ± {values.std():.1f}"
            rows.append([name, shown])
        elif values.dtype.kind == "f":
            rows.append([name, f"{int(values.sum())} ({100 * values.mean():.1f} %)"])
        else:
            levels, counts = np.unique(values, return_counts=True)
            parts = [f"{a} {b}" for a, b in zip(levels, counts, strict=True)]
            rows.append([name, ", ".join(parts)])
    return table(["clinical term", "cohort"], rows)


def ledger_table(counts: Sequence[Row]) -> Table:
    """Features left after each step, each profile beside the paper."""
    by = {(row["profile"], row["step"]): row for row in counts}
    profiles = _profiles(counts)
    steps = dict.fromkeys(row["step"] for row in counts)
    rows = []
    for step in steps:
        mine = [by[profile, step] for profile in profiles]
        cells = [row[name] for row in mine for name in ("n_removed", "n_after")]
        name = f"{step.partition('_')[0]} {paper.STEPS[step]}" if step in paper.STEPS else step
        rows.append([name, *cells, mine[0]["n_paper"]])
    header = [f"{profile}: {what}" for profile in profiles for what in ("removed", "left")]
    return table(["removed are features that are", *header, "left in the paper"], rows)


def _profiles(rows: Sequence[Row]) -> list[str]:
    """Profiles that the rows are of, in their order."""
    there = {row["profile"] for row in rows}
    return [profile for profile in (AS_PUBLISHED, LOGLIK, *PROFILES[1:]) if profile in there]


LEVELS = {
    "bins": "bins",
    "n_identical": "constant features",
    "low_range_change": "low range against 64/128",
    "rank_stability": "rank stability",
    "n_correlated_pairs": "pairs |ρ| ≥ .9",
    "pairs_change": "pairs against 64/128",
    "n_stable": "ICC ≥ .75",
    "n_distinct": "of these distinct",
    "mean_icc": "mean ICC",
    "bootstrap_share": "bootstrap share",
    "removed_by": "against it",
    "is_chosen": "chosen",
    "is_runner_up": "runner-up",
}
"""Columns of ``grey_level`` that are shown, and what they are called."""


def level_table(levels: Sequence[Row]) -> Table:
    """How each number of grey levels was judged; a column that is empty is left out."""
    there = [name for name in LEVELS if any(row[name] not in (None, "") for row in levels)]
    rows = [[row["profile"], *(_level_value(name, row[name]) for name in there)] for row in levels]
    return table(["profile", *(LEVELS[name] for name in there)], rows)


def _level_value(name: str, value: Any) -> Any:
    if value is not None and name.endswith("_change"):
        return number_text(100 * value, 0, is_signed=True) + " %"
    return value


def level_sentences(levels: Sequence[Row]) -> list[str]:
    """Why each profile chose its number of grey levels."""
    return [f"{row['profile']}: {row['why']}" for row in levels if row["why"]]


def fisher_table(tests: Sequence[Row]) -> Table:
    """Fisher's X by segment, each profile and the paper."""
    by = {
        (r["profile"], r["configuration"], r["segment"]): r for r in tests if r["test"] == "fisher"
    }
    rows: list[list[Any]] = []
    for configuration in CONFIGURATIONS:
        for profile in _profiles(tests):
            cells = [by.get((profile, configuration, s)) for s in SEGMENTS]
            rows.append([f"{configuration}, {profile}", *(_fisher_cell(cell) for cell in cells)])
        printed = paper.FISHER[configuration]
        rows.append([f"{configuration}, paper", *(_paper_cell(printed[s]) for s in SEGMENTS)])
    return table(["X", *SEGMENTS], rows)


def seed_table(seeds: Sequence[Row]) -> Table:
    """Fisher's X over the seeds of the splits: median, least and largest."""
    by: dict[tuple[str, str, str], list[float]] = {}
    for row in seeds:
        key = (row["configuration"], row["profile"], row["segment"])
        by.setdefault(key, []).append(row["fisher"])
    rows: list[list[Any]] = []
    for configuration in CONFIGURATIONS:
        for profile in _profiles(seeds):
            found = [by.get((configuration, profile, s)) for s in SEGMENTS]
            cells = [x and Cell(f"{np.median(x):.1f}", f"{min(x):.0f}–{max(x):.0f}") for x in found]
            rows.append([f"{configuration}, {profile}", *cells])
    return table(["X over the seeds", *SEGMENTS], rows)


def _paper_cell(x: float) -> Cell:
    return Cell(f"{x:g}", is_marked=x > paper.FISHER_LIMIT)


def _fisher_cell(row: Row | None) -> Cell | None:
    if row is None:
        return None
    sign = "" if row["median_r"] is None else f"r {number_text(row['median_r'], is_signed=True)}"
    above = row["threshold"] is not None and row["statistic"] > row["threshold"]
    return Cell(f"{row['statistic']:.1f}", sign, is_marked=above)


EXACT = {
    "permutation_mean_r": "permutation of mean r",
    "permutation_fisher": "permutation of X",
    "permutation_pooled": "permutation of pooled rho",
    "conditional_mean_r": "radiomics add to clinical, mean r",
    "conditional_pooled": "radiomics add to clinical, pooled rho",
}
APPROXIMATE = {
    "pooled_spearman": "pooled Spearman, one-sided t",
    "nadeau_bengio": "Nadeau-Bengio",
}
TITLES = {"fisher": "Fisher's X", **EXACT, **APPROXIMATE}


def test_table(tests: Sequence[Row], names: Mapping[str, str]) -> Table:
    """P-values of the named tests by profile, configuration and segment."""
    by = {(r["profile"], r["test"], r["configuration"], r["segment"]): r for r in tests}
    rows: list[list[Any]] = []
    for profile in _profiles(tests):
        for test, title in names.items():
            for configuration in CONFIGURATIONS:
                cells = [by.get((profile, test, configuration, s)) for s in SEGMENTS]
                if any(cells):
                    label = f"{profile}: {title}, {configuration}"
                    rows.append([label, *(_p_cell(cell) for cell in cells)])
    return table(["p-value", *SEGMENTS], rows)


def _p_cell(row: Row | None) -> Cell | None:
    if row is None or row["p_value"] is None:
        return None
    p = row["p_value"]
    note = f"± {row['p_error']:.3f}" if row["p_error"] else ""
    if is_at_floor(row):
        note = "floor"
    if row["p_adjusted"] is not None:
        note += f", together {p_text(row['p_adjusted'])}"
    return Cell(p_text(p), note, is_marked=p <= 0.01)


METRICS = {
    "spearman": "Spearman",
    "auc_at_least_100": "AUC, score of at least 100",
    "auc_above_400": "AUC, score above 400",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "coverage_90": "inside the 90 % interval",
    "coverage_90_no_calcium": "inside it, without calcium",
    "coverage_90_above_400": "inside it, score above 400",
}


def better_tables(better: Sequence[Row]) -> list[Table]:
    """Scores of the elastic net, one table for each configuration."""
    metrics = list(dict.fromkeys(row["metric"] for row in better))
    by = {(r["segment"], r["configuration"], r["metric"]): r for r in better}
    parts = []
    for c in CONFIGURATIONS:
        rows = [
            [METRICS.get(name, name), *(_score_cell(by.get((s, c, name))) for s in SEGMENTS)]
            for name in metrics
        ]
        parts.append(table([f"{c}, out of sample", *SEGMENTS], rows, "scores"))
    return parts


def _score_cell(row: Row | None) -> Cell | None:
    if row is None or row["value"] is None:
        return None
    bounds = "" if row["low"] is None else interval_text(row["low"], row["high"])
    return Cell(number_text(row["value"]), bounds, is_noted_below=True)


def discoveries(univariate: Sequence[Row]) -> str:
    """Count the false-discovery-controlled findings of the published profile."""

    def count(outcome: str) -> int:
        mine = [row for row in univariate if row["profile"] == AS_PUBLISHED]
        return sum(row["is_discovery"] for row in mine if row["outcome"] == outcome)

    return f"{count('raw')} against the raw score, {count('class5')} against the five classes"
