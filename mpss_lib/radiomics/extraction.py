"""The doors: 487 features of one mask, or of many masks at many bin numbers.

Rules for what cannot be computed (each family's module has its own): a value that is undefined is
NaN, never an exception, and ``undefined_of`` names it. An empty mask makes every feature NaN; an
intensity mask that re-segmentation emptied leaves the shape. Where an intensity of the intensity
mask is not finite, everything that needs intensities is NaN: a re-segmentation range drops such
voxels, knowingly. What overflows double precision is NaN too. Wrong arguments raise
``WrongArgumentError``.

A region of which a whole part is undefined is told: the doors log a warning that names the mask and
the reason (the logger of this module), the stage one that names study and segment.

Features, their names and the order of the steps: IBSI reference manual (arXiv:1612.07003v11).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics.catalogue import BINNED_NAMES, NAMES, ONCE_NAMES
from mpss_lib.radiomics.discretise import Discretisation, FixedBinNumber, discretise
from mpss_lib.radiomics.intensity import (
    describe_histogram,
    describe_peaks,
    describe_statistics,
    describe_volume_histogram,
)
from mpss_lib.radiomics.morphology import describe_mass, describe_shape
from mpss_lib.radiomics.preprocess import (
    Prepared,
    Region,
    check_image,
    check_mask,
    prepare_image,
    prepare_region,
)
from mpss_lib.radiomics.settings import Settings
from mpss_lib.radiomics.texture import Graph, build_graph, describe_texture
from mpss_lib.sections import BINS
from mpss_lib.volume import BoolArray, FloatArray, Triple

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegionFeatures:
    """Features of one region.

    Parameters
    ----------
    n_voxels : int
        Voxels of the intensity mask.
    once : (56,) float64 array
        Features that do not depend on the bin number, in the order of ``ONCE_NAMES``.
    binned : mapping of bin number to (431,) float64 array
        The others, in the order of ``BINNED_NAMES``.
    why_undefined : str
        Why all features, or all but the shape, are undefined; empty where they are not.
    """

    n_voxels: int
    once: FloatArray
    binned: Mapping[int, FloatArray]
    why_undefined: str = ""


def extract(
    image: FloatArray, mask: BoolArray, spacing_mm: Triple, settings: Settings | None = None
) -> dict[str, float]:
    """487 features of one region.

    Parameters
    ----------
    image : (z, y, x) float array
    mask : (z, y, x) bool array
    spacing_mm : (dz, dy, dx) float, mm
    settings : Settings, optional

    Returns
    -------
    dict of sera_name to float
        All 487 in the order of the catalogue; NaN where undefined. An empty mask, or one of which
        re-segmentation leaves nothing, is told by a warning in the log.

    Raises
    ------
    WrongArgumentError
        Names the argument that cannot be accepted.
    """
    chosen = _checked(settings)
    regions = _measure(image, {"mask": mask}, spacing_mm, chosen, {0: chosen.discretisation})
    _tell_undefined(regions)
    features = regions["mask"]
    return _named(features.once, features.binned[0])


def extract_many(
    image: FloatArray,
    masks: Mapping[str, BoolArray],
    spacing_mm: Triple,
    settings: Settings | None = None,
    bins: Sequence[int] = BINS,
) -> dict[tuple[str, int], dict[str, float]]:
    """487 features of several regions at several bin numbers.

    What does not depend on the bin number is computed once. ``settings.discretisation`` is not
    used: the bin numbers take its place.

    Parameters
    ----------
    image : (z, y, x) float array
    masks : mapping of segment name to (z, y, x) bool array
    spacing_mm : (dz, dy, dx) float, mm
    settings : Settings, optional
    bins : sequence of int

    Returns
    -------
    dict of (segment, bins) to dict of sera_name to float
    """
    regions = measure_regions(image, masks, spacing_mm, settings, bins)
    _tell_undefined(regions)
    return {
        (name, n): _named(features.once, values)
        for name, features in regions.items()
        for n, values in features.binned.items()
    }


def measure_regions(
    image: FloatArray,
    masks: Mapping[str, BoolArray],
    spacing_mm: Triple,
    settings: Settings | None = None,
    bins: Sequence[int] = BINS,
) -> dict[str, RegionFeatures]:
    """As ``extract_many``, as arrays: what the stage writes.

    Parameters
    ----------
    image : (z, y, x) float array
    masks : mapping of segment name to (z, y, x) bool array
    spacing_mm : (dz, dy, dx) float, mm
    settings : Settings, optional
    bins : sequence of int

    Returns
    -------
    dict of segment to RegionFeatures

    Raises
    ------
    WrongArgumentError
        Names the argument that cannot be accepted.
    """
    if isinstance(bins, str) or not isinstance(bins, Iterable):
        raise WrongArgumentError(f"bins={bins!r}", way_out="give a sequence of bin numbers")
    hows: dict[int, Discretisation] = {n: FixedBinNumber(n) for n in bins}
    return _measure(image, masks, spacing_mm, _checked(settings), hows)


def undefined_of(names: Sequence[str], values: FloatArray) -> list[str]:
    """Names of the features that are undefined (NaN).

    Parameters
    ----------
    names : sequence of str
    values : (n,) float64 array
        In the order of the names.

    Returns
    -------
    list of str
    """
    return [name for name, is_nan in zip(names, np.isnan(values), strict=True) if is_nan]


def _tell_undefined(regions: Mapping[str, RegionFeatures]) -> None:
    for name, region in regions.items():
        if region.why_undefined:
            log.warning("features of %r are undefined (NaN): %s", name, region.why_undefined)


def _checked(settings: Settings | None) -> Settings:
    if settings is None:
        return Settings()
    if not isinstance(settings, Settings):
        raise WrongArgumentError(f"settings={settings!r}", way_out="give a Settings(...) or None")
    return settings


def _measure(
    image: FloatArray,
    masks: Mapping[str, BoolArray],
    spacing_mm: Triple,
    settings: Settings,
    hows: Mapping[int, Discretisation],
) -> dict[str, RegionFeatures]:
    if not isinstance(masks, Mapping):
        raise WrongArgumentError(
            f"masks is a {type(masks).__name__}", way_out="give a mapping of name to mask"
        )
    array, spacing = check_image(image, spacing_mm)
    checked = {name: check_mask(mask, array.shape, name) for name, mask in masks.items()}
    # Intensities near the ends of double precision: what overflows becomes NaN at the end.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        prepared = prepare_image(array, spacing, settings)
        return {
            name: _measure_region(
                prepare_region(mask, prepared, spacing, settings), prepared, settings, hows
            )
            if mask.any()
            else _nothing(hows, "the mask holds no voxel")
            for name, mask in checked.items()
        }


def _nothing(hows: Mapping[int, Discretisation], why: str) -> RegionFeatures:
    once = np.full(len(ONCE_NAMES), np.nan)
    return RegionFeatures(0, once, {n: np.full(len(BINNED_NAMES), np.nan) for n in hows}, why)


def _measure_region(
    region: Region | None,
    prepared: Prepared,
    settings: Settings,
    hows: Mapping[int, Discretisation],
) -> RegionFeatures:
    if region is None:
        why = f"the mask holds no voxel of the new grid (resample_mm={settings.resample_mm})"
        return _nothing(hows, why)
    nothing = _nothing(hows, "re-segmentation left no voxel, only the shape is defined")
    once, binned = nothing.once, dict(nothing.binned)
    once[:26] = describe_shape(region.morphology, prepared.spacing_mm)
    n_voxels = int(np.count_nonzero(region.intensity))
    if n_voxels == 0:
        return nothing
    graph = build_graph(region.intensity, region.morphology)
    voxels = graph.voxels + np.array(region.corner)
    values = prepared.image[tuple(voxels.T)]
    if not np.isfinite(values).all():
        why = "an intensity of the mask is not finite, only the shape is defined"
        return RegionFeatures(n_voxels, once, binned, why)
    once[9], once[26:29] = _mass(region, graph, values, prepared.spacing_mm, float(once[0]))
    once[29:31] = describe_peaks(prepared.image, voxels, values, prepared.spacing_mm)
    once[31:49] = describe_statistics(values)
    once[49:56] = describe_volume_histogram(values, settings.ivh, settings.resegment_range)
    low = None if settings.resegment_range is None else settings.resegment_range[0]
    range_low = low if low is not None and np.isfinite(low) else None
    for n, how in hows.items():
        levels, n_levels = discretise(values, how, range_low)
        binned[n][:23] = describe_histogram(levels, n_levels)
        binned[n][23:] = describe_texture(levels, n_levels, graph)
    once[np.isinf(once)] = np.nan
    return RegionFeatures(n_voxels, once, binned)


def _mass(
    region: Region, graph: Graph, values: FloatArray, spacing_mm: Triple, volume: float
) -> tuple[float, tuple[float, float, float]]:
    shift, *others = describe_mass(graph.voxels, values, region.morphology, spacing_mm, volume)
    return shift, (others[0], others[1], others[2])


def _named(once: FloatArray, binned: FloatArray) -> dict[str, float]:
    values = dict(zip(ONCE_NAMES, once.tolist(), strict=True))
    values.update(zip(BINNED_NAMES, binned.tolist(), strict=True))
    return {name: values[name] for name in NAMES}
