"""Gated studies: the left ventricle through the beat, its volumes and ejection fraction."""

from mpss_lib.gated.ejection import Ejection, ejection_fraction
from mpss_lib.gated.regional import Phase

__all__ = ["Ejection", "Phase", "ejection_fraction"]
