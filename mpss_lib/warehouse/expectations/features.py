"""All feature columns of some rows, judged at once: finite or flagged, in range, as defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mpss_lib.warehouse.joining import PATH

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TOLERANCE = 1e-9
"""Relative: what two orders of summation may differ by."""

MOST_NAMED = 3
"""Features that a finding names; the others are counted."""

SCALES: Mapping[str, Callable[[Floats], Floats]] = {
    "1": np.ones_like,
    "bins": lambda bins: bins,
    "bins^2": lambda bins: bins**2,
    "bins^4": lambda bins: bins**4,
    "log2(bins)": np.log2,
}
"""What the largest value of a feature counts (``core.feature_range.valid_scale``)."""


@dataclass(frozen=True)
class Dictionary:
    """What the definitions say of the feature columns of one table.

    Parameters
    ----------
    names : tuple of str
        Columns, in the order of the arrays.
    low, high : (features,) float64
        Bounds; infinite where there is none.
    scales : tuple of str
        By which ``high`` is multiplied, for each feature.
    identities : tuple of (feature, factor, partner, less)
        Places of columns: feature = factor x partner - less; ``less`` is -1 where nothing is taken
        off.
    """

    names: tuple[str, ...]
    low: Floats
    high: Floats
    scales: tuple[str, ...]
    identities: tuple[tuple[int, float, int, int], ...]

    def told(self) -> tuple[object, ...]:
        """Give all that it says, for a digest."""
        return self.names, self.low.tolist(), self.high.tolist(), self.scales, self.identities

    def __deepcopy__(self, memo: object) -> Dictionary:
        """Give itself: pandas copies what goes with a frame, once for each column."""
        return self


def read_dictionary(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Dictionary:
    """Read the bounds and identities of these columns from ``core``."""
    place = {name: k for k, name in enumerate(names)}
    rows = {
        row[0]: row[1:]
        for row in connection.execute(
            "select feature, valid_min, valid_max, valid_scale from core.feature_dictionary"
        ).fetchall()
    }
    found = [rows.get(name, (None, None, "1")) for name in names]
    ties = connection.execute(
        'select feature, factor, partner, "less" from core.feature_identity'
    ).fetchall()
    return Dictionary(
        names=tuple(names),
        low=np.array([-np.inf if low is None else low for low, _, _ in found]),
        high=np.array([np.inf if high is None else high for _, high, _ in found]),
        scales=tuple(scale for _, _, scale in found),
        identities=tuple(
            (place[feature], float(factor), place[partner], place.get(less, -1))
            for feature, factor, partner, less in sorted(ties)
            if feature in place and partner in place and (not less or less in place)
        ),
    )


def broken_rows(frame: pd.DataFrame, dictionary: Dictionary) -> dict[str, list[dict[str, Any]]]:
    """Find the rows that break each aspect.

    Parameters
    ----------
    frame : pandas.DataFrame, columns of ``feature_once`` or ``feature_binned``
        Keys, ``undefined_features``, features.
    dictionary : Dictionary
        Of the same columns.

    Returns
    -------
    dict
        Aspect (``finite_or_flagged``, ``in_range``, ``identical``, ``twin``) to rows: their keys
        and ``value``, which names the features.
    """
    values = frame[list(dictionary.names)].to_numpy(np.float64)
    masks = {
        "finite_or_flagged": np.isinf(values) | (np.isnan(values) != _flagged(frame, dictionary)),
        "in_range": _out_of_range(values, _bins(frame), dictionary),
        "identical": _unequal(values, dictionary),
    }
    found = {aspect: _told(frame, values, mask, dictionary) for aspect, mask in masks.items()}
    found["twin"] = _twins(frame, values) if "bins" not in frame else []
    return found


def _bins(frame: pd.DataFrame) -> Floats:
    if "bins" in frame:
        return frame["bins"].to_numpy(np.float64)
    return np.ones(len(frame))


def _flagged(frame: pd.DataFrame, dictionary: Dictionary) -> Flags:
    """(rows, features): whether the row names the feature as undefined."""
    import pandas as pd

    mask = np.zeros((len(frame), len(dictionary.names)), np.bool_)
    named = [() if given is None else given for given in frame["undefined_features"]]
    lengths = [len(names) for names in named]
    if not sum(lengths):
        return mask
    columns = pd.Index(dictionary.names).get_indexer(pd.Index(np.concatenate(named)))
    rows = np.repeat(np.arange(len(frame)), lengths)
    known = columns >= 0
    mask[rows[known], columns[known]] = True
    return mask


def _out_of_range(values: Floats, bins: Floats, dictionary: Dictionary) -> Flags:
    """(rows, features): below or above the bounds; what is not finite is judged elsewhere."""
    low = dictionary.low - TOLERANCE * np.maximum(np.abs(dictionary.low), 1.0)
    low = np.where(np.isinf(dictionary.low), -np.inf, low)
    with np.errstate(invalid="ignore"):
        bad = np.isfinite(values) & (values < low)
        for level in np.unique(bins):
            here = bins == level
            scale = np.array([SCALES[s](np.array([level]))[0] for s in dictionary.scales])
            high = dictionary.high * np.where(np.isinf(dictionary.high), 1.0, scale)
            high = np.where(np.isinf(high), high, high + TOLERANCE * np.maximum(np.abs(high), 1.0))
            part = values[here]
            bad[here] |= np.isfinite(part) & (part > high)
    return bad


def _unequal(values: Floats, dictionary: Dictionary) -> Flags:
    """(rows, features): the feature misses what its definition ties it to."""
    bad = np.zeros(values.shape, np.bool_)
    for feature, factor, partner, less in dictionary.identities:
        taken = values[:, less] if less >= 0 else 0.0
        with np.errstate(invalid="ignore"):
            expected = factor * values[:, partner] - taken
            scale = np.maximum(np.abs(values[:, partner]) * factor, np.abs(values[:, feature]))
            near = np.abs(values[:, feature] - expected) <= TOLERANCE * np.maximum(scale, 1e-12)
        both = np.isnan(values[:, feature]) & np.isnan(expected)
        bad[:, feature] = ~(near | both)
    return bad


def _told(
    frame: pd.DataFrame, values: Floats, mask: Flags, dictionary: Dictionary
) -> list[dict[str, Any]]:
    keys = [name for name in (PATH, "study_key", "segment", "bins") if name in frame]
    rows = []
    for k in np.flatnonzero(mask.any(axis=1)):
        places = np.flatnonzero(mask[k])
        told = [f"{dictionary.names[i]} = {values[k, i]:.6g}" for i in places[:MOST_NAMED]]
        if len(places) > MOST_NAMED:
            told.append(f"and {len(places) - MOST_NAMED} more")
        row = {name: frame[name].iloc[k] for name in keys}
        rows.append(row | {"value": ", ".join(told)})
    return rows


def _twins(frame: pd.DataFrame, values: Floats) -> list[dict[str, Any]]:
    """Studies whose whole-wall features are those of another study, to the last bit.

    Each names the others (three at most): under two patients, one of them is wrong.
    """
    studies: dict[bytes, list[str]] = {}
    for k in np.flatnonzero((frame["segment"] == "MYO").to_numpy()):
        if np.isfinite(values[k]).any():
            studies.setdefault(values[k].tobytes(), []).append(str(frame["study_key"].iloc[k]))
    rows = []
    for keys in studies.values():
        for key in sorted(set(keys)):
            others = sorted(set(keys) - {key})
            if others:
                more = f" and {len(others) - 3} more" if len(others) > 3 else ""
                rows.append({"study_key": key, "value": f"same as {', '.join(others[:3])}{more}"})
    return rows
