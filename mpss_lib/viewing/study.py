"""One study, as a physician and a researcher ask about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from mpss_lib.errors import WrongArgumentError
from mpss_lib.quality.consensus import assigned_to, shown_to, standing_of
from mpss_lib.quality.review import reviews_of
from mpss_lib.sections import ReviewSettings
from mpss_lib.tables import Lake, check_key
from mpss_lib.viewing.ejection import ejection_of
from mpss_lib.viewing.published import Published
from mpss_lib.viewing.words import metric_words
from mpss_lib.warehouse.query_rows import rows_of

_OF_STUDY = {
    "board": "select * from quality.board where study_key = ?",
    "metrics": "select * from quality.metric where study_key = ? order by metric",
    "series": (
        "select series_key, modality, sop_class, is_stored, is_chosen, reason, detail, stress,"
        " attenuation, reconstruction, orientation, n_objects from core.series_flow"
        " where study_key = ? order by is_chosen desc, is_stored desc, series_key, object_key"
    ),
    "contours": "select * from quality.contours where study_key = ? order by object_key",
    "agreement": "select * from quality.agreement where study_key = ? order by segment",
    "predictions": (
        "select * from result.prediction_latest where study_key = ?"
        " order by list_position(['MYO', 'LAD3', 'LCX3', 'RCA3', 'LAD17', 'LCX17', 'RCA17'],"
        " segment), configuration"
    ),
    "lineage": (
        "select table_name, stage, engine, config, code_version, n_rows, last_named_at"
        " from meta.lineage where unit_key = ? order by last_named_at, table_name"
    ),
    "stages": (
        "select stage, status, reasons, problem, way_out from meta.study_stage"
        " where study_key = ? order by list_position(['pull', 'intake', 'segmentation', 'quality',"
        " 'radiomics', 'gated', 'companions', 'calcium', 'publication'], stage)"
    ),
}

_TERMS = """\
select *
from result.prediction_term
where study_key = ? and segment = ? and configuration = ?
order by profile = 'elastic_net', profile, source = 'intercept', share desc nulls last, term, level
"""

_AT_SITE = """\
select
    metric,
    count(value) as n,
    quantile_cont(value, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as quantiles,
from quality.metric
group by metric
"""

_PREDICTED = """\
select
    segment,
    configuration,
    count(value) as n,
    quantile_cont(value, [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]) as quantiles,
from result.prediction_latest
group by segment, configuration
"""


def board_of(snapshot: Published, study_key: str) -> dict[str, Any]:
    """Give the row of a study that has a verdict.

    Raises
    ------
    WrongArgumentError
        The published snapshot has no verdict of such a study.
    """
    found = _ask(snapshot.connection, "board", check_key(study_key))
    if not found:
        raise WrongArgumentError(
            f"the published snapshot has no quality verdict of a study {study_key}",
            way_out="the worklist names those that wait; meta.ingest_ledger says how far a study"
            " came",
        )
    return found[0]


def study_page(
    snapshot: Published, lake: Lake, study_key: str, reader: str, rule: ReviewSettings
) -> dict[str, Any]:
    """Give all that the page of a study says but its pictures.

    Parameters
    ----------
    snapshot : Published
    lake : Lake
    study_key : str
    reader : str
        Account that looks: what another one answered is sealed while the rule says so.
    rule : ReviewSettings

    Returns
    -------
    dict
        ``board``; ``doubts``: why the segmentation is not sure; ``metrics`` with their limits and
        where the value stands among the site's
        studies; ``history`` (decisions, the newest first, published or not), what they come to
        (``standing``) and who is asked next (``assigned``); ``series``,
        ``contours``, ``agreement``, ``predictions``, ``stages``, ``lineage``: rows; ``ejection``:
        see ``ejection_of``.

    Raises
    ------
    WrongArgumentError
        See ``board_of``.
    """
    connection = snapshot.connection
    answers = reviews_of(lake, study_key)
    standing = standing_of(answers, rule)
    board = board_of(snapshot, study_key)
    rest = ("series", "contours", "agreement", "stages", "lineage")
    words = metric_words(snapshot)
    site = snapshot.once("metrics", lambda asked: _by(rows_of(asked, _AT_SITE), "metric"))
    predicted = snapshot.once(
        "predictions", lambda asked: _by(rows_of(asked, _PREDICTED), "segment", "configuration")
    )
    return {
        "board": board,
        "doubts": [
            words.get(name, {"title": name})["title"] for name in board["segmentation_flags"] or ()
        ],
        "metrics": [
            _metric(row, words.get(row["metric"], {}), site.get((row["metric"],)))
            for row in _ask(connection, "metrics", study_key)
        ],
        "predictions": [
            row | {"strip": strip(row["value"], predicted[row["segment"], row["configuration"]])}
            for row in _ask(connection, "predictions", study_key)
        ],
        "ejection": ejection_of(connection, study_key),
        "history": [_in_minutes(row) for row in shown_to(reader, answers, rule)[::-1]],
        "standing": standing,
        "assigned": assigned_to(study_key, standing, rule),
        **{name: _ask(connection, name, study_key) for name in rest},
    }


def terms(
    snapshot: Published, study_key: str, segment: str, configuration: str
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Give the terms of the models behind a prediction, by profile, the largest share first.

    Returns
    -------
    list of (profile, rows of ``result.prediction_term``)
        The intercept stands last; contributions of a profile add up to its linear form.
    """
    found = rows_of(snapshot.connection, _TERMS, [check_key(study_key), segment, configuration])
    profiles = dict.fromkeys(row["profile"] for row in found)
    return [(name, [row for row in found if row["profile"] == name]) for name in profiles]


def _in_minutes(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"decided_at": row["decided_at"][:16].replace("T", " ")}


def _ask(connection: duckdb.DuckDBPyConnection, name: str, key: str) -> list[dict[str, Any]]:
    return rows_of(connection, _OF_STUDY[name], [key])


def _by(rows: Sequence[Mapping[str, Any]], *names: str) -> dict[tuple[Any, ...], Any]:
    return {tuple(row[name] for name in names): row for row in rows}


def _metric(
    row: Mapping[str, Any], words: Mapping[str, str], site: Mapping[str, Any] | None
) -> dict[str, Any]:
    limits = [row[name] for name in ("hold_low", "review_low", "review_high", "hold_high")]
    return dict(row) | {
        "says": words.get("title", ""),
        "unit": words.get("unit", ""),
        "strip": strip(row["value"], site, limits),
    }


def strip(
    value: float | None, site: Mapping[str, Any] | None, limits: Sequence[float | None] = ()
) -> dict[str, Any] | None:
    """Place a value, the site's middle and its limits on a line from 0 to 100.

    Parameters
    ----------
    value : float or None
    site : mapping or None
        ``n`` and ``quantiles`` at 1, 5, 25, 50, 75, 95, 99 %.
    limits : sequence of float or None
        Hold below, review below, review above, hold above.

    Returns
    -------
    dict or None
        ``value``, ``limits`` and ``quantiles`` on the line (None where there is none), ``n``.
        None where there is nothing to compare with.
    """
    if site is None or not site["n"] or value is None or not math.isfinite(value):
        return None
    quantiles = [float(one) for one in site["quantiles"]]
    near = [one for one in limits if one is not None and math.isfinite(one)]
    inner = [one for one in near[1:-1] or near if one is not None]
    ends = [value, quantiles[0], quantiles[-1], *inner]
    low, high = min(ends), max(ends)
    span = (high - low) or 1.0
    low, span = low - 0.05 * span, 1.1 * span

    def place(at: float | None) -> float | None:
        if at is None or not math.isfinite(at):
            return None
        return round(min(max((at - low) / span, 0.0), 1.0) * 100.0, 2)

    return {
        "value": place(value),
        "limits": [place(one) for one in limits],
        "quantiles": [place(one) for one in quantiles],
        "median": quantiles[3],
        "n": site["n"],
    }
