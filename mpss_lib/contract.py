"""The contract of the clinical registry as data: columns, codes, and every limit of a value.

Each clinical limit stands here and nowhere else. The import refuses rows by it
(``pull.clinical.row``), the expectations judge the lake by it (``warehouse.expectations``), and the
classes of calcium scores are made by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

COLUMNS: tuple[str, ...] = (
    *("patient_id", "accession_number", "study_date", "cac_date", "reading", "sex", "race", "age"),
    *("height_m", "weight_kg", "bmi", "lvef", "smoking", "diabetes", "hypertension"),
    *("hyperlipidemia", "family_history", "stress_agent", "cac_total", "cac_lm", "cac_lad"),
    *("cac_lcx", "cac_rca", "birth_date"),
)
"""What is read of the registry, by our names."""

OPTIONAL: frozenset[str] = frozenset({"height_m", "weight_kg", "accession_number", "birth_date"})
"""Columns that a registry may lack altogether. The birth date is looked at and never kept."""

CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reading": ("normal", "abnormal", "equivocal"),
        "sex": ("F", "M"),
        "race": ("White", "Black", "Asian", "Hispanic", "American Indian", "Pacific Islander",
                 "Other", "Unknown"),
        "stress_agent": ("exercise", "adenosine", "dipyridamole", "regadenoson", "dobutamine"),
    }
)  # fmt: skip
"""Allowed codes; capitals do not matter, a site's own codes are mapped in the settings."""

FLAGS = ("smoking", "diabetes", "hypertension", "hyperlipidemia", "family_history")
ARTERIES = ("cac_lm", "cac_lad", "cac_lcx", "cac_rca")
SCORES = ("cac_total", *ARTERIES)

HIGHEST_SCORE = 20000.0
"""Agatston units."""

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "age": (0.0, 120.0),  # years
        "height_m": (0.5, 2.5),
        "weight_kg": (20.0, 400.0),
        "bmi": (8.0, 100.0),  # kg/m2
        "lvef": (5.0, 100.0),  # per cent
        **dict.fromkeys(SCORES, (0.0, HIGHEST_SCORE)),
    }
)
"""Least and greatest value that the import accepts, ends included."""

OLDEST_AGE = 90.0
"""Older patients are stored as 90 (PS3.15: an age above 89 identifies)."""

BMI_TOLERANCE = 1.0
AGE_TOLERANCE = 1.0
CAC_TOLERANCE = 1.0
"""Agatston units by which the arteries may miss the total (rounding of four scores)."""

NO_CALCIUM = 0.5
"""Agatston units: a prediction below this is class 0, as a score that is told rounded would be."""

CLASS_LIMITS = (10.0, 100.0, 400.0)
"""Agatston units: upper limits of the classes 1, 2 and 3 (Berman et al.); class 4 is above."""


def score_class(score: float) -> int:
    """Class 0-4 of a true score: no calcium, up to 10, up to 100, up to 400, above (Berman et al.).

    Any score above 0 is calcium, however little.
    """
    return 0 if score <= 0.0 else 1 + sum(score > limit for limit in CLASS_LIMITS)


def berman_class(prediction: float) -> int:
    """Class 0-4 of a predicted score: of ``score_class``, but below ``NO_CALCIUM`` it is 0."""
    return 0 if prediction < NO_CALCIUM else score_class(prediction)


def stored_range(name: str) -> tuple[float, float]:
    """Give the range of a value on the lake: that of the import, the age capped."""
    low, high = RANGES[name]
    return low, OLDEST_AGE if name == "age" else high
