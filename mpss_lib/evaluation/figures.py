"""Figures of the report as SVG text: no file, no date, the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS, CORRECTED
from mpss_lib.sections import SEGMENTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]
COLOURS = {"radiomics": "#4477aa", "clinical": "#ccbb44", "combined": "#aa3377"}
CLASS_NAMES = ("0", "1-10", "11-100", "101-400", "> 400")
SMALLEST_P = 1e-12


def classes(counts: Sequence[int]) -> str:
    """Bars of the patients in each class."""
    figure = new_figure(6.0, 2.6)
    axes = figure.subplots()
    bars = axes.bar(range(5), list(counts), color="#4477aa")
    axes.bar_label(bars)
    axes.set_xticks(range(5), CLASS_NAMES)
    axes.set_xlabel("total calcium score")
    axes.set_ylabel("patients")
    axes.margins(y=0.15)
    return to_svg(figure)


def varieties(rows: Sequence[Row]) -> str:
    """Rank correlation of each averaged (rows) and merged (columns) feature, a panel a family."""
    figure = new_figure(11.0, 6.2)
    families = ("glcm", "glrlm")
    image = None
    for axes, family in zip(figure.subplots(1, 2), families, strict=True):
        mine = [row for row in rows if row["family"] == family]
        averaged = list(dict.fromkeys(row["averaged"] for row in mine))
        merged = list(dict.fromkeys(row["merged"] for row in mine))
        rho = np.full((len(averaged), len(merged)), np.nan)
        for row in mine:
            if row["rho"] is not None:
                rho[averaged.index(row["averaged"]), merged.index(row["merged"])] = row["rho"]
        if not mine:
            axes.set_title(f"{family.upper()}: nothing to compare")
            axes.set_axis_off()
            continue
        image = axes.imshow(rho, cmap="RdBu_r", vmin=-1.0, vmax=1.0)
        axes.set_yticks(range(len(averaged)), averaged, fontsize=6)
        axes.set_xticks(range(len(merged)), merged, rotation=90, fontsize=6)
        axes.set_title(f"{family.upper()}, averaged against merged", fontsize=10)
    if image is not None:
        figure.colorbar(image, ax=figure.axes, label="ρ", shrink=0.6, pad=0.01)
    return to_svg(figure)


def heatmap(rows: Sequence[Row], features: Sequence[str]) -> str:
    """|rho| and -log10 p of each feature (columns) and segment (rows), five classes."""
    rho = np.full((len(SEGMENTS), len(features)), np.nan)
    p = np.full_like(rho, np.nan)
    column = {name: k for k, name in enumerate(features)}
    for row in rows:
        if row["outcome"] == "class5":
            at = SEGMENTS.index(row["segment"]), column[row["feature"]]
            rho[at] = np.nan if row["rho"] is None else abs(row["rho"])
            p[at] = -np.log10(max(row["p_value"], SMALLEST_P))
    figure = new_figure(11.0, 5.4)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes, values, title in ((top, rho, "|ρ|"), (bottom, p, "-log10 p")):
        image = axes.imshow(values, aspect="auto", cmap="viridis", vmin=0)
        axes.set_yticks(range(len(SEGMENTS)), SEGMENTS)
        figure.colorbar(image, ax=axes, label=title, pad=0.01)
    bottom.set_xticks(range(len(features)), features, rotation=90, fontsize=6)
    return to_svg(figure)


def boxes(rows: Sequence[Row], column: str) -> str:
    """Boxes of the runs' correlation or p-value by segment and configuration, both profiles."""
    figure = new_figure(11.0, 3.6)
    both = figure.subplots(1, 2, sharey=True)
    for axes, profile in zip(both, (AS_PUBLISHED, CORRECTED), strict=True):
        for k, configuration in enumerate(CONFIGURATIONS):
            found = [_values(rows, profile, segment, configuration, column) for segment in SEGMENTS]
            places = np.arange(len(SEGMENTS)) + 0.26 * (k - 1)
            drawn = axes.boxplot(
                found, positions=places, widths=0.22, patch_artist=True, manage_ticks=False,
                medianprops={"color": "black"}, flierprops={"markersize": 2},
            )  # fmt: skip
            for box in drawn["boxes"]:
                box.set_facecolor(COLOURS[configuration])
            if profile == AS_PUBLISHED:
                axes.plot([], [], "s", color=COLOURS[configuration], label=configuration)
        axes.set_xticks(range(len(SEGMENTS)), SEGMENTS)
        axes.set_title(profile)
        if column == "p_value":
            axes.set_yscale("log")
            axes.axhline(0.05, color="#888", linestyle="--", linewidth=1)
        else:
            axes.axhline(0.0, color="#888", linewidth=1)
    both[0].set_ylabel("p-value" if column == "p_value" else "r in the test set")
    figure.legend(fontsize=9, loc="outside upper center", ncols=3, frameon=False)
    return to_svg(figure)


def _values(
    rows: Sequence[Row], profile: str, segment: str, configuration: str, column: str
) -> list[float]:
    wanted = (profile, segment, configuration)
    return [
        max(row[column], SMALLEST_P) if column == "p_value" else row[column]
        for row in rows
        if (row["profile"], row["segment"], row["configuration"]) == wanted
        and row[column] is not None
    ]


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, sizes in inches."""
    from matplotlib.figure import Figure as MatplotlibFigure

    return MatplotlibFigure(figsize=(width, height), layout="constrained")


def to_svg(figure: Figure) -> str:
    """Give the figure as an svg element."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "mpss", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    content = text.getvalue()
    return content[content.index("<svg") :]
