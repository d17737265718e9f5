"""The ejection fraction of a study's gates beside the registry's, as its page says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np

from mpss_lib.gated.beat import FEWEST_GATES, STEPS, fit_beat
from mpss_lib.gated.quality import FLAGS
from mpss_lib.warehouse.query_rows import rows_of

_ASKED = """\
select
    ejection.*,
    lvef.lvef as lvef_counts,
    lvef.lvef_from,
    lvef.lvef_registry,
    lvef.lvef_difference,
from core.ejection as ejection
left join core.lvef as lvef
    on ejection.study_key = lvef.study_key
where ejection.study_key = ?
"""

STATES: Mapping[str, str] = {
    "measured": "",
    "no_gates": "The study has no gated series of the acquisition that was chosen.",
    "unusable": "There is a gated series, and its gates cannot be followed",
    "too_few_gates": FLAGS["too_few_gates"],
    "no_ventricle": FLAGS["ventricle_not_found"],
}
"""What the page says of each state of ``core.ejection``."""
WIDTH, HEIGHT, EDGE = 300.0, 120.0, 8.0
"""Of the drawn curve, and what is left free about it; units of its view box."""


def ejection_of(connection: duckdb.DuckDBPyConnection, study_key: str) -> dict[str, Any] | None:
    """Give what was measured in the gates of a study.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Of the published snapshot.
    study_key : str

    Returns
    -------
    dict or None
        The row of ``core.ejection`` with ``lvef_registry``, ``lvef_difference``, ``lvef_counts``
        and ``lvef_from``; ``said``: why nothing was measured; ``flag_words``: (name, meaning) of
        each flag; ``drawn``: see ``draw_curve``. None where the stage was not at the study.
    """
    found = rows_of(connection, _ASKED, [study_key])
    if not found:
        return None
    row = found[0]
    return row | {
        "said": STATES[row["state"]],
        "flag_words": [(name, FLAGS[name]) for name in row["flags"] or ()],
        "drawn": draw_curve(row["curve_ml"] or (), row["count_share"] or ()),
    }


def draw_curve(curve_ml: Sequence[float], share: Sequence[float]) -> dict[str, Any] | None:
    """Lay the volumes of the gates and the curve through them on a picture.

    Parameters
    ----------
    curve_ml : sequence of float
        Volume in each gate, ml; NaN where a gate is missing.
    share : sequence of float
        Counts of each gate over their median.

    Returns
    -------
    dict or None
        ``line``: points of the beat's harmonics as an SVG polyline takes them; ``gates``: (x, y,
        ml) of each gate that is there; ``diastole``, ``systole``: (x, y) of the extremes;
        ``low_ml`` and ``high_ml``: ends of the scale. None where fewer than four gates are there.
    """
    volumes, trust = np.asarray(curve_ml, np.float64), np.asarray(share, np.float64)
    is_used = np.isfinite(volumes)
    if int(is_used.sum()) < FEWEST_GATES:
        return None
    beat = fit_beat(volumes, trust, is_used)
    gates = np.flatnonzero(is_used)
    shown = np.concatenate([beat.values, volumes[is_used]])
    low, high = float(shown.min()), float(shown.max())
    span = (high - low) or 1.0

    def place(time: float, ml: float) -> tuple[float, float]:
        x = EDGE + (WIDTH - 2.0 * EDGE) * time
        y = EDGE + (HEIGHT - 2.0 * EDGE) * (high - ml) / span
        return round(float(x), 1), round(float(y), 1)

    points = [place(k / STEPS, ml) for k, ml in enumerate(beat.values)]
    middle = (gates + 0.5) / len(volumes)
    return {
        "line": " ".join(f"{x},{y}" for x, y in points),
        "gates": [
            (*place(time, ml), float(ml)) for time, ml in zip(middle, volumes[gates], strict=True)
        ],
        "diastole": points[beat.end_diastole],
        "systole": points[beat.end_systole],
        "low_ml": low,
        "high_ml": high,
    }
