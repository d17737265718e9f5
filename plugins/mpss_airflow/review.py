"""The physician's decisions: who waits, what is stored after an answer, and its publishing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mpss_airflow.batch import airflow_errors
from mpss_airflow.home import open_home
from mpss_airflow.vocabulary import ANSWERS, PAGES

if TYPE_CHECKING:
    from mpss_lib.runtime.home import Home

log = logging.getLogger(__name__)

KINDS = ("montage", "polar")
LATER = "Later"
DECISIONS = {"Accept": "accept", "Reject": "reject", "Unsure": "unsure"}
SAME_ANSWER = timedelta(minutes=1)
"""A page that stored an answer answers the form too: what is the same is stored once."""


def pending_studies(most: int = 1000) -> list[dict[str, str]]:
    """Give what Airflow's form asks: key, subject and text, one for each answer that is needed.

    Nothing where two readers read blind: Airflow shows who chose what to everyone who may read its
    human tasks, so answers are given on the pages alone.
    """
    from mpss_lib.quality.consensus import assigned_to, standing_of
    from mpss_lib.quality.review import answers_about

    home = open_home()
    rule, found = home.config.review, _waiting(home, most)
    if rule.readers > 1 and rule.blind:
        log.info("two readers read blind: the pages ask about the studies, no form does")
        return []
    with airflow_errors():
        answers = answers_about(home.lake, [row["study_key"] for row in found])
    pages, asked = _address_of_pages(), []
    for row in found:
        key = row["study_key"]
        standing = standing_of(answers.get(key, ()), rule)
        for number in range(1, standing.n_needed + 1):
            reader = f", reader {number} of {standing.n_needed}" if standing.n_needed > 1 else ""
            subject = f"{key}: {row['verdict']}{reader}"
            body = _body(key, row["flags"], pages, assigned_to(key, standing, rule))
            asked.append({"study_key": key, "subject": subject, "body": body})
    return asked


def _waiting(home: Home, most: int) -> list[dict[str, Any]]:
    from mpss_lib.warehouse.reader import rows

    with airflow_errors():
        found = rows(
            home.lake,
            "select study_key, verdict, flags from quality.awaiting_review"
            " order by study_key limit ?",
            [most],
        )
    log.info("%d studies wait for a physician", len(found))
    return found


def _body(key: str, flags: Sequence[str], pages: str, assigned: Sequence[str]) -> str:
    """Give the text of the form in Markdown: flags, who is asked, picture, where is more."""
    asked = f" Asked: {', '.join(assigned)}." if assigned else ""
    at = f"{pages}/studies/{key}"
    return (
        f"Flags: {', '.join(flags) or 'none'}. Research use only.{asked}\n\n"
        f"[![Slices with contours]({at}/montage.png)]({at})\n\n"
        f"[Open the study]({at}): larger pictures, metrics beside their limits, prediction."
    )


def _address_of_pages() -> str:
    """Path of the pages in the browser: Airflow may lie below a path of its host."""
    from urllib.parse import urlsplit

    from airflow.sdk import conf

    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + PAGES


def draw_pictures(most: int = 1000) -> dict[str, int]:
    """Draw the pictures of the studies that wait, so that no reviewer waits for them.

    Returns
    -------
    dict
        ``drawn`` (or there already) and ``without``: studies whose files give none.
    """
    from mpss_lib.errors import LakeCorruptError, StudyFaultError, StudyRejectedError
    from mpss_lib.viewing.images import picture
    from mpss_lib.viewing.published import published

    home = open_home()
    without = 0
    keys = [row["study_key"] for row in _waiting(home, most)]
    for key in keys:
        try:
            with published(home.lake) as snapshot:
                for kind in KINDS:
                    picture(snapshot, key, kind, home.lake, home.config)
        except (StudyRejectedError, StudyFaultError, LakeCorruptError) as error:
            without += 1
            log.warning("no pictures of %s: %s", key, error)
    return {"drawn": len(keys) - without, "without": without}


def record_answer(study: Mapping[str, str], answer: Mapping[str, Any]) -> str:
    """Store one answer of the form; ``Later`` stores nothing and the study is asked for again."""
    from mpss_lib.viewing.words import reason_text

    choice = answer["chosen_options"][0]
    if choice == LATER:
        return LATER
    user = answer.get("responded_by_user") or {}
    fields = answer.get("params_input") or {}
    with airflow_errors():
        decide(
            study["study_key"],
            DECISIONS[choice],
            reason_text(str(fields.get("artefact") or ""), str(fields.get("reason") or "")),
            str(user.get("name") or user.get("id") or "unknown"),
            since=_moment(answer.get("responded_at")),
        )
    return str(choice)


def decide(
    study_key: str, decision: str, reason: str, reviewer: str, *, since: datetime | None = None
) -> dict[str, str]:
    """Store what somebody decided about a study, unless it stands there already.

    The one door of every decision, from a page or from Airflow's form.

    Parameters
    ----------
    study_key, decision, reason, reviewer : str
    since : datetime, optional
        When it was answered, where that was earlier (the form's task comes after its answer): the
        same decision stored since then is this one. By default the last one only; where two
        readers are asked, the account's own last one.

    Returns
    -------
    dict
        ``decision``, ``reason``, ``reviewer``.
    """
    from mpss_lib.quality.review import record_review, reviews_of

    home = open_home()
    told = {"decision": decision, "reason": reason.strip(), "reviewer": reviewer.strip()}
    known = reviews_of(home.lake, study_key)
    if home.config.review.readers > 1:
        known = [row for row in known if row["reviewer"] == told["reviewer"]]
    if since is None:
        known = known[-1:]
    else:
        known = [row for row in known if _moment(row["decided_at"]) >= since - SAME_ANSWER]
    if any(all(row[name] == value for name, value in told.items()) for row in known):
        log.info("the decision about %s stands there already", study_key)
    else:
        record_review(home.lake, home.config, study_key, **told)
    return told


def forms_to_close(study_key: str, reviewer: str) -> str:
    """Say which open forms of Airflow about a study an answer on a page answers too.

    Returns
    -------
    str
        ``all`` where the study is decided or one reader is asked; ``one`` for the first answer of
        an account, where others are asked; ``none`` for its correction, and while the answer is
        sealed: a form would tell it.
    """
    from mpss_lib.quality.consensus import standing_of
    from mpss_lib.quality.review import reviews_of

    home = open_home()
    rule, answers = home.config.review, reviews_of(home.lake, study_key)
    standing = standing_of(answers, rule)
    if standing.is_decided or rule.readers == 1:
        return "all"
    is_first = sum(row["reviewer"] == reviewer for row in answers) == 1
    return "one" if is_first and not rule.blind else "none"


def _moment(told: object) -> Any:
    """Give a time as Airflow or the lake tells it; None where there is none."""
    if told is None or isinstance(told, datetime):
        return told
    return datetime.fromisoformat(str(told))


def announce() -> bool:
    """Tell the scheduler, from the API server, that a decision was stored: it publishes.

    Events that come while one publish runs lead to one more, however many they are.

    Returns
    -------
    bool
        False where no DAG listens (it is paused or not yet known): the next night publishes.
    """
    from airflow.assets.manager import asset_manager
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        asset = session.scalar(
            select(AssetModel).where(AssetModel.name == ANSWERS.name, AssetModel.active.has())
        )
        if asset is None:
            log.warning("%s is no active asset: the next night publishes", ANSWERS.name)
            return False
        asset_manager.register_asset_change(
            asset=asset, timestamp=datetime.now(UTC), source_is_api=True, session=session
        )
    return True


def publish_answers() -> list[str]:
    """Publish what was decided since the last snapshot; returns the keys of these studies.

    Reviewers answer one after the other: what one publish shows, the next need not publish again.
    """
    from mpss_airflow.cohort import snapshot
    from mpss_lib.quality.review import unpublished_decisions
    from mpss_lib.warehouse.reader import rows

    with airflow_errors():
        lake = open_home().lake
        shown = rows(lake, "select path from meta.manifest where table_name = 'review'")
        keys = unpublished_decisions(lake, {row["path"] for row in shown})
    if keys:
        snapshot()
    log.info("decisions about %d studies were not in the snapshot", len(keys))
    return keys
