"""What a physician reads in place of names: metrics, doubts, reasons of a reject."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import duckdb

from mpss_lib.viewing.published import Published
from mpss_lib.warehouse.query_rows import rows_of


def metric_words(snapshot: Published) -> dict[str, dict[str, str]]:
    """Map metrics and self-check values to ``title`` and ``unit`` of ``meta.dictionary``.

    No unit is "".
    """
    words: dict[str, dict[str, str]] = snapshot.once("words", _words)
    return words


def _words(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    sql = "select name, title, unit from meta.dictionary where kind in ('metric', 'self_check')"
    return {
        row["name"]: {"title": row["title"], "unit": "" if row["unit"] == "1" else row["unit"]}
        for row in rows_of(connection, sql)
    }


REJECT_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "motion": "Patient motion",
        "misregistration": "CT and SPECT do not lie over each other",
        "overcorrection": "Overcorrection",
        "attenuation": "Attenuation by breast or diaphragm",
        "spillover": "Spill-over from liver, stomach or gut",
        "truncation": "Truncated field of view",
        "noise": "Too few counts",
        "contours": "Contours are wrong",
        "other": "Other (say what)",
    }
)
"""Codes of a reject's reason with their words: the artefacts that the paper's physician looked for
(image artefact, overcorrection, spill-over), each by its cause, and what is no artefact."""


def reason_text(code: str, text: str) -> str:
    """Join the code of a reason and a free text: ``motion``, ``motion: one frame``, or the text."""
    said = " ".join(text.split())
    return f"{code}: {said}" if code and said else code or said
