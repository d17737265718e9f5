"""Linear forms of harmonised models: the harmonisation of each scanner taken into them.

A feature x of a scanner is harmonised as factor x + offset + covariates . weights, which is linear:
with it a model is another linear form for each scanner, over its own columns and the covariates.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.model_files.content import Formula, ScannerFormulas
from mpss_lib.model_files.distribution import Floats
from mpss_lib.publication.predict import ModelGroup

Label = tuple[str, str, str]
"""Source, term and level of a column."""


def covariates_of(group: ModelGroup) -> tuple[Label, ...]:
    """Columns that a harmonised value depends on beside its own; none without harmonisation."""
    for scale in group.scales.values():
        split = (name.partition("=") for name in scale.covariates)
        return tuple(("clinical", term, level) for term, _, level in split)
    return ()


def columns_of(group: ModelGroup) -> tuple[Label, ...]:
    """Columns of the models, and after them the covariates that are no column of theirs."""
    return tuple(dict.fromkeys([*group.labels, *covariates_of(group)]))


def levels_of(group: ModelGroup) -> dict[str, frozenset[str]]:
    """Categories that each factor may have: those of the models and those of the covariates."""
    found = {name: set(levels) for name, levels in group.levels.items()}
    for _, term, level in covariates_of(group):
        if level:
            found.setdefault(term, set()).add(level)
    return {name: frozenset(levels) for name, levels in found.items()}


def plain_form(group: ModelGroup) -> tuple[Floats, Floats]:
    """Give the linear forms for values as they are.

    Parameters
    ----------
    group : ModelGroup

    Returns
    -------
    intercepts : (models,) float64 array
    coefficients : (models, columns) float64 array
    """
    coefficients = np.zeros((len(group.intercepts), len(columns_of(group))))
    coefficients[:, : len(group.labels)] = group.coefficients
    return group.intercepts, coefficients


def scanner_form(group: ModelGroup, scanner: str) -> tuple[Floats, Floats]:
    """Give the linear forms for values of a scanner; the plain ones where it is not harmonised.

    Parameters
    ----------
    group : ModelGroup
    scanner : str

    Returns
    -------
    intercepts : (models,) float64 array
    coefficients : (models, columns) float64 array
    """
    intercepts, coefficients = plain_form(group)
    scale = group.scales.get(scanner)
    if scale is None:
        return intercepts, coefficients
    n_own = len(group.labels)
    coefficients[:, :n_own] *= scale.factor
    place = {label: k for k, label in enumerate(columns_of(group))}
    at = [place[label] for label in covariates_of(group)]
    coefficients[:, at] += np.einsum("ml,mlc->mc", group.coefficients, scale.weights)
    return intercepts + (group.coefficients * scale.offset).sum(axis=1), coefficients


def scanner_formulas(group: ModelGroup) -> tuple[ScannerFormulas, ...]:
    """Forms of each scanner that was harmonised, by name."""
    return tuple(
        ScannerFormulas(scanner=name, formulas=formulas(*scanner_form(group, name)))
        for name in sorted(group.scales)
    )


def formulas(intercepts: Floats, coefficients: Floats) -> tuple[Formula, ...]:
    """Write linear forms as those of a file.

    Parameters
    ----------
    intercepts : (models,) float64 array
    coefficients : (models, columns) float64 array

    Returns
    -------
    tuple of Formula
        One for each model.
    """
    return tuple(
        Formula(intercept=float(intercept), coefficients=tuple(row.tolist()))
        for intercept, row in zip(intercepts, coefficients, strict=True)
    )
