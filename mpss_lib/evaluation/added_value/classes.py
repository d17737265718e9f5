"""Reclassification: the Berman class that each configuration predicts, against the observed one.

Net reclassification: Pencina et al., Stat. Med. 2008;27:157.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np

from mpss_lib.evaluation.design import Flags, Floats, Ints

N_CLASSES = 5

NRI_CAVEAT = (
    "The net reclassification index counts moves between classes, not what they are worth, and can"
    " be positive for a marker that adds nothing where a model is not calibrated (Hilden and Gerds"
    " 2014; Pepe et al. 2015). Read it beside the table and the decision curve, never alone."
)


@dataclass(frozen=True)
class Moves:
    """Net share that moves to a higher class among the events, to a lower one among the others."""

    events: Floats
    others: Floats


def table(observed: Ints, reference: Ints, new: Ints) -> Ints:
    """Count patients by observed, reference and new class.

    Parameters
    ----------
    observed, reference, new : (n,) int64 arrays
        Berman class, 0 to 4.

    Returns
    -------
    (5, 5, 5) int64 array
    """
    counts = np.zeros((N_CLASSES, N_CLASSES, N_CLASSES), np.int64)
    np.add.at(counts, (observed, reference, new), 1)
    return counts


def moves(counts: Floats, is_event: Flags, reference: Ints, new: Ints) -> Moves:
    """Net reclassification in each resample.

    Parameters
    ----------
    counts : (resamples, n) float64
    is_event : (n,) bool
    reference, new : (n,) int64
        Classes by the one and by the other configuration.

    Returns
    -------
    Moves
        Of those with the event upwards, of those without it downwards; (resamples,) each.
    """
    way = np.sign(new - reference).astype(np.float64)
    return Moves(_share(counts, is_event, way), _share(counts, ~is_event, -way))


def _share(counts: Floats, among: Flags, way: Floats) -> Floats:
    n = counts[:, among].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        answer: Floats = np.where(n > 0.0, counts[:, among] @ way[among] / n, nan)
    return answer
