"""The physician's decisions: who waits, and what is recorded after each answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mpss_airflow.batch import airflow_errors
from mpss_airflow.home import open_home

log = logging.getLogger(__name__)

LATER = "Later"
DECISIONS = {"Accept": "accept", "Reject": "reject", "Unsure": "unsure"}


def pending_studies(most: int = 1000) -> list[dict[str, str]]:
    """Studies that wait for a physician: key, subject and text, pseudonymous keys only."""
    from mpss_lib.warehouse.reader import rows

    with airflow_errors():
        found = rows(
            open_home().lake,
            "select study_key, verdict, flags from quality.awaiting_review"
            " order by study_key limit ?",
            [most],
        )
    log.info("%d studies wait for a physician", len(found))
    return [
        {
            "study_key": row["study_key"],
            "subject": f"{row['study_key']}: {row['verdict']}",
            "body": "Flags: " + (", ".join(row["flags"]) or "none") + ". Research use only.",
        }
        for row in found
    ]


def publish_answer(study: Mapping[str, str]) -> str | None:
    """Publish what was just decided about a study; None where the snapshot has it already.

    Reviewers answer one after the other: what one publish shows, the next need not publish again.
    """
    from mpss_airflow.cohort import snapshot
    from mpss_lib.quality.review import reviews_of
    from mpss_lib.warehouse.reader import rows

    key = study["study_key"]
    with airflow_errors():
        lake = open_home().lake
        decided = {(row["decided_at"], row["reviewer"]) for row in reviews_of(lake, key)}
        shown = rows(
            lake, "select decided_at, reviewer from quality.review where study_key = ?", [key]
        )
    if decided <= {(row["decided_at"], row["reviewer"]) for row in shown}:
        log.info("the snapshot has every decision about %s", key)
        return None
    snapshot()
    return key


def record_answer(study: Mapping[str, str], answer: Mapping[str, Any]) -> str:
    """Store one answer; ``Later`` stores nothing and the study is asked for again."""
    from mpss_lib.quality.review import record_review

    choice = answer["chosen_options"][0]
    if choice == LATER:
        return LATER
    home = open_home()
    user = answer.get("responded_by_user") or {}
    with airflow_errors():
        record_review(
            home.lake,
            home.config,
            study["study_key"],
            DECISIONS[choice],
            reason=str((answer.get("params_input") or {}).get("reason") or ""),
            reviewer=str(user.get("name") or user.get("id") or "unknown"),
        )
    return str(choice)
