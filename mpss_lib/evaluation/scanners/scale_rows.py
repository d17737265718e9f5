"""How a model's features are harmonised, as rows: enough to apply it to a study of a scanner.

ComBat: Johnson, Li and Rabinovic 2007, see ``combat``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mpss_lib.evaluation.design import Design, Floats, Ints, column_name
from mpss_lib.evaluation.rows import Rows
from mpss_lib.evaluation.scanners.harmonise import fitted
from mpss_lib.evaluation.scanners.labels import Scanner


def scale_rows(
    key: str, terms: Collection[str], design: Design, test: Ints, scanners: Sequence[Scanner]
) -> Rows:
    """Rows of ``model_harmonisation`` of one model.

    Each scanner by its own name: one that was taken together with others has their figures. One
    that was not fitted has no rows, and a study of it keeps its values.

    Parameters
    ----------
    key : str
        Of the model.
    terms : collection of str
        Features of the model.
    design : Design
    test : (n_test,) int64 array
        Rows that the fit may not see.
    scanners : sequence of Scanner
        Of each row of the design.

    Returns
    -------
    list of rows
    """
    combat = fitted(design, test)
    m = design.n_harmonised
    columns = {name: k for k, name in enumerate(design.names[:m]) if name in terms}
    pool = {scanner.name: name for scanner, name in zip(scanners, design.scanners, strict=True)}
    rows: Rows = []
    for scanner, name in sorted(pool.items()):
        if name not in combat.scanners:
            continue
        s = combat.scanners.index(name)
        for term, k in columns.items():
            named = _named(design, combat.weights[s, :, k])
            rows.append(
                {
                    "model_key": key,
                    "scanner": scanner,
                    "term": term,
                    "factor": float(combat.factor[s, k]),
                    "offset": float(combat.offset[s, k]),
                    "covariates": list(named),
                    "weights": list(named.values()),
                }
            )
    return rows


def _named(design: Design, weights: Floats) -> dict[str, float]:
    """Weights by name: a number by its term, a factor by each of its levels."""
    m = design.n_harmonised
    found: dict[str, float] = {}
    for t, (name, levels) in enumerate(zip(design.names[m:], design.levels[m:], strict=True), m):
        own = weights[design.first[t] - m : design.first[t + 1] - m]
        values = [0.0, *own] if levels else own
        for level, weight in zip(levels or ("",), values, strict=True):
            found[column_name(name, level)] = float(weight)
    return found
