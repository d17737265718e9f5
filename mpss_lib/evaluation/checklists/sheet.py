"""A checklist filled in, as rows, as CSV and as a page."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpss_lib import pages
from mpss_lib.config import Config
from mpss_lib.evaluation.checklists import (
    clear,
    ibsi,
    image_answers,
    metrics,
    model_answers,
    study_answers,
    tripod_ai,
)
from mpss_lib.evaluation.checklists.answers import (
    AUTHOR,
    NOT_APPLICABLE,
    YES,
    Answer,
    Rule,
    author,
)
from mpss_lib.evaluation.checklists.facts import Facts, gather_facts
from mpss_lib.evaluation.checklists.items import Item
from mpss_lib.evaluation.findings import Findings
from mpss_lib.tables import Lake
from mpss_lib.whole_files import write_bytes

CHECKLISTS: Mapping[str, tuple[str, tuple[Item, ...]]] = {
    "tripod_ai": ("TRIPOD+AI (27 items in 52 parts)", tripod_ai.ITEMS),
    "clear": ("CLEAR (58 items)", clear.ITEMS),
    "metrics": ("METRICS (30 items)", metrics.ITEMS),
    "ibsi": ("IBSI reporting items (1 to 76)", ibsi.ITEMS),
}
SHEET = "ibsi:"
NOTHING = "none:"
_RULES = (study_answers, image_answers, model_answers)


@dataclass(frozen=True)
class Line:
    """An item and its answer."""

    item: Item
    answer: Answer


@dataclass(frozen=True)
class Sheet:
    """A checklist filled in.

    Parameters
    ----------
    name, title : str
    lines : tuple of Line
    score : str
        Of METRICS, in per cent; "" elsewhere.
    """

    name: str
    title: str
    lines: tuple[Line, ...]
    score: str = ""

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of items by the state of their answer."""
        return Counter(line.answer.state for line in self.lines)

    def as_csv(self) -> str:
        """Give the sheet as a CSV file with a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["item", "section", "asks", "answer", "text", "missing", "weight"])
        for line in self.lines:
            item, answer = line.item, line.answer
            weight = f"{item.weight:.4f}" if item.weight else ""
            told = (item.number, item.section, item.asks, answer.state, answer.text, answer.missing)
            writer.writerow((*told, weight))
        return text.getvalue()


def fill_in(facts: Facts) -> list[Sheet]:
    """Answer every item of every checklist."""
    sheets = []
    for name, (title, items) in CHECKLISTS.items():
        lines = tuple(Line(item, answer_of(item, facts)) for item in items)
        sheets.append(Sheet(name, title, lines, metrics_score(lines)))
    return sheets


def answer_of(item: Item, facts: Facts) -> Answer:
    """Answer one item.

    Raises
    ------
    KeyError
        If no rule has the name that the item asks for.
    """
    if item.answer == AUTHOR:
        return author()
    if item.answer.startswith(NOTHING):
        return Answer(NOT_APPLICABLE, item.answer.removeprefix(NOTHING).strip())
    if item.answer.startswith(SHEET):
        return image_answers.from_sheet(facts, item.answer.removeprefix(SHEET))
    return rule_named(item.answer)(facts)


def rule_named(name: str) -> Rule:
    """Find the rule that an item names."""
    for module in _RULES:
        if name in vars(module):
            rule: Rule = vars(module)[name]
            return rule
    raise KeyError(name)


def metrics_score(lines: Sequence[Line]) -> str:
    """Share of the weights that were reached, of those that apply; "" without weights.

    An item that only the author can answer counts once as no and once as yes.
    """
    asked = [line for line in lines if line.answer.state != NOT_APPLICABLE]
    whole = sum(line.item.weight for line in asked)
    if not whole:
        return ""
    sure = sum(line.item.weight for line in asked if line.answer.state == YES)
    open_ = sum(line.item.weight for line in asked if line.answer.state == AUTHOR)
    return f"{100 * sure / whole:.1f} to {100 * (sure + open_) / whole:.1f} %"


def write_checklists(found: Findings, lake: Lake, config: Config, stem: Path) -> list[Path]:
    """Write the checklists of a cohort as one page and one CSV file each; returns the paths.

    Parameters
    ----------
    found : Findings
    lake, config
    stem : Path
        Of the report, without its ending.
    """
    sheets = fill_in(gather_facts(found, lake, config))
    page = stem.with_name(f"{stem.name}.checklists.html")
    text = pages.render(
        "checklists.html",
        cohort=found.inputs.cohort,
        invented=found.n_invented,
        patients=len(found.inputs.studies),
        sheets=sheets,
    )
    write_bytes(page, text.encode())
    paths = [page]
    for sheet in sheets:
        paths.append(stem.with_name(f"{stem.name}.{sheet.name}.csv"))
        write_bytes(paths[-1], sheet.as_csv().encode())
    return paths
