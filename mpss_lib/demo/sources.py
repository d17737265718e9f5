"""The outcome from each source of calcium in turn: cohorts and predictions side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.tables import Lake
from mpss_lib.warehouse.reader import rows
from mpss_lib.whole_files import write_bytes

SOURCES = (("report",), ("ct", "report"), ("registry",))
"""Orders of sources that are evaluated, one after the other: the home is left with the default. Not
the CT alone: it counts where no lesion waits for a person, which is mostly where there is none.
"""
CT_SETTINGS = """
[companions]
calcium_reports = true   # (default false) structured reports with calcium scores
calcium_ct = true        # (default false) the calcium CT of the patient
"""
_LINE = re.compile(r"^cac_source = .*$", re.MULTILINE)

SIDE_BY_SIDE = """
select
    count(registry_total) as "in the registry",
    count(report_total) as "in a report",
    count(ct_total) as "in a CT",
    count(*) filter (where ct_reason = 'waits_for_person') as "CT waits for a person",
    median(abs(report_difference)) as "report from registry",
    median(abs(ct_difference)) as "CT from registry",
from core.calcium
"""
_OUTCOME = """
select
    (select count(*) from core.cohort) as cohort,
    (select median(cac_total) from core.cohort) as "median score",
    count(*) as predictions,
    median("value") as "median prediction",
from result.prediction_latest
where segment = 'MYO' and configuration = 'combined'
"""


def with_source(text: str) -> str:
    """Add to the settings of a demo what the comparison of sources needs."""
    return text.replace("[cohort]\n", '[cohort]\ncac_source = ["registry"]\n', 1) + CT_SETTINGS


def compare_sources(root: Path, lake: Lake, run: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Evaluate the cohort of each source.

    Parameters
    ----------
    root : Path
        The home; its settings name one source after the other, the registry at the end.
    lake : Lake
    run : callable
        Runs a DAG by its id; whether it succeeded.

    Returns
    -------
    list of dict
        For each source that could be evaluated: size of the cohort, scores, predictions.
    """
    told = []
    for source in SOURCES:
        path = root / "mpss.toml"
        asked = ", ".join(f'"{one}"' for one in source)
        text = _LINE.sub(f"cac_source = [{asked}]", path.read_text(encoding="utf-8"))
        write_bytes(path, text.encode(), mode=PRIVATE_FILE)
        if run("mpss_clinical") and run("mpss_evaluate"):
            told.append({"outcome from": ", else ".join(source)} | rows(lake, _OUTCOME)[0])
    return told
