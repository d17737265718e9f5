"""Figures of added value as SVG text: differences, calibration, decision curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.evaluation.added_value.rows import TREAT_ALL
from mpss_lib.evaluation.figures import COLOURS, new_figure, to_svg
from mpss_lib.sections import SEGMENTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]
MARKERS = {"radiomics": "o", "clinical": "s", "combined": "^"}
LINES = {"radiomics": ":", "clinical": "--", "combined": "-"}
"""Shapes and lines beside the colours: the figures are read in print without colour too."""

_COLUMNS = 4


def differences(rows: Sequence[Row], measures: Mapping[str, str]) -> str:
    """Paired differences, combined minus clinical, with their intervals: a panel a measure."""
    figure = new_figure(11.0, 2.9)
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    for axes, (measure, title) in zip(panels, measures.items(), strict=True):
        axes.axvline(0.0, color="#888", linewidth=1)
        for row in rows:
            if row["measure"] != measure or row["value"] is None:
                continue
            at = SEGMENTS.index(row["segment"])
            axes.plot(row["value"], at, "o", color="#222", markersize=4)
            if row["low"] is not None:
                axes.hlines(at, row["low"], row["high"], color="#222", linewidth=1.4)
        axes.set_title(title, fontsize=10)
        axes.locator_params(axis="x", nbins=4)
        axes.set_yticks(range(len(SEGMENTS)), SEGMENTS)
        axes.set_ylim(len(SEGMENTS) - 0.5, -0.5)
    return to_svg(figure)


def calibration(rows: Sequence[Row]) -> str:
    """Observed against predicted share of an event, a panel a segment."""

    def draw(axes: Axes, mine: Sequence[Row]) -> None:
        axes.plot([0, 1], [0, 1], color="#888", linewidth=1)
        for name in CONFIGURATIONS:
            curve = [row for row in mine if row["configuration"] == name]
            x = [row["predicted"] for row in curve]
            axes.plot(x, [row["observed"] for row in curve], LINES[name] + MARKERS[name],
                      color=COLOURS[name], markersize=3.5, linewidth=1)  # fmt: skip
            if name == "combined":
                axes.vlines(x, [row["low"] for row in curve], [row["high"] for row in curve],
                            color=COLOURS[name], linewidth=0.6)  # fmt: skip
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.02)

    return _panels(rows, draw, "predicted probability", "observed share", LINES)


def decision(rows: Sequence[Row]) -> str:
    """Net benefit over thresholds of probability, a panel a segment."""
    lines = {**LINES, TREAT_ALL: "-"}

    def draw(axes: Axes, mine: Sequence[Row]) -> None:
        axes.axhline(0.0, color="#888", linewidth=1)
        for name in lines:
            curve = [
                row for row in mine if (row["configuration"], row["compared_with"]) == (name, "")
            ]
            colour = COLOURS.get(name, "#bbbbbb")
            axes.plot([row["threshold"] for row in curve], [row["net_benefit"] for row in curve],
                      lines[name], color=colour, linewidth=1.4)  # fmt: skip
        most = max((row["net_benefit"] for row in mine), default=0.1)
        axes.set_ylim(-0.25 * max(most, 0.02), 1.1 * max(most, 0.02))

    return _panels(rows, draw, "threshold of probability", "net benefit", lines)


def _panels(
    rows: Sequence[Row],
    draw: Callable[[Axes, Sequence[Row]], None],
    x: str,
    y: str,
    lines: Mapping[str, str],
) -> str:
    """Draw one panel for each segment and the legend in the place of the last."""
    figure = new_figure(11.0, 5.2)
    panels = figure.subplots(2, _COLUMNS).ravel()
    for axes, segment in zip(panels, SEGMENTS, strict=False):
        mine = [row for row in rows if row["segment"] == segment]
        axes.set_title(segment, fontsize=10)
        axes.tick_params(labelsize=8)
        if mine:
            draw(axes, mine)
        else:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "too few events", ha="center", fontsize=9, color="#666")
    legend = panels[-1]
    legend.set_axis_off()
    for name, line in lines.items():
        label = "treat everybody" if name == TREAT_ALL else name
        marker = MARKERS.get(name, "") if y == "observed share" else ""
        legend.plot([], [], line + marker, color=COLOURS.get(name, "#bbbbbb"), label=label)
    legend.legend(loc="center", frameon=False)
    figure.supxlabel(x, fontsize=10)
    figure.supylabel(y, fontsize=10)
    return to_svg(figure)
