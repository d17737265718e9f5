"""Three invented stations and how they name what they write.

The habits are those that conformance statements and viewers' code tell of three makers; the names
say DEMO so that nobody takes an object for a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from mpss_lib.demo.nm_modules import Habits, SeriesText

State = Literal["stress", "rest", ""]
View = Literal["transaxial", "short_axis", ""]


@dataclass(frozen=True)
class Vendor:
    """A station: how it stores, and the words it uses.

    Parameters
    ----------
    habits : Habits
    corrected, uncorrected : str
        Word in descriptions for a volume with and without attenuation correction.
    method : str
        Name of the iterative reconstruction in descriptions.
    has_state_code : bool
        Whether it codes the patient state.
    lists_corrections : bool
        Whether it fills CorrectedImage.
    has_method_tag : bool
        Whether it adds the PET attributes ReconstructionMethod, AttenuationCorrectionMethod.
    """

    habits: Habits
    corrected: str
    uncorrected: str
    method: str
    has_state_code: bool
    lists_corrections: bool
    has_method_tag: bool


VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "ge": Vendor(
            Habits("DEMO GE", "DEMO XELERIS", "4.0", head_first=True, state_coding="SRT"),
            corrected="IRAC",
            uncorrected="IRNC",
            method="OSEM",
            has_state_code=True,
            lists_corrections=False,
            has_method_tag=False,
        ),
        "siemens": Vendor(
            Habits("DEMO SIEMENS", "DEMO SYNGO", "VB10"),
            corrected="AC",
            uncorrected="NAC",
            method="FLASH3D",
            has_state_code=True,
            lists_corrections=True,
            has_method_tag=True,
        ),
        "philips": Vendor(
            Habits("DEMO PHILIPS", "DEMO AUTOSPECT", "2.0", reversed_storage=True, rescale=True),
            corrected="AC",
            uncorrected="NOAC",
            method="ASTONISH",
            has_state_code=False,
            lists_corrections=True,
            has_method_tag=False,
        ),
    }
)


@dataclass(frozen=True)
class Content:
    """What a series holds."""

    state: State
    is_corrected: bool = True
    is_iterative: bool = True
    view: View = "transaxial"
    is_gated: bool = False


def describe(
    vendor: Vendor, content: Content, *, series: str, instance: str, number: int
) -> SeriesText:
    """Name a reconstructed series as the vendor would."""
    word = vendor.corrected if content.is_corrected else vendor.uncorrected
    if not content.is_iterative:  # IRAC and IRNC would say iterative
        word = "AC" if content.is_corrected else "NAC"
    method = vendor.method if content.is_iterative else "FBP"
    parts = [content.state.upper(), word, method]
    if content.is_gated:
        parts.append("GATED")
    parts.append("SA" if content.view == "short_axis" else "TRANSAXIAL")
    corrected = (("ATTN",) if content.is_corrected else ()) + ("SCAT",)
    tagged = vendor.has_method_tag
    return SeriesText(
        series=series,
        instance=instance,
        number=number,
        description=" ".join(parts),
        protocol="MYOCARDIAL PERFUSION",
        image_id=f"{word} {content.state.upper()}"[:16],
        corrected=corrected if vendor.lists_corrections else (),
        attenuation_method=("CT" if content.is_corrected else "NONE") if tagged else "",
        reconstruction=("FLASH 3D" if content.is_iterative else "FBP") if tagged else "",
        processing="" if content.is_iterative else "BUTTERWORTH/RAMP",
        state=content.state if vendor.has_state_code else "",
        view=content.view,
    )
