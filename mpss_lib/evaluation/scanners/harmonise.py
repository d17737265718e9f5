"""The features of a design brought to one scale, by what the rows that are not tested show.

ComBat: Johnson, Li and Rabinovic 2007, see ``combat``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mpss_lib.evaluation.design import Design, Floats, Ints
from mpss_lib.evaluation.scanners.combat import Combat, fit_combat

NOBODY: Ints = np.zeros(0, np.int64)
"""No test rows: the whole cohort is fitted."""


def fitted(design: Design, test: Ints) -> Combat:
    """Fit ComBat to the rows that are not tested; the clinical columns are what is kept.

    Parameters
    ----------
    design : Design
        Names the scanner of each row.
    test : (n_test,) int64 array
        Rows that are not looked at.

    Returns
    -------
    Combat
    """
    train = np.ones(len(design.columns), np.bool_)
    train[test] = False
    names = [name for name, is_in in zip(design.scanners, train, strict=True) if is_in]
    return fit_combat(
        design.columns[train, : design.n_harmonised], covariates_of(design)[train], names
    )


def harmonised(design: Design, test: Ints = NOBODY) -> Design:
    """Bring every row to one scale, by what the rows that are not tested show.

    A design that names no scanners is given back as it is.

    Parameters
    ----------
    design : Design
    test : (n_test,) int64 array
        Rows that are not looked at; nobody by default.

    Returns
    -------
    Design
        Without names of scanners.
    """
    if not design.scanners:
        return design
    m = design.n_harmonised
    columns = design.columns.copy()
    columns[:, :m] = fitted(design, test).apply(
        design.columns[:, :m], covariates_of(design), design.scanners
    )
    codes = design.codes.copy()
    codes[:m] = columns[:, :m].T
    return replace(design, columns=columns, codes=codes, scanners=(), n_harmonised=0)


def covariates_of(design: Design) -> Floats:
    """Columns that are kept: those after the features.

    Parameters
    ----------
    design : Design

    Returns
    -------
    (n, covariates) float64 array
    """
    return design.columns[:, design.n_harmonised :]
