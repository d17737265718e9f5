"""Radiomics: the 487 IBSI features."""

from mpss_lib.radiomics.discretise import AsIs, FixedBinNumber, FixedBinSize
from mpss_lib.radiomics.extraction import extract, extract_many
from mpss_lib.radiomics.settings import IBSI_CONFIGURATIONS, Settings

__all__ = [
    "IBSI_CONFIGURATIONS",
    "AsIs",
    "FixedBinNumber",
    "FixedBinSize",
    "Settings",
    "extract",
    "extract_many",
]
