"""Quality: artefact metrics, limits, verdict, pictures, and the physician's decision."""

from mpss_lib.quality.limits import SiteLimits, estimate_limits, site_limits
from mpss_lib.quality.metrics import Seen, compare, measure
from mpss_lib.quality.review import accepted_studies, record_review, reviews_of
from mpss_lib.quality.verdict import Verdict, decide, findings_of, limits_of

__all__ = [
    "Seen",
    "SiteLimits",
    "Verdict",
    "accepted_studies",
    "compare",
    "decide",
    "estimate_limits",
    "findings_of",
    "limits_of",
    "measure",
    "record_review",
    "reviews_of",
    "site_limits",
]
