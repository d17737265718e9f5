"""Polar map of the 17 segments: the apex at the centre, anterior wall on top, lateral right."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mpss_lib.quality.metrics import Seen, scores, segment_means
from mpss_lib.quality.sheet import TEXT_COLOUR, new_sheet, warm, write_sheet
from mpss_lib.volume import FloatArray, IntArray, Mask, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

RING_F = (0.10, 1 / 3, 2 / 3, 1.0, 1.35)  # f at the rings; the last 10 % is the edge's blur
RING_RADIUS = (1.0, 0.733, 0.467, 0.200, 0.0)
BLACKOUT_Z = -2.5
VESSELS = (
    ("LAD", (1, 2, 7, 8, 13, 14, 17)),
    ("LCX", (5, 6, 11, 12, 16)),
    ("RCA", (3, 4, 9, 10, 15)),
)


def polar_map(
    volume: Volume,
    masks: Mapping[str, Mask],
    extras: Mapping[str, FloatArray],
    study_key: str,
    path: Path,
) -> None:
    """Draw the polar map: wall counts in percent of the largest, and z of the 17 segments; PNG.

    Parameters
    ----------
    volume : Volume
    masks : mapping of name to Mask
        S01 to S17 are used.
    extras : mapping of name to float64 array
        As for ``montage``: axes (3,), surfaces (rows, angles).
    study_key : str
        Pseudonymous key, printed on the picture.
    path : Path
        File to write, whole or not at all.
    """
    image = _polar_counts(extras)
    image *= 100.0 / float(np.nanmax(image))
    number = _polar_segments()
    percent = [float(np.nanmean(image[number == n])) for n in range(17)]
    z = scores(segment_means(Seen(volume, masks, extras, {})))
    z_image = np.where(number < 17, np.append(z, np.nan)[number], np.nan)
    figure = new_sheet(10.0, 5.0)
    left = figure.add_axes((0.02, 0.03, 0.43, 0.84))
    drawn = left.imshow(image, cmap=warm(), vmin=0, vmax=100, extent=(-1, 1, -1, 1))
    _wheel(left, [f"{value:.0f}" for value in percent], "Stress counts, % of maximum")
    figure.colorbar(drawn, cax=figure.add_axes((0.465, 0.16, 0.012, 0.6)))
    right = figure.add_axes((0.51, 0.03, 0.43, 0.84))
    drawn = right.imshow(z_image, cmap=_z_colours(), vmin=-4, vmax=4, extent=(-1, 1, -1, 1))
    _wheel(right, [f"{value:+.1f}" for value in z], f"z vs normal limits, black below {BLACKOUT_Z}")
    figure.colorbar(drawn, cax=figure.add_axes((0.952, 0.16, 0.012, 0.6)))
    for axes in figure.axes:
        axes.tick_params(labelsize=7, colors=TEXT_COLOUR)
        for edge in axes.spines.values():
            edge.set_color("#808080")
    means = (f"{name} {np.mean([percent[n - 1] for n in own]):.0f}" for name, own in VESSELS)
    figure.text(0.015, 0.03, "mean %:  " + "   ".join(means), fontsize=7.5, color=TEXT_COLOUR)
    write_sheet(figure, f"Study {study_key}", path)


@cache
def _z_colours() -> Colormap:
    """Blue to red around zero; black where a segment is far below normal."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = colormaps["RdBu_r"](np.linspace(0.12, 0.88, 160))[::-1]
    limit = round(160 * (BLACKOUT_Z + 4.0) / 8.0)
    colours[:limit] = (0.0, 0.0, 0.0, 1.0)
    return ListedColormap(colours)


def _grid(size: int = 240) -> tuple[FloatArray, FloatArray]:
    """Radius (0-1) and angle (degrees, counter-clockwise from lateral) of the map's pixels."""
    line = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    x, y = np.meshgrid(line, line[::-1])
    return np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360.0


def _polar_counts(extras: Mapping[str, FloatArray]) -> FloatArray:
    """Ridge counts as an image of the polar map; NaN outside."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    counts = gaussian_filter(extras["ridge_counts"], 0.7, mode=("nearest", "wrap"))
    start = extras["ray_start_mm"] - extras["origin"]
    points = start + extras["ray_way"] * extras["mid_mm"][..., None]
    t, a, s = (points @ extras[name] for name in ("axis", "anterior", "lateral"))
    at, slope_a, slope_s = extras["base"]
    base = at + slope_a * a + slope_s * s
    f = (t - base) / (float(extras["endo_apex_mm"][0]) - base)
    radius = np.interp(f, RING_F, RING_RADIUS)
    rings = np.linspace(0.0, 0.985, 60)  # short of the edge, where rays beyond it meet
    around = [
        np.interp(rings, np.maximum.accumulate(radius[:, k]), counts[:, k])
        for k in range(counts.shape[1])
    ]
    table = np.stack([*around, around[0]], axis=1)
    r, theta = _grid()
    place = [r / rings[-1] * (len(rings) - 1), theta / 360.0 * (table.shape[1] - 1)]
    image: FloatArray = map_coordinates(table, place, order=1, mode="nearest")
    image[r > 1.0] = np.nan
    return image


def _polar_segments() -> IntArray:
    """Index of the segment (0-16) at each pixel of the polar map; 17 outside."""
    r, theta = _grid()
    six = np.minimum(((theta - 60.0) % 360.0) // 60.0, 5).astype(np.int64)
    four = np.minimum(((theta - 45.0) % 360.0) // 90.0, 3).astype(np.int64)
    number = np.where(
        r > 0.733, six, np.where(r > 0.467, six + 6, np.where(r > 0.200, four + 12, 16))
    )
    index: IntArray = np.where(r > 1.0, 17, number)
    return index


def _wheel(axes: Axes, labels: list[str], title: str) -> None:
    """Rings, spokes, one label in each segment, the names of the walls."""
    angle = np.linspace(0.0, 2.0 * np.pi, 181)
    for ring in (0.200, 0.467, 0.733, 1.0):
        axes.plot(ring * np.cos(angle), ring * np.sin(angle), color="#d0d0d0", linewidth=0.8)
    spokes = [(d, 0.467, 1.0) for d in range(0, 360, 60)] + [
        (d, 0.2, 0.467) for d in range(45, 360, 90)
    ]
    for degrees, inner, outer in spokes:
        way = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        axes.plot(*np.outer(way, (inner, outer)), color="#d0d0d0", linewidth=0.8)
    for number, label in enumerate(labels):
        x, y = _label_place(number)
        axes.text(
            x, y, label, ha="center", va="center", fontsize=7.5, color="white",
            bbox={"facecolor": "black", "alpha": 0.45, "pad": 1.0, "linewidth": 0.0},
        )  # fmt: skip
    for x, y, word in ((0, 1.06, "ANT"), (-1.1, 0, "SEP"), (0, -1.07, "INF"), (1.1, 0, "LAT")):
        axes.text(x, y, word, ha="center", va="center", fontsize=7.5, color=TEXT_COLOUR)
    axes.set_xlim(-1.2, 1.2)
    axes.set_ylim(-1.15, 1.15)
    axes.set_axis_off()
    axes.set_title(title, fontsize=9, color=TEXT_COLOUR)


def _label_place(number: int) -> tuple[float, float]:
    if number == 16:
        return 0.0, 0.0
    radius = 0.866 if number < 6 else 0.6 if number < 12 else 0.333
    degrees = 90.0 + 60.0 * (number % 6) if number < 12 else 90.0 + 90.0 * (number - 12)
    return radius * float(np.cos(np.radians(degrees))), radius * float(np.sin(np.radians(degrees)))
