"""What a physician reads in place of names: metrics of quality, reasons of a reject, stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NO_UNIT = ""
RATIO = "ratio"


@dataclass(frozen=True)
class Metric:
    """A metric in plain words, and its unit."""

    says: str
    unit: str = RATIO


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "anterior_inferior": Metric("Anterior over inferior wall"),
        "apex_peak": Metric("Apex over the wall beside it (peak)"),
        "apex_ratio": Metric("Apex over the middle of the wall"),
        "base_residual_mm": Metric("Valve plane: distance of the wall's end from it", "mm"),
        "cavity_ml": Metric("Volume of the cavity", "mL"),
        "correction_gain": Metric(
            "Gain by the attenuation correction, for each 100 mm of body (log)", "1/100 mm"
        ),
        "correction_tilt": Metric("Septum gained more than the lateral wall (log)", NO_UNIT),
        "deficit": Metric("Total perfusion deficit", "%"),
        "edge_voxels": Metric("Distance of the heart from the edge of the image", "voxels"),
        "extracardiac_inferior": Metric("Bright organ below the inferior wall"),
        "extracardiac_max": Metric("Brightest organ around the heart"),
        "length_mm": Metric("Length of the left ventricle", "mm"),
        "misfit_mm": Metric("Distance of the wall from a smooth surface", "mm"),
        "myocardium_ml": Metric("Volume of the wall", "mL"),
        "noise_background": Metric("Noise around the heart"),
        "noise_wall": Metric("Noise in the wall"),
        "over_correction_index": Metric("Inferior and septal over the other walls"),
        "prominence": Metric("Brightness of the wall over its surroundings"),
        "rim": Metric("Counts piled up along the body's edge (truncation)"),
        "rival_gap": Metric("Lead of the heart over the next candidate"),
        "septal_lateral": Metric("Septal against lateral wall (log)", NO_UNIT),
        "valley_inferior": Metric("Valley between inferior wall and what is below"),
        "wall_fwhm_mm": Metric("Width of the wall at half its height", "mm"),
        "z_min": Metric("Lowest segment against normal studies (z-score)", "SD"),
    }
)
"""How each is measured: ``quality/metrics.py`` and the self-check of the segmentation."""

REJECT_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "motion": "Patient motion",
        "misregistration": "CT and SPECT do not lie over each other",
        "overcorrection": "Overcorrection",
        "attenuation": "Attenuation by breast or diaphragm",
        "spillover": "Spill-over from liver, stomach or gut",
        "truncation": "Truncated field of view",
        "noise": "Too few counts",
        "contours": "Contours are wrong",
        "other": "Other (say what)",
    }
)
"""Codes of a reject's reason with their words: the artefacts that the paper's physician looked for
(image artefact, overcorrection, spill-over), each by its cause, and what is no artefact."""


def reason_text(code: str, text: str) -> str:
    """Join the code of a reason and a free text: ``motion``, ``motion: one frame``, or the text."""
    said = " ".join(text.split())
    return f"{code}: {said}" if code and said else code or said
