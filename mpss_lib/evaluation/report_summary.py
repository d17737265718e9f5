"""The report in short: what the tests found, what the profiles and the paper stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpss_lib.config import AS_PUBLISHED, CORRECTED, SITE, Config
from mpss_lib.evaluation import paper
from mpss_lib.evaluation.headline import QUESTIONS
from mpss_lib.evaluation.report_tables import Table, table
from mpss_lib.evaluation.significance import LEVEL, is_at_floor
from mpss_lib.profiles import VERSIONS, setting_rows, site_profile
from mpss_lib.sections import SEGMENTS

Row = Mapping[str, Any]
FLOOR = " (floor)"


def answer_table(tests: Sequence[Row]) -> Table:
    """In which segments each question is answered with yes: paper, Fisher, permutation."""
    by = {(r["profile"], r["test"], r["configuration"], r["segment"]): r for r in tests}

    def rejects(profile: str, test: str, configuration: str, name: str = "p_value") -> str | None:
        rows = {s: by.get((profile, test, configuration, s)) for s in SEGMENTS}
        known = {s: row for s, row in rows.items() if row and row[name] is not None}
        named = {s + FLOOR if is_at_floor(row) else s: row for s, row in known.items()}
        return _named({s: row[name] <= LEVEL for s, row in named.items()})

    def above(configuration: str) -> str | None:
        rows = {s: by.get((AS_PUBLISHED, "fisher", configuration, s)) for s in SEGMENTS}
        known = {s: row for s, row in rows.items() if row is not None and row["threshold"]}
        return _named({s: row["statistic"] > row["threshold"] for s, row in known.items()})

    rows: list[list[Any]] = []
    for question, (configuration, test) in QUESTIONS.items():
        printed = {s: x > paper.FISHER_LIMIT for s, x in paper.FISHER[configuration].items()}
        is_conditional = test == "conditional_mean_r"
        rows.append(
            [
                question,
                None if is_conditional else _named(printed),
                None if is_conditional else above(configuration),
                rejects(AS_PUBLISHED, test, configuration),
                rejects(CORRECTED, test, configuration),
                rejects(CORRECTED, test, configuration, "p_adjusted"),
            ]
        )
    header = [
        "segments in which",
        "the paper: X above its limit",
        "as_published: X above its limit",
        "as_published: permutation p ≤ .05",
        "corrected: permutation p ≤ .05",
        "corrected: p ≤ .05 for all questions together",
    ]
    return table(header, rows, "text")


def _named(holds: Mapping[str, bool]) -> str | None:
    """Count and names of the segments; None where the test was not made."""
    if not holds:
        return None
    names = [segment for segment, is_so in holds.items() if is_so]
    counted = f"{len(names)} of {len(holds)}"
    if len(names) not in (0, len(SEGMENTS)):
        return f"{counted}: {', '.join(names)}"
    n_floor = sum(name.endswith(FLOOR) for name in names)
    return f"{counted} ({n_floor} at the floor)" if n_floor else counted


def profile_table(config: Config) -> Table:
    """List the settings of selection and evaluation in which the profiles differ."""
    by: dict[tuple[str, str], dict[str, str]] = {}
    for row in setting_rows(config):
        by.setdefault((row["stage"], row["setting"]), {})[row["profile"]] = row["value"]
    rows = [
        [f"{stage}.{name}", values[AS_PUBLISHED], values[CORRECTED], values[SITE]]
        for (stage, name), values in by.items()
        if len(set(values.values())) > 1
    ]
    frozen = [f"{name}, version {version}" for name, version in VERSIONS.items()]
    same = site_profile(config)
    return table(["setting", *frozen, SITE if same == SITE else f"site = {same}"], rows, "text")


def contradiction_table() -> Table:
    """Where the paper contradicts itself and what is taken."""
    return table(["the paper", "taken here"], [list(row) for row in paper.CONTRADICTIONS], "text")
