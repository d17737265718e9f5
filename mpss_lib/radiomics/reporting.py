"""Reporting sheet: the IBSI reporting items of an extraction's settings, as JSON and Markdown.

Source of the items: IBSI reference manual, chapter "Radiomics reporting guidelines and
nomenclature". A code in an item is the permanent identifier of that choice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mpss_lib.config import Address
from mpss_lib.radiomics.catalogue import FEATURES
from mpss_lib.radiomics.discretise import Discretisation, FixedBinNumber, FixedBinSize
from mpss_lib.radiomics.reference import PHANTOM_REFERENCE
from mpss_lib.radiomics.settings import Settings
from mpss_lib.tables import Lake, write_bytes


@dataclass(frozen=True)
class Item:
    """One reporting item: topic, what is reported, its value and IBSI code (may be empty)."""

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
        *_resegmentation_items(settings),
        *_discretisation_items(settings, bins),
        *_feature_items(),
    ]


def as_json(items: Sequence[Item], address: Address) -> str:
    """Give the sheet as JSON, with the engine and config hash that it belongs to."""
    sheet = {
        "engine": address.engine,
        "config": address.config,
        "items": [asdict(item) for item in items],
    }
    return json.dumps(sheet, indent=1, ensure_ascii=False) + "\n"


def as_markdown(items: Sequence[Item], address: Address) -> str:
    """Give the sheet as Markdown, one table for each topic."""
    lines = [
        "# Radiomics reporting sheet",
        "",
        "Research use only. Items of the IBSI reporting guidelines for"
        f" engine {address.engine}, configuration {address.config}.",
    ]
    topic = ""
    for item in items:
        if item.topic != topic:
            topic = item.topic
            lines += ["", f"## {topic}", "", "| item | value | IBSI |", "|---|---|---|"]
        lines.append(f"| {item.item} | {item.value} | {item.ibsi_code} |")
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
    topic = "Image interpolation"
    items = [
        Item("Image", "intensity unit", unit),
        Item(
            "Image", "slice axis of the array (z, y, x) for 2D and 2.5D", str(settings.slice_axis)
        ),
        Item("Image", "filters", "none, base image"),
    ]
    if settings.resample_mm is None:
        items.append(Item(topic, "method", "none, original grid"))
    else:
        spacing = " x ".join("unchanged" if s is None else f"{s:g}" for s in settings.resample_mm)
        items += [
            Item(topic, "method", settings.image_interpolation, "VTM2"),
            Item(topic, "grid", "centres aligned, size rounded up", "3WE3"),
            Item(topic, "voxel size (dz x dy x dx), mm", spacing),
            Item(topic, "extrapolation beyond the original grid", "nearest value"),
            Item(topic, "mask method", settings.mask_interpolation),
            Item(topic, "partial volume threshold", f"{settings.mask_threshold:g}", "E8H9"),
        ]
    rounding = "nearest whole number" if settings.round_intensities else "none"
    items.append(Item(topic, "rounding of intensities", rounding, "68QD"))
    return items


def _resegmentation_items(settings: Settings) -> list[Item]:
    limits, sigma = settings.resegment_range, settings.outlier_sigma
    return [
        Item(
            "Re-segmentation",
            "range of intensities",
            "none" if limits is None else f"[{limits[0]:g}, {limits[1]:g}]",
            "USB3",
        ),
        Item(
            "Re-segmentation",
            "outlier filter",
            "none" if sigma is None else f"mean +- {sigma:g} standard deviations",
            "7ACA",
        ),
        Item("Re-segmentation", "masks", "morphological G5KJ and intensity SEFI kept apart"),
    ]


def _discretisation_items(settings: Settings, bins: Sequence[int]) -> list[Item]:
    topic = "Discretisation"
    if bins:
        numbers = ", ".join(str(n) for n in bins)
        textures = Item(topic, "histogram and textures", f"fixed bin number: {numbers}", "K15C")
    else:
        textures = _method(topic, "histogram and textures", settings.discretisation)
    return [textures, _method(topic, "intensity-volume histogram", settings.ivh)]


def _method(topic: str, item: str, how: Discretisation) -> Item:
    if isinstance(how, FixedBinNumber):
        return Item(topic, item, f"fixed bin number: {how.n}", "K15C")
    if isinstance(how, FixedBinSize):
        lowest = "range or region minimum" if how.lowest is None else f"{how.lowest:g}"
        return Item(topic, item, f"fixed bin size: {how.width:g} from {lowest}", "Q3RU")
    return Item(topic, item, "none, intensities are grey levels")


def _feature_items() -> list[Item]:
    topic = "Feature computation"
    families = sorted({(f.family_code, f.family) for f in FEATURES})
    merges = sorted({(f.aggregation_code, f.aggregation) for f in FEATURES if f.aggregation})
    return [
        Item(topic, "number of features", str(len(FEATURES))),
        Item(topic, "families", ", ".join(f"{name} {code}" for code, name in families)),
        Item(topic, "aggregations", ", ".join(f"{name} {code}" for code, name in merges), "5QB6"),
        Item(topic, "neighbour distance", "1, Chebyshev norm", "PVMT"),
        Item(topic, "distance weighting", "none", "6CK8"),
        Item(topic, "co-occurrence matrix", "symmetric"),
        Item(topic, "zone linkage", "8-connected in a slice, 26-connected in space"),
        Item(topic, "zone distance", "city block, from the morphological mask"),
        Item(topic, "dependence coarseness", "0"),
        Item(topic, "percentiles", "linear between order statistics"),
        Item(topic, "mesh", "marching cubes (Lewiner), isovalue 0.5"),
        Item(topic, "oriented bounding box", "smallest with a face on a facet of the hull"),
        Item(topic, "enclosing ellipsoid", "smallest, relative tolerance 1e-7"),
        Item(topic, "spatial autocorrelation", "all pairs of voxels, no sampling"),
        Item(
            "Calibration",
            "digital phantom",
            f"{len(PHANTOM_REFERENCE)} published values, checked by `mpss verify`",
        ),
    ]
