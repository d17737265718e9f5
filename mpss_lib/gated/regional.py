"""How the parts of the wall thicken and when: counts by region, since a thicker wall is brighter.

The wall is thinner than the image resolves, so that the counts of its ridge rise nearly in
proportion to its thickness (partial volume; Galt et al., 1990). The phase of the first harmonic of
these counts tells when a region contracts (Chen et al., J Nucl Cardiol 2005;12:687).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.gated.beat import fit_beat
from mpss_lib.gated.lattice import RADIUS_MM
from mpss_lib.gated.matching import heights, smooth_rays
from mpss_lib.gated.model import Shape
from mpss_lib.segmentation.regions import segment_number
from mpss_lib.segmentation.surface import ANGLES, THETA, points_of
from mpss_lib.volume import BoolArray, FloatArray

LEVELS = (np.arange(16) + 0.5) / 16
"""Heights of the polar map: 0 at the valve plane, 1 at the apex of the mid-wall."""
RIDGE_MM = 4.0  # about the mid-wall: whose counts are the wall's
LOWEST_LEVEL = 0.12  # below it the valve's motion shows, not the wall's
BAND_SHARE = 0.95  # of the wall, in the bandwidth


@dataclass(frozen=True)
class Phase:
    """When the wall contracts, degrees of the beat (360 from one R wave to the next).

    Parameters
    ----------
    mean_deg : float
        Circular mean of the phases: where the first harmonic of a region's counts rises through
        its mean, the onset of mechanical contraction.
    sd_deg : float
        Standard deviation of the phases about it.
    bandwidth_deg : float
        Shortest arc that holds the phases of 95 % of the wall.
    """

    mean_deg: float
    sd_deg: float
    bandwidth_deg: float


def polar_counts(seen: FloatArray, shape: Shape) -> FloatArray:
    """Lay the counts of the wall in one gate over the same heights as in others.

    Parameters
    ----------
    seen : (rows, angles, radii) float64 array
    shape : Shape
        Of this gate.

    Returns
    -------
    (levels, angles) float64 array
    """
    near = np.clip(1.0 - np.abs(RADIUS_MM - shape.mid_mm[..., None]) / RIDGE_MM, 0.0, None)
    ridge = smooth_rays((near * seen).sum(axis=-1) / np.maximum(near.sum(axis=-1), 1e-9))
    return _at_levels(ridge, shape)


def area_of_levels(shape: Shape) -> FloatArray:
    """Share of the wall that a place of the polar map stands for.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    (levels, angles) float64 array
        Relative; 0 below ``LOWEST_LEVEL``.
    """
    rho = np.linalg.norm(points_of(shape.mid_mm)[..., 1:], axis=-1)
    return _at_levels(rho, shape) * (LEVELS >= LOWEST_LEVEL)[:, None]


def _at_levels(values: FloatArray, shape: Shape) -> FloatArray:
    """Read values of rays (rows, angles) at the heights of the polar map: (levels, angles)."""
    height = heights(shape)
    level = (height / np.maximum(height[:1], 1e-6))[::-1]
    columns = [np.interp(LEVELS, level[:, k], values[::-1, k]) for k in range(ANGLES)]
    return np.stack(columns, axis=1)


def measure_phase(counts: FloatArray, area: FloatArray, is_used: BoolArray) -> Phase:
    """Phases of the wall's contraction.

    Parameters
    ----------
    counts : (gates, levels, angles) float64 array
    area : (levels, angles) float64 array
        Weight of each place.
    is_used : (gates,) bool array

    Returns
    -------
    Phase
        Mean, standard deviation and bandwidth, degrees of the beat.
    """
    middle = (np.arange(len(counts)) + 0.5) / len(counts)
    turn = np.exp(-2j * np.pi * middle[is_used])
    design = np.stack([np.ones(len(turn)), turn.real, -turn.imag], axis=1)
    values = counts[is_used].reshape(len(turn), -1)
    _, cosine, sine = np.linalg.lstsq(design, values, rcond=None)[0]
    peak = np.arctan2(sine, cosine)
    phase = peak - 0.5 * np.pi  # a wave rises through its mean a quarter before its peak
    weight = area.ravel() / area.sum()
    mean = np.angle((weight * np.exp(1j * phase)).sum())
    off = np.degrees((phase - mean + np.pi) % (2.0 * np.pi) - np.pi)
    centre = float((weight * off).sum())
    sd = float(np.sqrt((weight * (off - centre) ** 2).sum()))
    mean_deg = float((np.degrees(mean) + centre) % 360.0)
    return Phase(mean_deg, sd, _bandwidth(np.degrees(phase) % 360.0, weight))


def _bandwidth(phase_deg: FloatArray, weight: FloatArray) -> float:
    """Shortest arc, degrees, that holds ``BAND_SHARE`` of the weight."""
    order = np.argsort(phase_deg)
    at = np.concatenate([phase_deg[order], phase_deg[order] + 360.0])
    total = np.concatenate([[0.0], np.cumsum(np.tile(weight[order], 2))])
    first = np.arange(len(order))
    last = np.searchsorted(total, total[first] + BAND_SHARE - 1e-9) - 1
    return float((at[np.minimum(last, len(at) - 1)] - at[first]).min())


def measure_thickening(
    counts: FloatArray,
    shape: Shape,
    thickness_mm: float,
    times: tuple[int, int],
    trust: FloatArray,
    is_used: BoolArray,
) -> Mapping[str, float]:
    """Rise of the counts from end-diastole to end-systole by segment, percent.

    Parameters
    ----------
    counts : (gates, levels, angles) float64 array
    shape : Shape
        At end-diastole.
    thickness_mm : float
        Of the wall there.
    times : (2,) int
        End-diastole and end-systole, hundredths of the beat.
    trust : (gates,) float64 array
    is_used : (gates,) bool array
        Both as for ``beat.fit_beat``.

    Returns
    -------
    mapping of segment (S01 to S17) to float, percent
        NaN where a segment has no counts at end-diastole.
    """
    endo_apex = float(shape.wall(thickness_mm).endo_mm[0].mean()) - shape.plane.at
    mid_apex = float(shape.mid_mm[0].mean()) - shape.plane.at
    f = np.broadcast_to(LEVELS[:, None] * mid_apex / endo_apex, (len(LEVELS), ANGLES))
    angle = np.broadcast_to(np.degrees(THETA), f.shape)
    number, area = segment_number(angle, f), area_of_levels(shape)
    rises = {}
    for segment in range(1, 18):
        weight = area * (number == segment)
        by_gate = (counts * weight).sum(axis=(1, 2)) / max(float(weight.sum()), 1e-9)
        curve = fit_beat(by_gate, trust, is_used).values
        before, after = (float(curve[time]) for time in times)
        rises[f"S{segment:02d}"] = 100.0 * (after / before - 1.0) if before > 0.0 else float("nan")
    return rises


def polar_of_gates(seen: Sequence[FloatArray], shapes: Sequence[Shape]) -> FloatArray:
    """Polar maps (gates, levels, angles) of the gates.

    Parameters
    ----------
    seen : sequence of (rows, angles, radii) float64 arrays
    shapes : sequence of Shape
        Of the same gates.

    Returns
    -------
    (gates, levels, angles) float64 array
    """
    return np.stack([polar_counts(one, shape) for one, shape in zip(seen, shapes, strict=True)])
