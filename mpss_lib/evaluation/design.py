"""Terms and columns: a number is one column, a factor is one term of several dummies.

Coding of factors: treatment contrasts, as in the paper's ``stepwiselm``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpss_lib.errors import WrongArgumentError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FACTOR_KINDS = "OUST"
"""Kinds of numpy arrays that hold text."""


@dataclass(frozen=True)
class Design:
    """Terms of a regression and their columns.

    Parameters
    ----------
    names : tuple of str
        Terms, in canonical order.
    levels : tuple of tuple of str
        Levels of each factor in sorted order, the first is the reference; () for a number.
    first : (terms + 1,) int64
        Term ``t`` owns the columns ``first[t]:first[t + 1]``.
    columns : (n, m) float64
        Raw values; 0 or 1 for a dummy.
    codes : (terms, n) float64
        The number, or the code of the factor's level.
    scanners : tuple of n str
        Where the features are to be harmonised for each split: who made them; else ().
    n_harmonised : int
        How many of the first columns, each a term of its own, that concerns.
    """

    names: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    first: Ints
    columns: Floats
    codes: Floats
    scanners: tuple[str, ...] = ()
    n_harmonised: int = 0

    @property
    def labels(self) -> list[tuple[str, str]]:
        """(term, level) of each column; the level of a number is ''."""
        return [
            (name, level)
            for name, levels in zip(self.names, self.levels, strict=True)
            for level in (levels[1:] if levels else ("",))
        ]

    @property
    def column_names(self) -> list[str]:
        """Name of each column: that of the number, or ``factor=level``."""
        return [column_name(*label) for label in self.labels]

    def columns_of(self, terms: Iterable[str]) -> list[int]:
        """Columns that belong to the terms, in canonical order."""
        wanted = set(terms)
        return [k for k, (name, _) in enumerate(self.labels) if name in wanted]

    def standardised(self) -> tuple[Floats, Floats, Floats]:
        """Columns with mean 0 and standard deviation 1, the means and the scales.

        A constant column keeps scale 1.

        Returns
        -------
        columns : (n, m) float64 array
        centre, scale : (m,) float64 arrays
        """
        centre = self.columns.mean(axis=0)
        scale = (self.columns - centre).std(axis=0)
        scale = np.where(scale > 1e-12 * (np.abs(centre) + 1e-300), scale, 1.0)
        return np.ascontiguousarray((self.columns - centre) / scale), centre, scale


def column_name(term: str, level: str) -> str:
    """Name of the column of a number (``level`` '') or of a level of a factor."""
    return f"{term}={level}" if level else term


def encode(
    columns: Mapping[str, Any], levels: Mapping[str, tuple[str, ...]] | None = None
) -> Design:
    """Make the columns of a regression.

    Parameters
    ----------
    columns : mapping of str to (n,) array
        Numbers and booleans are one column; text is a factor, its first level in sorted order
        is the reference.
    levels : mapping, optional
        Levels of factors that are already known, as for prediction.

    Raises
    ------
    WrongArgumentError
        If a column is not one-dimensional, of another length, not finite, or has a level that is
        not known.
    """
    known = levels or {}
    names, all_levels, first, parts, codes = [], [], [0], [], []
    length = None
    for name, given in columns.items():
        values = np.asarray(given)
        length = len(values) if length is None and values.ndim == 1 else length
        if values.ndim != 1 or len(values) != length:
            raise WrongArgumentError(
                f"column {name} has shape {values.shape}, wanted ({length},)",
                way_out="give one-dimensional columns of one length",
            )
        if values.dtype.kind in FACTOR_KINDS:
            found, code, part = _factor(name, values, known.get(name))
        else:
            found, part = (), _number(name, values)[:, None]
            code = part[:, 0]
        names.append(name)
        all_levels.append(found)
        parts.append(part)
        codes.append(code)
        first.append(first[-1] + part.shape[1])
    n = length or 0
    return Design(
        names=tuple(names),
        levels=tuple(all_levels),
        first=np.array(first, np.int64),
        columns=np.ascontiguousarray(np.hstack([np.empty((n, 0)), *parts])),
        codes=np.ascontiguousarray(np.array(codes, np.float64).reshape(len(names), n)),
    )


def _number(name: str, values: npt.NDArray[Any]) -> Floats:
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise WrongArgumentError(
            f"column {name} has {int((~np.isfinite(numbers)).sum())} values that are not finite",
            way_out="leave those rows out, or the column",
        )
    return numbers


def _factor(
    name: str, values: npt.NDArray[Any], known: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Floats, Floats]:
    texts = [None if value is None else str(value) for value in values]
    present = {text for text in texts if text is not None}
    levels = tuple(sorted(present)) if known is None else known
    unknown = sorted(present - set(levels))
    if unknown or None in texts:
        raise WrongArgumentError(
            f"factor {name} has missing values or levels {unknown} that the model does not know",
            way_out=f"give one of {list(levels)} in each row",
        )
    place = {level: float(k) for k, level in enumerate(levels)}
    code = np.array([place[str(text)] for text in texts], np.float64)
    dummies = (code[:, None] == np.arange(1, len(levels))[None, :]).astype(np.float64)
    return levels, code, dummies
