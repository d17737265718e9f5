"""Reporting sheet: the IBSI reporting items of an extraction's settings, as JSON and Markdown.

Source of the items and their numbers: IBSI reference manual, chapter "Radiomics reporting
guidelines and nomenclature". A code in an item is the permanent identifier of that choice. The
sheet has what the engine decides (items 40, 41, 50 to 59, 61 to 71); patient, acquisition,
reconstruction, segmentation and modelling are the study's to report.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from mpss_lib.config import Address
from mpss_lib.radiomics.catalogue import FEATURES
from mpss_lib.radiomics.discretise import Discretisation, FixedBinNumber, FixedBinSize
from mpss_lib.radiomics.reference import PHANTOM_REFERENCE
from mpss_lib.radiomics.settings import Settings
from mpss_lib.tables import Lake
from mpss_lib.whole_files import write_bytes

OF_THE_STUDY = (
    "Items 1-39 and 42-49 (patient, acquisition, reconstruction, registration, other processing,"
    " segmentation), 60 (robustness) and 72-76 (modelling) are not settings of the extraction: the"
    " study reports them."
)


@dataclass(frozen=True)
class Item:
    """One reporting item.

    Parameters
    ----------
    number : str
        Of the IBSI guideline, as ``50a``; empty for what the guideline does not ask.
    topic, item, value : str
    ibsi_code : str
        Permanent identifier, where the choice has one.
    """

    number: str
    topic: str
    item: str
    value: str
    ibsi_code: str = ""


def reporting_items(
    settings: Settings, bins: Sequence[int] = (), unit: str = "counts"
) -> list[Item]:
    """List the reporting items of the settings in force.

    Parameters
    ----------
    settings : Settings
    bins : sequence of int
        Bin numbers that take the place of ``settings.discretisation``, if any.
    unit : str
        Unit of the image's intensities.
    """
    return [
        *_image_items(settings, unit),
        *_interpolation_items(settings),
        *_resegmentation_items(settings),
        *_discretisation_items(settings, bins),
        *_feature_items(),
        *_texture_items(),
    ]


def as_json(items: Sequence[Item], address: Address) -> str:
    """Give the sheet as JSON, with the engine and config hash that it belongs to."""
    sheet = {
        "engine": address.engine,
        "config": address.config,
        "items": [asdict(item) for item in items],
        "not_here": OF_THE_STUDY,
    }
    return json.dumps(sheet, indent=1, ensure_ascii=False) + "\n"


def as_markdown(items: Sequence[Item], address: Address) -> str:
    """Give the sheet as Markdown, one table for each topic."""
    lines = [
        "# Radiomics reporting sheet",
        "",
        "Research use only. Items of the IBSI reporting guidelines for"
        f" engine {address.engine}, configuration {address.config}. {OF_THE_STUDY}",
    ]
    topic = ""
    for item in items:
        if item.topic != topic:
            topic = item.topic
            lines += ["", f"## {topic}", "", "| no. | item | value | IBSI |", "|---|---|---|---|"]
        lines.append(f"| {item.number} | {item.item} | {item.value} | {item.ibsi_code} |")
    return "\n".join(lines) + "\n"


def ensure_sheet(lake: Lake, address: Address, items: Sequence[Item]) -> None:
    """Put both forms of the sheet on the lake at the stage's address, if they are not there."""
    folder = lake.root / "reporting" / f"engine={address.engine}" / f"config={address.config}"
    for name, text in (
        ("radiomics.json", as_json(items, address)),
        ("radiomics.md", as_markdown(items, address)),
    ):
        if not (folder / name).exists():
            write_bytes(folder / name, text.encode())


def _image_items(settings: Settings, unit: str) -> list[Item]:
    topic = "Image"
    axis = f"axis {settings.slice_axis} of the array (z, y, x)"
    return [
        Item("40", topic, "conversion of intensities", f"none, as read: {unit}", "23XZ"),
        Item("", topic, "slices of 2D and 2.5D features are stacked along", axis),
        Item("57", topic, "image filter", "none, base image"),
    ]


def _interpolation_items(settings: Settings) -> list[Item]:
    topic = "Image and mask interpolation"
    rounding = "nearest whole number, halves to even" if settings.round_intensities else "none"
    rounded = Item("52", topic, "rounding of intensities", rounding, "68QD")
    if settings.resample_mm is None:
        return [Item("50a", topic, "method", "none, original grid", "VTM2"), rounded]
    spacing = " x ".join("unchanged" if s is None else f"{s:g}" for s in settings.resample_mm)
    space = "3D" if None not in settings.resample_mm else "in the slice or line only"
    method = {"nearest": "nearest neighbour", "linear": "linear", "cubic": "cubic spline"}
    return [
        Item("41", topic, "anti-aliasing", "none"),
        Item("50a", topic, "method", f"{method[settings.image_interpolation]}, {space}", "VTM2"),
        Item("50b", topic, "position of the grid", "centres of both grids aligned", "3WE3"),
        Item("50c", topic, "size of the grid", "extent by new spacing, rounded up", "026Q"),
        Item("50d", topic, "beyond the original grid", "value of the nearest voxel"),
        Item("51", topic, "voxel size (dz x dy x dx), mm", spacing),
        rounded,
        Item("53", topic, "mask method", method[settings.mask_interpolation]),
        Item("54", topic, "partial volume from", f"{settings.mask_threshold:g}", "E8H9"),
    ]


