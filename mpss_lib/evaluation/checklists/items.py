"""Items of the checklists: number, section, what is asked (in our words), who answers.

Sources: TRIPOD+AI, Collins et al. 2024 (BMJ 385:e078378); CLEAR, Kocak et al. 2023 (Insights
Imaging 14:75); METRICS, Kocak et al. 2024 (Insights Imaging 15:8); IBSI, Zwanenburg et al. 2020
(Radiology 295:328) and its reference manual, chapter on reporting guidelines. The last field names
the answer: a rule of ``answers``, ``author`` (only a person can say), ``none: why`` (does not
apply).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Parameters
    ----------
    number, section, asks : str
    answer : str
        Rule that answers it.
    weight : float
        In METRICS; 0 elsewhere.
    """

    number: str
    section: str
    asks: str
    answer: str
    weight: float = 0.0


def read_items(text: str) -> tuple[Item, ...]:
    """Read lines ``number | asks | answer [| weight]``; a line ``# section`` begins a section."""
    items = []
    section = ""
    for line in text.strip().splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
            continue
        number, asks, answer, *weight = (part.strip() for part in line.split("|"))
        items.append(Item(number, section, asks, answer, float(weight[0]) if weight else 0.0))
    return tuple(items)
