"""The one writer of what persons say of the lesions of a CT, and what stands of it.

The algorithm's own answer is never changed: a correction is a record beside it. Of a lesion the
newest record counts that was made for the CT, the engine and the lesion that are there now; one
made for others is outdated and does nothing but be shown. The snapshot joins the same way
(``sql/2_core/core.calcium_correction.sql``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mpss_lib.audit.doors import record
from mpss_lib.audit.message import Event
from mpss_lib.audit.vocabulary import SUCCESS
from mpss_lib.batch import write_record
from mpss_lib.calcium.placing import ARTERIES, CORONARY, LEFT
from mpss_lib.calcium.region import region_at
from mpss_lib.calcium.source_rows import CALCIUM_CT, Row, lesion_figures
from mpss_lib.calcium.stage import STAGE
from mpss_lib.clock import now_after
from mpss_lib.config import Config
from mpss_lib.dicom import read_ct, read_dataset
from mpss_lib.errors import WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.records import Unit
from mpss_lib.study_inputs import lake_file
from mpss_lib.tables import Lake, Written, check_key, digest_of, read_parquet
from mpss_lib.volume import Triple

TABLE = "calcium_correction"
RELABEL, REMOVE, ADD, CONFIRM, UNDO = "relabel", "remove", "add", "confirm", "undo"
NOT_CORONARY, REMOVED = "not coronary", "removed"
LABELS = (*ARTERIES, LEFT, NOT_CORONARY)
"""What a person may call a lesion; ``left`` leaves open whether left main or descending."""
LONGEST_REASON, LONGEST_NAME = 500, 100
FIGURES = (
    *("score", "volume_mm3", "mass_mg", "area_mm2", "peak_hu", "first_slice", "last_slice"),
    *("x_mm", "y_mm", "z_mm"),
)
SAME = ("score", "x_mm", "y_mm", "z_mm")
"""Figures by which a lesion of the list is known to be the one that was corrected."""


@dataclass(frozen=True)
class Listed:
    """A lesion as it stands: the algorithm's answer and the person's, side by side.

    Parameters
    ----------
    key : str
        ``L`` and its number in the algorithm's list, or ``A`` and six hex digits if it was added.
    figures : mapping
        Agatston units, mm3, mg, mm2, HU, slices and LPS mm, named as in ``calcium_lesion``.
    algorithm_place, reason : str
        Of the algorithm; ``""`` where a person added the lesion.
    probability : float or None
    asks : bool
        Whether the algorithm asks a person.
    answer : mapping or None
        The record that counts; None where nobody said anything, or took it back.
    is_outdated : bool
        Whether its newest record was made for another CT, engine or lesion.
    """

    key: str
    figures: Mapping[str, Any]
    algorithm_place: str
    reason: str
    probability: float | None
    asks: bool
    answer: Mapping[str, Any] | None
    is_outdated: bool

    @property
    def place(self) -> str:
        """What counts."""
        return self.algorithm_place if self.answer is None else str(self.answer["place"])

    @property
    def waits(self) -> bool:
        """Whether a person is still asked."""
        return self.asks and self.answer is None


@dataclass(frozen=True)
class CorrectedScan:
    """One CT beside a study, its lesions, and every record about it (the oldest first)."""

    source: Mapping[str, Any]
    lesions: tuple[Listed, ...]
    records: tuple[Mapping[str, Any], ...]

    @property
    def total(self) -> float:
        """Agatston units of what is coronary by the answers that count."""
        return sum(float(one.figures["score"]) for one in self.lesions if one.place in CORONARY)

    def lesion(self, key: str) -> Listed:
        """Give a lesion by its key."""
        for one in self.lesions:
            if one.key.lower() == key.strip().lower():
                return one
        known = ", ".join(one.key for one in self.lesions) or "none"
        raise WrongArgumentError(
            f"no lesion {key[:20]!r} in this CT", way_out=f"use a key of its list: {known}"
        )


@dataclass(frozen=True)
class Correction:
    """What a person says.

    Parameters
    ----------
    action : str
        ``relabel``, ``remove``, ``add``, ``confirm`` or ``undo``.
    reason : str
        At most 500 characters, without names.
    corrector : str
        Who says it.
    lesion : str
        Key of a lesion; of ``undo`` ``""`` means every lesion with an answer.
    place : str
        One of ``LABELS``, for ``relabel`` and ``add``.
    at_mm : (x, y, z) float, mm, or None
        LPS position on the CT, for ``add``.
    source_key : str
        Which CT; ``""``: the calcium CT of the study.
    """

    action: str
    reason: str
    corrector: str
    lesion: str = ""
    place: str = ""
    at_mm: Triple | None = None
    source_key: str = ""


def corrected_scan(
    lake: Lake, config: Config, study_key: str, source_key: str = ""
) -> CorrectedScan:
    """Read a CT's lesions from the lake, with what persons said of them.

    Parameters
    ----------
    lake : Lake
    config : Config
    study_key : str
    source_key : str
        Which CT; ``""``: the calcium CT.

    Returns
    -------
    CorrectedScan

    Raises
    ------
    WrongArgumentError
        If there is no such CT, or it has no score.
    """
    address = config.address(STAGE)
    sources = lake.rows("calcium_source", address, check_key(study_key))
    source = _chosen(sources, study_key, source_key)
    own = source["source_key"]
    listed = [
        row for row in lake.rows("calcium_lesion", address, study_key) if row["source_key"] == own
    ]
    records = [row for row in records_of(lake, study_key) if row["source_key"] == own]
    return CorrectedScan(source, _joined(source, listed, records), tuple(records))


def records_of(lake: Lake, study_key: str) -> list[dict[str, Any]]:
    """Every correction of a study, the oldest first, whatever settings it was written under."""
    rows = [
        row
        for path in lake.landing_files(TABLE, key=check_key(study_key))
        for row in read_parquet(path, TABLE).to_pylist()
    ]
    return sorted(rows, key=lambda row: (row["corrected_at"], row["source_key"], row["lesion_key"]))


def correct(lake: Lake, config: Config, study_key: str, said: Correction) -> Written:
    """Record what a person says of the lesions of a CT.

    Parameters
    ----------
    lake : Lake
    config : Config
    study_key : str
    said : Correction

    Returns
    -------
    Written
        A new file with a row for each lesion; earlier ones stay (the table is append-only).

    Raises
    ------
    WrongArgumentError
        Names what was refused: study, CT, lesion, label or position.
    CtSeriesError
        The CT of an ``add`` cannot be read.
    """
    reason, corrector = said.reason.strip(), said.corrector.strip()
    _check(reason, corrector)
    with working(lake.root):
        scan = corrected_scan(lake, config, study_key, said.source_key)
        found = _ROWS[said.action](lake, config, scan, said)
        last = datetime.fromisoformat(scan.records[-1]["corrected_at"]) if scan.records else None
        told = {
            "study_key": study_key,
            "source_key": scan.source["source_key"],
            "made_from": scan.source["made_from"],
            "action": said.action,
            "reason": reason,
            "corrector": corrector,
            "corrected_at": now_after(last).isoformat(timespec="microseconds"),
        }
        rows = [row | told for row in found]
        digest = digest_of(repr(sorted(row.items())) for row in rows)
        written = lake.write(TABLE, config.address(STAGE), study_key, digest, rows)
        unit = Unit.of(study_key, [written], is_new=True)
        write_record(STAGE, [unit], lake, config, TABLE)
    details = {"action": said.action, "lesions": str(len(rows)), "digest": digest}
    event = Event(TABLE, SUCCESS, [study_key], details=details, requester=corrector)
    record(event, lake.root.parent, config)
    return written


def _chosen(sources: Sequence[Row], study_key: str, source_key: str) -> Row:
    scored = [row for row in sources if row["state"] == "scored"]
    wanted = [
        row
        for row in scored
        if (row["source_key"] == source_key if source_key else row["kind"] == CALCIUM_CT)
    ]
    if len(wanted) == 1:
        return wanted[0]
    which = f"CT {source_key[:40]!r}" if source_key else "calcium CT"
    known = ", ".join(row["source_key"] for row in scored) or "none"
    raise WrongArgumentError(
        f"{'several' if wanted else 'no'} {which} with a score beside study {study_key}",
        way_out=f"CTs with a score there: {known}; `mpss run calcium` scores what was fetched",
    )


def _joined(source: Row, listed: Sequence[Row], records: Sequence[Row]) -> tuple[Listed, ...]:
    """Put the records that count beside the lesions."""
    of_list = {f"L{row['lesion']}": row for row in listed}
    newest: dict[str, Row] = {}
    answers: dict[str, Row] = {}
    for row in records:
        newest[row["lesion_key"]] = row
        if _is_current(row, source, of_list):
            answers[row["lesion_key"]] = row
    given = {key: None if row["action"] == UNDO else row for key, row in answers.items()}
    lesions = [
        Listed(
            *(key, {name: row[name] for name in FIGURES}, row["place"], row["reason"]),
            *(row["probability"], row["waits"], given.get(key)),
            is_outdated=key in newest and not _is_current(newest[key], source, of_list),
        )
        for key, row in of_list.items()
    ]
    for key, answer in given.items():
        if key not in of_list and answer is not None:
            figures = {name: answer[name] for name in FIGURES}
            lesions.append(Listed(key, figures, "", "", None, False, answer, False))
    return tuple(lesions)


def _is_current(row: Row, source: Row, of_list: Mapping[str, Row]) -> bool:
    """Whether a record was made for the CT, the engine and the lesion that are there."""
    if row["made_from"] != source["made_from"]:
        return False
    key = row["lesion_key"]
    if not key.startswith("L"):
        return not any(_is_same(row, one) for one in of_list.values())
    one = of_list.get(key)
    return one is not None and row["algorithm_place"] == one["place"] and _is_same(row, one)


def _is_same(one: Row, other: Row) -> bool:
    return all(one[name] == other[name] for name in SAME)


def _row(one: Listed, place: str) -> Row:
    told = {"lesion_key": one.key, "place": place, "algorithm_place": one.algorithm_place}
    return told | dict(one.figures)


def _relabelled(lake: Lake, config: Config, scan: CorrectedScan, said: Correction) -> list[Row]:
    return [_row(scan.lesion(said.lesion), _label(said.place))]


def _removed(lake: Lake, config: Config, scan: CorrectedScan, said: Correction) -> list[Row]:
    return [_row(scan.lesion(said.lesion), REMOVED)]


def _confirmed(lake: Lake, config: Config, scan: CorrectedScan, said: Correction) -> list[Row]:
    found = [_row(one, one.place) for one in scan.lesions if one.answer is None]
    if not found:
        raise WrongArgumentError(
            "no lesion of this CT is without an answer", way_out="`mpss calcium lesions` shows them"
        )
    return found


def _undone(lake: Lake, config: Config, scan: CorrectedScan, said: Correction) -> list[Row]:
    if said.lesion:
        scan.lesion(said.lesion)
    wanted = said.lesion.strip().lower()
    found = [
        _row(one, "")
        for one in scan.lesions
        if one.answer is not None and wanted in ("", one.key.lower())
    ]
    if not found:
        raise WrongArgumentError(
            "there is no answer that could be taken back",
            way_out="`mpss calcium lesions` shows which lesions have one",
        )
    return found


def _added(lake: Lake, config: Config, scan: CorrectedScan, said: Correction) -> list[Row]:
    place = _label(said.place)
    if said.at_mm is None:
        raise WrongArgumentError("no position", way_out="give x, y and z in mm (LPS)")
    companions = lake.rows("companion", config.address("companions"), scan.source["study_key"])
    own = scan.source["source_key"]
    paths = [path for row in companions if row["source_key"] == own for path in row["paths"]]
    ct = read_ct([read_dataset(lake_file(lake, path, "companions")) for path in paths])
    factor = config.calcium.mg_per_ml_hu or None
    lesion = region_at(
        *(ct.volume, said.at_mm), kvp=ct.kvp, thickness_mm=ct.thickness_mm, mg_per_ml_hu=factor
    )
    figures = lesion_figures(lesion)
    there = [one for one in scan.lesions if _is_same(figures, dict(one.figures))]
    if there:
        raise WrongArgumentError(
            f"that is lesion {there[0].key}", way_out=f"relabel {there[0].key} instead"
        )
    key = f"A{digest_of(repr(figures[name]) for name in SAME)[:6]}"
    return [{"lesion_key": key, "place": place, "algorithm_place": ""} | figures]


_ROWS = {
    RELABEL: _relabelled,
    REMOVE: _removed,
    ADD: _added,
    CONFIRM: _confirmed,
    UNDO: _undone,
}


def _label(text: str) -> str:
    wanted = text.strip().lower().replace("-", " ")
    for label in LABELS:
        if label.lower() == wanted:
            return label
    raise WrongArgumentError(f"no artery {text[:20]!r}", way_out=f"use one of {LABELS}")


def _check(reason: str, corrector: str) -> None:
    texts: Iterable[tuple[str, str, int]] = (
        ("reason", reason, LONGEST_REASON),
        ("name", corrector, LONGEST_NAME),
    )
    for what, text, most in texts:
        if not text or len(text) > most:
            raise WrongArgumentError(
                f"the {what} has {len(text)} characters", way_out=f"say it in 1 to {most}"
            )
        if any(not sign.isprintable() and sign != "\n" for sign in text):
            raise WrongArgumentError(
                f"the {what} holds control characters", way_out="write plain text"
            )
