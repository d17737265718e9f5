"""Intake: which of a study's objects is the volume that counts, and why not the others.

Reads ``instance`` (of pull) and the stored objects; writes ``volume``: one row per stored object.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from mpss_lib.batch import lake_only
from mpss_lib.config import Config
from mpss_lib.dicom.faults import FAULTS
from mpss_lib.dicom.rules import UNKNOWN, Answer
from mpss_lib.dicom.said import Said
from mpss_lib.errors import DicomFileError, IncompleteStudyError
from mpss_lib.intake.candidate import REVIEW, Candidate, Choice, look
from mpss_lib.intake.choice import choose, compare_series, in_series
from mpss_lib.intake.series import inspect
from mpss_lib.tables import Lake, Outcome, check_key, digest_of, read_parquet, sha256_of

STAGE = "intake"
NO_OBJECT = "no_stored_object"
UNREADABLE_RIVAL = "unreadable_rival"
"""Flag of a chosen volume beside an NM object that could not be had or read: a person looks."""
BROKEN = frozenset(
    {"unreadable", "unreadable_value", "not_finite", "pixel_data", "geometry", "single_slice"}
)
"""Reasons of a stored object that say nothing of what it is: what is unknown follows from them."""
CONTOURS = ("RTSTRUCT", "SEG")
"""Modalities of objects that hold regions: segmentation reads them, they are no volumes."""


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Choose the series of one study.

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config
    force : bool
        Do it again even if an identical output is there.

    Returns
    -------
    Outcome
        ``done``; ``skipped``; or ``rejected`` with the reasons of the object that came nearest,
        its rows written all the same.

    Raises
    ------
    IncompleteStudyError
        If the study was not pulled, or a stored object is no longer there.
    DicomFileError
        If a stored object has other bytes than pull wrote, or no object can be used while one
        could not be had: the study is not judged by the rest.
    """
    address = config.address(STAGE)
    instances = _instances(check_key(study_key), lake, config)
    stored = _stored(study_key, instances, lake)
    lacking = [
        row for row in instances if row["reason"] in FAULTS and row["modality"] not in CONTOURS
    ]
    digest = digest_of(
        part
        for row in (*stored, *lacking)
        for part in (
            *(row["series_key"], row["object_key"], row["path"]),
            *(row["content_sha256"], row["said"], str(row["series_order"])),
        )
    )
    written = lake.existing(STAGE, address, study_key, digest)
    if written and not force:
        rows = read_parquet(lake.root / written[0].path, "volume").to_pylist()
        if any(row["is_chosen"] for row in rows):
            return Outcome("skipped", written)
        return Outcome("rejected", written, _nearest(rows))
    rows = _rows(study_key, stored, lacking, lake, config)
    if lacking and not any(row["is_chosen"] for row in rows):
        raise DicomFileError(
            f"no volume can be used, and {len(lacking)} image objects could not be had"
            f" ({_reasons(lacking)}): one may be the right one",
            way_out="have them sent to the archive again, then `mpss run pull` and"
            " `mpss run intake` with the study's key",
        )
    written = (lake.write("volume", address, study_key, digest, rows),)
    if any(row["is_chosen"] for row in rows):
        return Outcome("done", written)
    return Outcome("rejected", written, _nearest(rows))


opened = lake_only(run)


def _reasons(rows: list[dict[str, Any]]) -> str:
    return ", ".join(sorted({row["reason"] for row in rows}))


def _instances(study_key: str, lake: Lake, config: Config) -> list[dict[str, Any]]:
    instances = lake.rows("instance", config.address("pull"), study_key)
    if not instances:
        raise IncompleteStudyError(
            f"study {study_key} has no instance rows at this address of pull",
            way_out="run pull for this study first",
        )
    return sorted(instances, key=lambda row: (row["series_key"], row["object_key"]))


def _stored(study_key: str, instances: list[dict[str, Any]], lake: Lake) -> list[dict[str, Any]]:
    stored = [row for row in instances if row["is_stored"] and row["modality"] not in CONTOURS]
    for row in stored:
        path = lake.root / row["path"]
        if not path.is_file():
            raise IncompleteStudyError(
                f"object {row['object_key']} of study {study_key} is not on the lake",
                way_out="pull the study again",
            )
        if sha256_of(path) != row["content_sha256"]:
            raise DicomFileError(
                f"object {row['object_key']} of study {study_key} has changed since it was pulled",
                way_out="remove the file and pull the study again",
            )
    return stored


