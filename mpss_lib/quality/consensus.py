"""What the answers about a study come to: one reader, or two who must agree.

With ``review.readers = 1`` the last answer counts, whoever gave it. With 2, each account has one
answer, its last; a study is decided when two accounts have said the same (accept or reject) and
more have said it than the contrary. So one accept and one reject wait for a third account, or for
one of the two who corrects itself; "unsure" counts for neither and asks one more reader.
``quality.decision`` is the same rule in SQL.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpss_lib.sections import ReviewSettings

ACCEPT, REJECT, UNSURE = "accept", "reject", "unsure"
UNDECIDED = "undecided"
"""Answers are there, but the site's rule asks for more."""
SEALED = "sealed"
"""Stands in the place of an answer that the next reader may not know."""


@dataclass(frozen=True)
class Standing:
    """Where the answers about a study stand.

    Parameters
    ----------
    decision : str
        ``accept``, ``reject``, ``unsure`` (one reader), ``undecided`` (two); "" without an answer.
    settled_by : str
        ``reader`` (one was asked), ``agreement`` (of two, nobody contradicts), ``consensus`` (more
        have said it than the contrary); "" where it is not decided.
    readers : tuple of str
        Accounts that have answered, in the order of their first answers.
    is_split : bool
        With two readers: as many accept as reject, a third is asked.
    is_sealed : bool
        The only account that has answered is not to be read by others yet.
    n_needed : int
        Answers that are asked at least: 0 where it is decided. Under a seal 1, whatever the first
        answer was: else two would tell that it was "unsure".
    """

    decision: str
    settled_by: str
    readers: tuple[str, ...]
    is_split: bool
    is_sealed: bool
    n_needed: int

    @property
    def is_decided(self) -> bool:
        """Whether the study waits for nobody."""
        return bool(self.settled_by)


def standing_of(answers: Sequence[Mapping[str, Any]], rule: ReviewSettings) -> Standing:
    """Judge the answers about one study.

    Parameters
    ----------
    answers : sequence of rows of ``review``
        In any order; corrections are among them.
    rule : ReviewSettings
    """
    in_order = sorted(answers, key=lambda row: (row["decided_at"], row["decision"]))
    last = {row["reviewer"]: row["decision"] for row in in_order}
    readers = tuple(last)
    if rule.readers == 1:
        decision = in_order[-1]["decision"] if in_order else ""
        is_firm = decision in (ACCEPT, REJECT)
        return Standing(decision, "reader" if is_firm else "", readers, False, False, 1 - is_firm)
    counts = Counter(last.values())
    less, more = sorted((ACCEPT, REJECT), key=lambda one: counts[one])
    is_split = counts[ACCEPT] == counts[REJECT] > 0
    if counts[more] >= rule.readers and not is_split:
        settled_by = "consensus" if counts[less] else "agreement"
        return Standing(more, settled_by, readers, False, False, 0)
    is_sealed = rule.blind and len(readers) == 1
    return Standing(
        decision=UNDECIDED if last else "",
        settled_by="",
        readers=readers,
        is_split=is_split,
        is_sealed=is_sealed,
        n_needed=1 if is_split or is_sealed else rule.readers - counts[more],
    )


def shown_to(
    reader: str, answers: Sequence[Mapping[str, Any]], rule: ReviewSettings
) -> list[dict[str, Any]]:
    """Give the answers about a study as an account may read them.

    Returns
    -------
    list of dict
        In the order given. Under a seal, decision and reason of other accounts are not among them.
    """
    is_sealed = standing_of(answers, rule).is_sealed
    hidden = {"decision": SEALED, "reason": ""}
    return [
        dict(row) | (hidden if is_sealed and row["reviewer"] != reader else {}) for row in answers
    ]


def assigned_to(study_key: str, standing: Standing, rule: ReviewSettings) -> list[str]:
    """Name the accounts of ``review.assigned`` that are asked about a study next.

    Each study has an order of the accounts by a hash of both (highest random weight: Thaler and
    Ravishankar, IEEE/ACM Trans. Netw. 1998;6:1), so that all get their share, nothing is kept, and
    an account that joins or leaves moves its own share only.
    """

    def weight(account: str) -> bytes:
        return hashlib.sha256(f"{study_key}\n{account}".encode()).digest()

    left = [one for one in rule.assigned if one not in standing.readers]
    return sorted(left, key=weight)[: standing.n_needed]