def _resegmentation_items(settings: Settings) -> list[Item]:
    topic = "Re-segmentation"
    limits, sigma = settings.resegment_range, settings.outlier_sigma
    values = "none" if limits is None else f"[{limits[0]:g}, {limits[1]:g}]"
    outliers = "none" if sigma is None else f"beyond mean +- {sigma:g} standard deviations"
    return [
        Item("55", topic, "range of intensities", values, "USB3"),
        Item("55", topic, "outlier filter", outliers, "7ACA"),
        Item("55", topic, "masks", "morphological G5KJ and intensity SEFI kept apart", "ECJF"),
    ]


def _discretisation_items(settings: Settings, bins: Sequence[int]) -> list[Item]:
    topic = "Discretisation"
    which = "histogram and textures"
    limits = settings.resegment_range
    if bins:
        numbers = ", ".join(str(n) for n in bins)
        textures = [
            Item("56a", topic, which, "fixed bin number", "K15C"),
            Item("56b", topic, f"{which}: bins", numbers),
        ]
    else:
        textures = _method(topic, which, settings.discretisation, limits)
    return [*textures, *_method(topic, "intensity-volume histogram", settings.ivh, limits)]


def _method(
    topic: str, which: str, how: Discretisation, limits: tuple[float, float] | None
) -> list[Item]:
    if isinstance(how, FixedBinNumber):
        return [
            Item("56a", topic, which, "fixed bin number", "K15C"),
            Item("56b", topic, f"{which}: bins", str(how.n)),
        ]
    if isinstance(how, FixedBinSize):
        low = how.lowest
        if low is None and limits is not None and limits[0] > -np.inf:
            low = limits[0]
        start = "smallest intensity of each region" if low is None else f"{low:g}"
        return [
            Item("56a", topic, which, "fixed bin size", "Q3RU"),
            Item("56b", topic, f"{which}: bin size", f"{how.width:g}"),
            Item("56c", topic, f"{which}: lowest intensity of the first bin", start),
        ]
    return [Item("56a", topic, which, "none, intensities are levels")]


def _feature_items() -> list[Item]:
    topic = "Features"
    families = dict.fromkeys(f"{f.family} {f.family_code}" for f in FEATURES)
    return [
        Item("58", topic, "features", f"{len(FEATURES)}; table feature_catalogue lists them"),
        Item("58", topic, "families", ", ".join(families)),
        Item(
            "59",
            topic,
            "compliance",
            f"{len(PHANTOM_REFERENCE)} published values of the digital phantom, all within"
            " tolerance: `mpss verify`",
        ),
        Item("61", topic, "software", "this platform; engine and configuration as above"),
        Item("", topic, "percentiles", "linear between order statistics"),
        Item("", topic, "mesh", "marching cubes (Lewiner), isovalue 0.5"),
        Item("", topic, "oriented bounding box", "smallest with a face on a facet of the hull"),
        Item("", topic, "enclosing ellipsoid", "smallest, relative tolerance 1e-7"),
        Item("", topic, "spatial autocorrelation", "all pairs of voxels, no sampling"),
    ]


def _texture_items() -> list[Item]:
    topic = "Texture matrices"
    merges = dict.fromkeys(f"{f.aggregation} {f.aggregation_code}" for f in FEATURES)
    near = "1, Chebyshev norm"
    return [
        Item("62", topic, "aggregations", ", ".join(way for way in merges if way.strip()), "5QB6"),
        Item("63", topic, "distance weighting", "none", "6CK8"),
        Item("64", topic, "co-occurrence matrix", "symmetric"),
        Item("65", topic, "co-occurrence distance", near, "PVMT"),
        Item("66", topic, "size zones: linkage", f"{near}: 8 neighbours in a slice, 26 in space"),
        Item("67", topic, "distance zones: linkage", "the same"),
        Item("68", topic, "distance zones: distance", "Manhattan, from the morphological mask"),
        Item("69", topic, "grey tone differences: distance", near),
        Item("70", topic, "dependences: distance", near),
        Item("71", topic, "dependences: coarseness", "0"),
    ]
