"""The one writer of physicians' decisions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mpss_lib.audit.doors import record
from mpss_lib.audit.message import Event
from mpss_lib.audit.vocabulary import SUCCESS
from mpss_lib.batch import write_record
from mpss_lib.clock import now_after
from mpss_lib.config import Config
from mpss_lib.errors import WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.quality.consensus import ACCEPT, REJECT, UNSURE, standing_of
from mpss_lib.records import Unit
from mpss_lib.sections import ReviewSettings
from mpss_lib.shelves import key_of, on_shelf, shelves_of
from mpss_lib.tables import Lake, Written, check_key, digest_of, read_parquet

DECISIONS = (ACCEPT, REJECT, UNSURE)
LONGEST_REASON, LONGEST_REVIEWER = 500, 100


def record_review(
    lake: Lake, config: Config, study_key: str, decision: str, reason: str, reviewer: str
) -> Written:
    """Record what a physician decided about a study; earlier decisions stay.

    Parameters
    ----------
    lake : Lake
    config : Config
    study_key : str
    decision : str
        ``accept``, ``reject`` or ``unsure``.
    reason : str
        At most 500 characters. It must not name the patient.
    reviewer : str
        Who decided.

    Returns
    -------
    Written
        A new file with this decision; earlier ones stay (the table is append-only).

    Raises
    ------
    WrongArgumentError
        Names the argument that was refused.
    """
    check_key(study_key)
    reason, reviewer = reason.strip(), reviewer.strip()
    _check(decision, reason, reviewer)
    address = config.address("quality")
    row = {
        "study_key": study_key,
        "decision": decision,
        "reason": reason,
        "reviewer": reviewer,
    }
    with working(lake.root):
        row["decided_at"] = _after_the_last(reviews_of(lake, study_key))
        digest = digest_of(row.values())
        written = lake.write("review", address, study_key, digest, [row])
        unit = Unit.of(study_key, [written], is_new=True)
        write_record("quality", [unit], lake, config, "review")
    told = {"decision": decision, "digest": digest}
    event = Event("review", SUCCESS, [study_key], details=told, requester=reviewer)
    record(event, lake.root.parent, config)
    return written


def _after_the_last(decisions: Sequence[Mapping[str, Any]]) -> str:
    last = datetime.fromisoformat(decisions[-1]["decided_at"]) if decisions else None
    return now_after(last).isoformat(timespec="microseconds")


def reviews_of(lake: Lake, study_key: str) -> list[dict[str, Any]]:
    """Every decision about a study, the oldest first.

    All files of the study are joined, whatever settings they were written under: a change of
    limits, or two reviewers at the same moment, lose no decision.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in lake.landing_files("review", key=check_key(study_key)):
        for row in _rows_of_file(path):
            found[(row["decided_at"], row["reviewer"])] = dict(row)
    return [found[key] for key in sorted(found)]


@lru_cache(maxsize=20_000)
def _rows_of_file(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Read one answer once: a file of decisions is never changed, its name is its content's."""
    return tuple(read_parquet(path, "review").to_pylist())


def answers_about(lake: Lake, study_keys: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Give the decisions about each of some studies that has any, published or not."""
    folders = sorted((lake.root / "landing" / "review").glob("engine=*/config=*"))
    shelves = {shelf for folder in folders for shelf in shelves_of(folder, study_keys)}
    reviewed = {key for shelf in shelves for key in on_shelf(shelf, study_keys)}
    return {key: reviews_of(lake, key) for key in sorted(reviewed)}


def unpublished_decisions(lake: Lake, shown: Collection[str]) -> list[str]:
    """Keys of studies with a decision that a snapshot has not, sorted.

    Parameters
    ----------
    lake : Lake
    shown : collection of str
        Paths below the lake of the files of ``review`` that the snapshot names.
    """
    files = lake.landing_files("review")
    return sorted({key_of(path) for path in files if str(path.relative_to(lake.root)) not in shown})


def accepted_studies(lake: Lake, rule: ReviewSettings) -> list[str]:
    """Keys of the studies that were accepted, by one reader or by two as the rule says, sorted."""
    keys = sorted({key_of(path) for path in lake.landing_files("review")})
    return [key for key in keys if standing_of(reviews_of(lake, key), rule).decision == ACCEPT]


def _check(decision: str, reason: str, reviewer: str) -> None:
    if decision not in DECISIONS:
        raise WrongArgumentError(f"decision {decision!r}", way_out=f"use one of {DECISIONS}")
    if len(reason) > LONGEST_REASON:
        raise WrongArgumentError(
            f"the reason has {len(reason)} characters",
            way_out=f"say it in at most {LONGEST_REASON}",
        )
    if not reviewer or len(reviewer) > LONGEST_REVIEWER:
        raise WrongArgumentError(
            f"reviewer {reviewer[:20]!r}",
            way_out=f"give the name of the account, at most {LONGEST_REVIEWER} characters",
        )
    if any(not sign.isprintable() and sign != "\n" for sign in reason + reviewer):
        raise WrongArgumentError("the text holds control characters", way_out="write plain text")
