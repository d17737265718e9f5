"""The picture of a cohort's stability: features by grey levels, and how many are stable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mpss_lib.radiomics.catalogue import BY_NAME
from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES
from mpss_lib.stability.perturbation import FAMILIES
from mpss_lib.stable_features import BESIDE, DECIDES, EVERY, GOOD_ICC, Rows, middle_by_level
from mpss_lib.volume import FloatArray
from mpss_lib.whole_files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    EVERY: "#000000",
    "shift": "#4477aa",
    "rotation": "#66ccee",
    "counts": "#228833",
    "wall": "#ee6677",
    "base": "#aa3377",
}
DPI = 150


def draw(rows: Rows, path: Path, title: str) -> None:
    """Draw rows of ``feature_stability`` of one cohort as PNG, whole or not at all.

    Left: the median over the segments of ICC(3,1) under all perturbations, a row for each feature
    that depends on the grey levels. Right: the share of them with an ICC of 0.75 or more, under all
    perturbations and under each family; broken: by ICC(1), which counts what is common as error.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [name for name in ISOTROPIC_NAMES if BY_NAME[name].depends_on_bins]
    figure = Figure(figsize=(11.0, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.1))
    figure.suptitle(title, fontsize=11)
    _map(left, figure, *_matrix(rows, EVERY, DECIDES, names), names)
    _shares(right, rows, names)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def _matrix(
    rows: Rows, family: str, measure: str, names: list[str]
) -> tuple[FloatArray, list[int]]:
    """(feature, bins) medians, and the bins."""
    middle = middle_by_level(rows, family, measure)
    bins = sorted(middle)
    found = [[middle[b].get(name, np.nan) for b in bins] for name in names]
    return np.array(found, np.float64).reshape(len(names), len(bins)), bins


def _map(axes: Axes, figure: Figure, icc: FloatArray, bins: list[int], names: list[str]) -> None:
    image = axes.imshow(icc, aspect="auto", cmap="viridis", vmin=0.0, vmax=1.0)
    axes.set_facecolor("#bbbbbb")
    axes.set_xticks(range(len(bins)), [str(b) for b in bins])
    axes.set_xlabel("grey levels")
    blocks = [(BY_NAME[n].family.upper(), BY_NAME[n].aggregation) for n in names]
    starts = [k for k, block in enumerate(blocks) if k == 0 or block != blocks[k - 1]]
    ends = [*starts[1:], len(names)]
    middles = [0.5 * (a + b - 1) for a, b in zip(starts, ends, strict=True)]
    labels = [" ".join(blocks[k]).replace("_", " ").strip() for k in starts]
    axes.set_yticks(middles, labels, fontsize=8)
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=1.0)
    axes.set_title("ICC(3,1), median of the segments (grey: one value for all)", fontsize=9)
    figure.colorbar(image, ax=axes, pad=0.01)


def _shares(axes: Axes, rows: Rows, names: list[str]) -> None:
    present = {str(row["family"]) for row in rows}
    for family in (EVERY, *FAMILIES):
        if family not in present:
            continue
        label = "all perturbations" if family == EVERY else family
        width = 2.5 if family == EVERY else 1.2
        for measure, style in ((DECIDES, "o-"), (BESIDE, "--")):
            icc, bins = _matrix(rows, family, measure, names)
            share = 100.0 * np.mean(icc >= GOOD_ICC, axis=0)
            told = label if measure == DECIDES else None
            axes.plot(range(len(bins)), share, style, color=COLOURS[family], lw=width, label=told)
        axes.set_xticks(range(len(bins)), [str(b) for b in bins])
    axes.set_ylim(0.0, 101.0)
    axes.set_xlabel("grey levels")
    axes.set_ylabel(f"features with an ICC of {GOOD_ICC} or more, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.06))
    axes.set_title("Share of stable features: ICC(3,1), broken ICC(1)", fontsize=9)
