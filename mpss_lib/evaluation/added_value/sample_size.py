"""What effect a cohort of this size could have found, and how large it should have been.

Nothing here looks at the size of what was found: the least effect follows from the number of
patients, or from the standard error of a paired difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, sqrt, tanh

from mpss_lib.prediction_quality import Z_95

POWER = 0.80
Z_POWER = 0.8416212335729143
SHRINKAGE = 0.9
OPTIMISM = 0.05
MARGIN = 0.05
ANTICIPATED = 0.15
"""Share of the greatest Cox-Snell R2 that is assumed where nothing is known (Riley 2019)."""


def least_correlation(n: int) -> float:
    """Least rank correlation that is found with 80 % power at .05, two-sided.

    Fisher's z with the variance 1.06 / (n - 3) of a rank correlation (Fieller, Hartley, Pearson
    1957). NaN for fewer than 4 patients.
    """
    return tanh((Z_95 + Z_POWER) * sqrt(1.06 / (n - 3))) if n > 3 else float("nan")


def least_difference(std_error: float) -> float:
    """Least paired difference that is found with 80 % power at .05, two-sided (Bloom 1995)."""
    return (Z_95 + Z_POWER) * std_error


@dataclass(frozen=True)
class Needed:
    """Patients that a model of an event should be developed on (Riley et al. 2019, 2020).

    Parameters
    ----------
    shrinkage : int
        For an expected shrinkage of .9.
    optimism : int
        For an optimism of Nagelkerke's R2 of at most .05.
    prevalence : int
        For a share of events known to within .05.
    """

    shrinkage: int
    optimism: int
    prevalence: int

    @property
    def most(self) -> int:
        """What satisfies all three."""
        return max(self.shrinkage, self.optimism, self.prevalence)


def needed(parameters: int, prevalence: float, r2_cox_snell: float | None = None) -> Needed | None:
    """Give the least sample sizes of a logistic model; None where every patient has one outcome.

    Parameters
    ----------
    parameters : int
        Candidate columns, not those that are chosen.
    prevalence : float
        Share of events.
    r2_cox_snell : float, optional
        Anticipated; ``ANTICIPATED`` of the greatest possible one by default.
    """
    if not 0.0 < prevalence < 1.0:
        return None
    q = 1.0 - prevalence
    greatest = 1.0 - exp(2.0 * (prevalence * log(prevalence) + q * log(q)))
    r2 = ANTICIPATED * greatest if r2_cox_snell is None else r2_cox_snell
    kept = r2 / (r2 + OPTIMISM * greatest)
    return Needed(
        _for_shrinkage(parameters, r2, SHRINKAGE),
        _for_shrinkage(parameters, r2, kept),
        ceil((Z_95 / MARGIN) ** 2 * prevalence * q),
    )


def _for_shrinkage(parameters: int, r2: float, shrinkage: float) -> int:
    return ceil(parameters / ((shrinkage - 1.0) * log(1.0 - r2 / shrinkage)))
