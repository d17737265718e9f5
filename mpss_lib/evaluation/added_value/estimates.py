"""A number with its interval; areas under ROC curves of the same patients and their differences."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, nan, sqrt

import numpy as np

from mpss_lib.evaluation.design import Flags, Floats
from mpss_lib.prediction_quality import delong

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, its standard error, and the p-value that it is nothing.

    Parameters
    ----------
    value, low, high, std_error, p_value : float
        NaN where it cannot be told.
    method : str
        Where the interval comes from: ``bootstrap``, ``delong`` or ``wald``.
    """

    value: float
    low: float = nan
    high: float = nan
    std_error: float = nan
    p_value: float = nan
    method: str = ""


@dataclass(frozen=True)
class Areas:
    """Areas of several markers of the same patients.

    Parameters
    ----------
    area : (markers,) float64
        NaN where there is no event, or nothing but events.
    covariance : (markers, markers) float64
        NaN where there are fewer than two events or fewer than two others.
    """

    area: Floats
    covariance: Floats

    def estimate(self, marker: int) -> Estimate:
        """Area of one marker; the interval is cut at 0 and 1."""
        value, error = float(self.area[marker]), _root(self.covariance[marker, marker])
        low, high = max(0.0, value - Z_95 * error), min(1.0, value + Z_95 * error)
        if not np.isfinite(error):
            low = high = nan
        return Estimate(value, low, high, error, nan, "delong")

    def difference(self, marker: int, other: int) -> Estimate:
        """Area of one marker minus that of another of the same patients, with a two-sided p.

        Markers that order the events alike give 0 with p 1.
        """
        c = self.covariance
        value = float(self.area[marker] - self.area[other])
        error = _root(c[marker, marker] + c[other, other] - 2.0 * c[marker, other])
        if not np.isfinite(error):
            return Estimate(value, method="delong")
        if error <= 1e-12:
            return Estimate(value, value, value, 0.0, 1.0 if abs(value) <= 1e-12 else nan, "delong")
        p = erfc(abs(value / error) / sqrt(2.0))
        return Estimate(value, value - Z_95 * error, value + Z_95 * error, error, p, "delong")


def areas(markers: Floats, is_event: Flags) -> Areas:
    """Areas and their covariance.

    Parameters
    ----------
    markers : (markers, n) float64, finite
        A higher value stands for the event.
    is_event : (n,) bool
    """
    return Areas(*delong(markers, is_event))


def _root(variance: float) -> float:
    return sqrt(max(float(variance), 0.0)) if np.isfinite(variance) else nan
