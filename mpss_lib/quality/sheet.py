"""The black sheet that every picture is drawn on: size, colours, research mark, writing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mpss_lib.whole_files import replacing

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

MARK = "RESEARCH USE ONLY - not a medical device, not for diagnosis"
TEXT_COLOUR = "#e8e8e8"
ABOUT = {"Software": None, "Description": MARK}  # no version, no time: same input, same bytes


@cache
def warm() -> Colormap:
    """Black, dark red, orange, yellow, white."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#000000", "#5a0000", "#b01e00", "#ec6a00", "#ffc400", "#fff6a8", "#ffffff"]
    return LinearSegmentedColormap.from_list("warm", colours)


def new_sheet(width: float, height: float) -> Figure:
    """Make a black figure (inches) without the state of pyplot: safe in any thread."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, facecolor="black")
    FigureCanvasAgg(figure)
    return figure


def write_sheet(figure: Figure, title: str, path: Path) -> None:
    """Add title and research mark, and write the PNG, whole or not at all."""
    figure.text(0.01, 0.985, title, fontsize=9, color=TEXT_COLOUR, va="top", weight="bold")
    figure.text(0.99, 0.985, MARK, fontsize=7, color="#ff9f6b", va="top", ha="right")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata=ABOUT)
