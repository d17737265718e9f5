"""Slices of a study with the contours, for the physician.

Conventions of the 17-segment display: short axis seen from the apex, anterior wall on top, lateral
wall on the right, apex to base from left to right; horizontal long axis with the apex on top;
vertical long axis with the apex on the right.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mpss_lib.quality.sheet import TEXT_COLOUR, new_sheet, warm, write_sheet
from mpss_lib.volume import FloatArray, Mask, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF_MM, PIXEL_MM = 58.0, 2.0
SHORT_AXIS_TILES, LONG_AXIS_TILES = 16, 8
EPI_COLOUR, ENDO_COLOUR = "#35d0e8", "#62e05a"


def montage(
    volume: Volume,
    masks: Mapping[str, Mask],
    extras: Mapping[str, FloatArray],
    study_key: str,
    path: Path,
) -> None:
    """Draw short-axis and long-axis slices with the contours of the masks; PNG.

    Parameters
    ----------
    volume : Volume
    masks : mapping of name to Mask
        MYO, ENDO and EPI are used.
    extras : mapping of name to float64 array
        As ``read_masks`` gives them.
    study_key : str
        Pseudonymous key, printed on the picture.
    path : Path
        File to write, whole or not at all.
    """
    top = float(np.percentile(volume.array[masks["MYO"].array], 99.5))
    counts, epi, endo = (
        _tiles(image, extras)
        for image in (volume, _as_volume(masks["EPI"]), _as_volume(masks["ENDO"]))
    )
    figure = new_sheet(12.0, 7.4)
    height = 1.0 / 4.35
    for row, title in enumerate(
        (
            "SHORT AXIS   apex to base",
            "",
            "HORIZONTAL LONG AXIS   inferior to anterior, apex up",
            "VERTICAL LONG AXIS   septal to lateral, apex right",
        )
    ):
        axes = figure.add_axes((0.01, 0.93 - (row + 1) * height, 0.93, 0.96 * height))
        _slices(axes, counts[row], epi[row], endo[row], top)
        axes.set_title(title, loc="left", fontsize=8, color=TEXT_COLOUR, pad=2)
    _edge_words(figure, height)
    _colour_bar(figure, top)
    write_sheet(figure, f"Study {study_key}", path)


def _tiles(volume: Volume, extras: Mapping[str, FloatArray]) -> list[FloatArray]:
    """Four strips of tiles: short axis twice, horizontal and vertical long axis."""
    axis, anterior, lateral = (extras[name] for name in ("axis", "anterior", "lateral"))
    apex = float(extras["epi_mm"][0].mean())
    base = float(extras["base"][0])
    line = np.arange(-HALF_MM, HALF_MM + 0.1, PIXEL_MM)
    middle = 0.5 * (apex + base)
    rows, columns = line[::-1, None, None], line[None, :, None]  # up, right
    levels = np.linspace(apex - 3.0, base + 3.0, SHORT_AXIS_TILES)
    short = [level * axis + rows * anterior + columns * lateral for level in levels]
    reach = 0.62 * float(extras["mid_mm"][9:14].mean())
    levels = np.linspace(-reach, reach, LONG_AXIS_TILES)
    horizontal = [(rows + middle) * axis + level * anterior + columns * lateral for level in levels]
    vertical = [(columns + middle) * axis + rows * anterior + level * lateral for level in levels]
    half = SHORT_AXIS_TILES // 2
    strips = (short[:half], short[half:], horizontal, vertical)
    return [_strip(volume, extras["origin"], planes) for planes in strips]


def _strip(volume: Volume, origin: FloatArray, planes: list[FloatArray]) -> FloatArray:
    from scipy.ndimage import map_coordinates

    points = np.concatenate(planes, axis=1) + origin
    index = volume.to_index(points.reshape(-1, 3)).T
    strip: FloatArray = map_coordinates(volume.array, index, order=1, mode="constant")
    return strip.reshape(points.shape[:2])


def _as_volume(mask: Mask) -> Volume:
    return Volume(mask.array.astype(np.float64), mask.affine)


def _slices(axes: Axes, counts: FloatArray, epi: FloatArray, endo: FloatArray, top: float) -> None:
    from matplotlib.collections import LineCollection
    from skimage.measure import find_contours

    axes.imshow(counts, cmap=warm(), vmin=0.0, vmax=top, interpolation="bilinear")
    for image, colour in ((epi, EPI_COLOUR), (endo, ENDO_COLOUR)):
        lines = [line[:, ::-1] for line in find_contours(image, 0.5)]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.8))
    width = counts.shape[0]
    for k in range(1, counts.shape[1] // width):
        axes.axvline(k * width - 0.5, color="#404040", linewidth=0.5)
    axes.set_axis_off()


def _edge_words(figure: Figure, height: float) -> None:
    """Name the walls at the first tile of each kind of slice."""
    words = {
        0: ("ANT", "SEP", "INF", "LAT"),
        2: ("APEX", "SEP", "", "LAT"),
        3: ("ANT", "", "INF", "APEX"),
    }
    for row, (up, left, down, right) in words.items():
        axes = figure.axes[row]
        size = round(2.0 * HALF_MM / PIXEL_MM)
        style: dict[str, Any] = {
            "color": TEXT_COLOUR,
            "fontsize": 5.5,
            "ha": "center",
            "va": "center",
        }
        style["bbox"] = {"facecolor": "black", "alpha": 0.5, "pad": 0.5, "linewidth": 0.0}
        for x, y, word in (
            (0.5, 0.05, up), (0.08, 0.5, left), (0.5, 0.95, down), (0.92, 0.5, right),
        ):  # fmt: skip
            axes.text(x * size, y * size, word, **style)


def _colour_bar(figure: Figure, top: float) -> None:
    axes = figure.add_axes((0.955, 0.30, 0.010, 0.45))
    axes.imshow(np.linspace(1, 0, 64)[:, None], cmap=warm(), aspect="auto", extent=(0, 1, 0, 100))
    axes.set_xticks([])
    axes.tick_params(labelsize=6, colors=TEXT_COLOUR)
    axes.yaxis.tick_right()
    axes.set_title("%", fontsize=7, color=TEXT_COLOUR)
    axes.set_xlabel(f"{top:.0f}\ncounts", fontsize=5.5, color=TEXT_COLOUR)
