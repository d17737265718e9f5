"""Quality: artefact metrics, limits, verdict, pictures, and the physician's decision."""

from mpss_lib.quality.limits import estimate_limits
from mpss_lib.quality.metrics import Seen, compare, measure
from mpss_lib.quality.review import record_review, reviews_of
from mpss_lib.quality.verdict import Verdict, decide, findings_of, limits_of

__all__ = [
    "Seen",
    "Verdict",
    "compare",
    "decide",
    "estimate_limits",
    "findings_of",
    "limits_of",
    "measure",
    "record_review",
    "reviews_of",
]