def _rows(
    study_key: str,
    stored: list[dict[str, Any]],
    lacking: list[dict[str, Any]],
    lake: Lake,
    config: Config,
) -> list[dict[str, Any]]:
    candidates = [
        in_series(
            inspect(lake.root / row["path"], config.intake, _said(study_key, row)),
            row["series_order"],
        )
        for row in stored
    ]
    candidates = compare_series(candidates, [row["series_key"] for row in stored])
    keys = [row["object_key"] for row in stored]
    choice = choose(candidates, keys, config.intake.whole_share)
    broken = _broken_rivals(candidates)
    if lacking or broken:
        value = ", ".join(sorted({*broken, *(row["reason"] for row in lacking)}))
        choice = replace(choice, looks=(*choice.looks, look(UNREADABLE_RIVAL, "", value)))
    return [
        _row(study_key, instance, candidate, index, choice)
        for index, (instance, candidate) in enumerate(zip(stored, candidates, strict=True))
    ]


def _broken_rivals(candidates: list[Candidate]) -> set[str]:
    """Reasons of objects that nothing else speaks against: one may be the right volume."""
    return {
        candidate.reasons[0]
        for candidate in candidates
        if BROKEN.intersection(candidate.reasons)
        and all(one in BROKEN or one.endswith("_unknown") for one in candidate.reasons)
    }


def _said(study_key: str, row: dict[str, Any]) -> Said:
    """Give what an object said of itself when it was received.

    Raises
    ------
    IncompleteStudyError
        If pull wrote nothing of it: cleaned texts are no evidence.
    """
    if not row["said"]:
        raise IncompleteStudyError(
            f"object {row['object_key']} of study {study_key} was pulled without its statements",
            way_out="pull the study again",
        )
    return Said.from_json(row["said"])


def _row(
    study_key: str, instance: dict[str, Any], candidate: Candidate, index: int, choice: Choice
) -> dict[str, Any]:
    is_chosen = index == choice.index
    answers = dict(candidate.answers)
    if is_chosen:
        eligible = len(choice.others) + 1
        answers["choice"] = Answer("chosen", choice.rule, "", f"1 of {eligible} eligible")
        answers |= {f"look_{one.rule}": one for one in choice.looks}
    nz, ny, nx = candidate.shape
    dz, dy, dx = candidate.spacing_mm or (None, None, None)
    texts = candidate.header.texts
    return {
        "study_key": study_key,
        "series_key": instance["series_key"],
        "object_key": instance["object_key"],
        "is_chosen": is_chosen,
        "reasons": list(candidate.reasons or choice.others.get(index, ())),
        "flags": [one.rule for one in answers.values() if one.answer == REVIEW],
        "stress": _answer(answers, "stress"),
        "attenuation": _answer(answers, "attenuation"),
        "reconstruction": _answer(answers, "reconstruction"),
        "orientation": _answer(answers, "orientation"),
        "n_time_slots": candidate.header.n_time_slots,
        "nz": nz,
        "ny": ny,
        "nx": nx,
        "dz_mm": dz,
        "dy_mm": dy,
        "dx_mm": dx,
        "manufacturer": "".join(texts.get("Manufacturer", ("",))[:1]),
        "model": "".join(texts.get("ManufacturerModelName", ("",))[:1]),
        "evidence": json.dumps(
            {question: found.as_dict() for question, found in answers.items()}, sort_keys=True
        ),
        "path": instance["path"],
    }


def _answer(answers: dict[str, Answer], question: str) -> str:
    return answers[question].answer if question in answers else UNKNOWN


def _nearest(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """Reasons of the object that came nearest: a volume before other things, then the fewest."""
    if not rows:
        return (NO_OBJECT,)
    nearest = min(rows, key=lambda row: (row["nz"] == 0, len(row["reasons"]), row["object_key"]))
    return tuple(nearest["reasons"])
