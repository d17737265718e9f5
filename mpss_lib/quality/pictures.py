"""Slices of a study with the contours, for the physician.

Conventions of the 17-segment display: short axis seen from the apex, anterior wall on top, lateral
wall on the right, apex to base from left to right; horizontal long axis with the apex on top;
vertical long axis with the apex on the right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mpss_lib.quality.sheet import TEXT_COLOUR, new_sheet, warm, write_sheet
from mpss_lib.volume import FloatArray, Mask, Volume

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HALF_MM, PIXEL_MM = 58.0, 2.0  # the same scale for every heart
SMOOTH_VOXELS = 0.7  # of a mask before its outline is drawn: no staircase
SHORT_AXIS_TILES, LONG_AXIS_TILES = 16, 8
EPI_COLOUR, ENDO_COLOUR = "#35d0e8", "#62e05a"
BEHIND_TEXT: Mapping[str, Any] = MappingProxyType(
    {"facecolor": "black", "alpha": 0.6, "pad": 0.6, "linewidth": 0.0}
)


def montage(
    volume: Volume,
    masks: Mapping[str, Mask],
    extras: Mapping[str, FloatArray],
    study_key: str,
    path: Path,
    *,
    with_contours: bool = True,
) -> None:
    """Draw short-axis and long-axis slices with the contours of the masks; PNG.

    Parameters
    ----------
    volume : Volume
    masks : mapping of name to Mask
        MYO, ENDO and EPI are used.
    extras : mapping of name to float64 array
        As ``read_masks`` gives them: axes (3,), surfaces (rows, angles).
    study_key : str
        Pseudonymous key, printed on the picture.
    path : Path
        File to write, whole or not at all.
    with_contours : bool
        False: the same slices with nothing drawn on them.
    """
    top = float(np.percentile(volume.array[masks["MYO"].array], 99.5))
    levels = _short_levels(extras)
    counts, epi, endo = (
        _tiles(image, extras, levels)
        for image in (volume, _as_volume(masks["EPI"]), _as_volume(masks["ENDO"]))
    )
    figure = new_sheet(12.0, 7.4)
    height = 1.0 / 4.35
    for row, title in enumerate(
        (
            f"SHORT AXIS   apex to base, every {levels[0] - levels[1]:.1f} mm; mm below the apex;"
            f" a tile is {2.0 * HALF_MM:.0f} mm wide",
            "",
            "HORIZONTAL LONG AXIS   inferior to anterior, apex up",
            "VERTICAL LONG AXIS   septal to lateral, apex right",
        )
    ):
        axes = figure.add_axes((0.01, 0.93 - (row + 1) * height, 0.93, 0.96 * height))
        outlines = ((epi[row], EPI_COLOUR), (endo[row], ENDO_COLOUR)) if with_contours else ()
        _slices(axes, counts[row], outlines, top)
        axes.set_title(title, loc="left", fontsize=8, color=TEXT_COLOUR, pad=2)
    _edge_words(figure)
    _number_tiles(figure, levels[0] - levels)
    _colour_bar(figure, top)
    size = f"wall {masks['MYO'].volume_ml:.0f} mL, cavity {masks['ENDO'].volume_ml:.0f} mL"
    write_sheet(figure, f"Study {study_key}   {size}", path)


def _short_levels(extras: Mapping[str, FloatArray]) -> FloatArray:
    """Place of the short-axis slices on the long axis, from apex to base, mm."""
    apex = float(extras["epi_mm"][0].mean())
    base = float(extras["base"][0])
    return np.linspace(apex - 3.0, base + 3.0, SHORT_AXIS_TILES)


def _tiles(
    volume: Volume, extras: Mapping[str, FloatArray], short_levels: FloatArray
) -> list[FloatArray]:
    """Four strips of tiles: short axis twice, horizontal and vertical long axis."""
    axis, anterior, lateral = (extras[name] for name in ("axis", "anterior", "lateral"))
    apex = float(extras["epi_mm"][0].mean())
    base = float(extras["base"][0])
    line = np.arange(-HALF_MM, HALF_MM + 0.1, PIXEL_MM)
    middle = 0.5 * (apex + base)
    rows, columns = line[::-1, None, None], line[None, :, None]  # up, right
    short = [level * axis + rows * anterior + columns * lateral for level in short_levels]
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
    from scipy.ndimage import gaussian_filter

    soft = gaussian_filter(mask.array.astype(np.float64), SMOOTH_VOXELS)
    return Volume(soft, mask.affine)


def _slices(
    axes: Axes, counts: FloatArray, outlines: Sequence[tuple[FloatArray, str]], top: float
) -> None:
    from matplotlib.collections import LineCollection
    from skimage.measure import find_contours

    axes.imshow(counts, cmap=warm(), vmin=0.0, vmax=top, interpolation="bilinear")
    for image, colour in outlines:
        lines = [line[:, ::-1] for line in find_contours(image, 0.5)]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.8, alpha=0.9))
    width = counts.shape[0]
    for k in range(1, counts.shape[1] // width):
        axes.axvline(k * width - 0.5, color="#404040", linewidth=0.5)
    axes.set_axis_off()


def _number_tiles(figure: Figure, below_apex_mm: FloatArray) -> None:
    """Write at each short-axis tile how far below the apex it lies."""
    size = round(2.0 * HALF_MM / PIXEL_MM)
    for number, depth in enumerate(below_apex_mm):
        row, column = divmod(number, SHORT_AXIS_TILES // 2)
        figure.axes[row].text(
            (column + 0.96) * size, 0.95 * size, f"{depth:.0f}",
            color=TEXT_COLOUR, fontsize=6, ha="right", va="center", bbox=BEHIND_TEXT,
        )  # fmt: skip


def _edge_words(figure: Figure) -> None:
    """Name the walls at the first tile of each row."""
    words = {
        0: ("ANT", "SEP", "INF", "LAT"),
        1: ("ANT", "SEP", "INF", "LAT"),
        2: ("APEX", "SEP", "", "LAT"),
        3: ("ANT", "", "INF", "APEX"),
    }
    for row, (up, left, down, right) in words.items():
        axes = figure.axes[row]
        size = round(2.0 * HALF_MM / PIXEL_MM)
        style: dict[str, Any] = {
            "color": TEXT_COLOUR,
            "fontsize": 6,
            "ha": "center",
            "va": "center",
            "bbox": BEHIND_TEXT,
        }
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
    axes.set_xlabel(f"100 % =\n{top:.0f}\ncounts", fontsize=6, color=TEXT_COLOUR)
    for edge in axes.spines.values():
        edge.set_color("#808080")
    figure.text(0.949, 0.22, "epicardium", fontsize=6, color=EPI_COLOUR)
    figure.text(0.949, 0.20, "endocardium", fontsize=6, color=ENDO_COLOUR)
