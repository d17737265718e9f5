"""Tables of the report: how far the tests can be believed."""

from __future__ import annotations

from functools import cache

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS, CORRECTED, LOGLIK
from mpss_lib.evaluation.calibration import NULL, NULL_LEVELS, PLANTED, PLANTED_COHORTS, STRENGTHS
from mpss_lib.evaluation.report_tables import TITLES, Cell, Table, table

PROXIES = {
    "linear": "a straight line",
    "convex": "a convex curve",
    "threshold": "a step",
    "interaction": "products of age with BMI and sex",
}
AGAIN = "again"
"""World of further cohorts without any signal."""

BEFORE = {"independence_mean_r": "radiomic rows dealt out (a test of independence)"}
"""Of tests that the platform does not make, for comparison."""


def null_tables() -> list[Table]:
    """How often each test rejected cohorts without any signal, a table for each level."""
    found = {tuple(name.split()): counts for world, name, *counts in NULL if world == "null"}
    columns = [(p, c) for p in (AS_PUBLISHED, LOGLIK, CORRECTED) for c in CONFIGURATIONS]
    columns = [one for one in columns if any(name[:2] == one for name in found)]
    header = [f"{profile}, {c}" for profile, c in columns]
    parts = []
    for k, level in enumerate(NULL_LEVELS):
        rows = []
        for test, title in TITLES.items():
            counts = [found.get((*column, test)) for column in columns]
            rows.append([title, *(n and _rate(n[0], n[1 + k], level) for n in counts)])
        parts.append(table([f"rejected at {level:g}", *header], rows))
    return parts


def proxy_table() -> Table:
    """How often what radiomics add was found where they are proxies of clinical terms alone."""
    rows = []
    for world, name, n, *counts in NULL:
        if world in PROXIES:
            title = (TITLES | BEFORE)[name.split()[2]]
            cells = [_rate(n, k, level) for k, level in zip(counts, NULL_LEVELS, strict=True)]
            rows.append([PROXIES[world], title, n, *cells])
    header = [f"rejected at {level:g}" for level in NULL_LEVELS]
    return table(["calcium follows age in", "test", "cohorts", *header], rows)


def planted_table() -> Table:
    """How often the tests found an effect of known strength."""
    rows = []
    for name, *counts in PLANTED:
        profile, configuration, test = name.split()
        title = (TITLES | BEFORE)[test]
        rows.append([f"{profile}: {title}, {configuration}", *counts])
    header = [f"{strength:g}, of {PLANTED_COHORTS}" for strength in STRENGTHS]
    return table(["strength of the hidden effect", *header], rows)


def again_table() -> Table:
    """Permutation tests of the corrected profile, counted again on further cohorts."""
    rows = []
    for world, name, n, *counts in NULL:
        if world == AGAIN:
            _, configuration, test = name.split()
            cells = [_rate(n, k, level) for k, level in zip(counts, NULL_LEVELS, strict=True)]
            rows.append([configuration, TITLES[test], n, *cells])
    header = [f"rejected at {level:g}" for level in NULL_LEVELS]
    return table(["corrected", "test", "cohorts", *header], rows)


def often_text() -> str:
    """Name the permutation tests above their limit, in the first count and in the second."""
    first, second = (
        [
            f"{TITLES[test]}, {configuration}, {count} of {n} at {level:g}"
            f" (limit {_limit(n, level)})"
            for world, name, n, *counts in NULL
            for (profile, configuration, test) in [name.split()]
            for count, level in zip(counts, NULL_LEVELS, strict=True)
            if (world, profile) == (wanted, CORRECTED)
            and test.startswith("permutation")
            and count > _limit(n, level)
        ]
        for wanted in ("null", AGAIN)
    )
    return f"Above: {'; '.join(first) or 'none'}. Counted again: {'; '.join(second) or 'none'}."


@cache
def _limit(n: int, level: float) -> int:
    """Rejections that a test of this level exceeds in one of a hundred counts."""
    from scipy.stats import binom

    return int(binom.ppf(0.99, n, level))


def _rate(n: int, count: int, level: float) -> Cell:
    """Rejections with rate and standard error; bold above what a test that holds may reject."""
    share = count / n
    error = (share * (1.0 - share) / n) ** 0.5
    is_often = count > _limit(n, level)
    return Cell(f"{count} of {n}", f"{share:.3f} ± {error:.3f}", is_marked=is_often)
