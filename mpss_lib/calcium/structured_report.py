"""A calcium score that somebody has measured already, from a structured report.

Templates differ by vendor, so none is asked for: the tree is walked (``content_tree``), what is a
figure of calcium is picked (``report_figures``), all else is left where it is. Nothing leaves but
numbers, names of arteries and rules from lists of this package, flags, UIDs and the time of the
report; no text of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from types import MappingProxyType

from pydicom.dataset import Dataset

from mpss_lib.calcium.content_tree import Node, broken, read_tree
from mpss_lib.calcium.report_figures import Figure, figures_of, refuse
from mpss_lib.calcium.report_words import ARTERIES, BRANCH, MASS, PDA, SCORE, TOTAL, VOLUME
from mpss_lib.contract import CAC_TOLERANCE
from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.parsing import parse
from mpss_lib.dicom.values import items, parse_date, parse_time, text_of

REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""Beginning of the SOP classes of structured reports (PS3.4 B.5)."""
SUBJECT_ID = ("DCM", "121030")
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "score_missing": "a score has no value, or a calcium analysis no score",
        "scores_differ": "two scores of one artery, or two totals, differ",
        "not_a_score": "a score is negative, too large, no number or can be read in two ways",
        "other_patient": "it names another patient or none",
        "other_study": "it refers to none of the studies that were asked for",
        "no_concept": "a number of a calcium analysis does not say what it is",
        "tree_broken": "the content tree ends early, is too deep, or an item is part of itself",
    }
)
"""Why a report is refused (``CalciumReportError.reason``)."""
NOTES: Mapping[str, str] = MappingProxyType(
    {
        "total_added": "no total was given: it is the sum of the arteries",
        "total_is_not_the_sum": "the total that was given is not the sum of the arteries",
        "segments_added": "an artery is the sum of its segments",
        "posterior_added": "the posterior descending artery was added to the right one",
        "branch_left_out": "a branch, graft or the left tree has a figure of its own",
        "undated": "the report has no readable time",
    }
)


@dataclass(frozen=True)
class ReportedCalcium:
    """Calcium that a report states.

    Parameters
    ----------
    scores : mapping of name to float
        Agatston units of ``total``, ``LM``, ``LAD``, ``LCX``, ``RCA``, those that are stated.
    volumes_mm3, masses_mg : mapping of name to float
        The same in mm3 and mg.
    method : str
        ``agatston`` where the report names it, else ``unstated``.
    status : str
        ``final``, ``amended`` or ``preliminary``.
    is_verified : bool
    written : datetime or None
        Content date and time, as they stand there.
    sop_instance_uid, study_instance_uid : str
    predecessors : tuple of str
        SOP instances that it replaces.
    notes : tuple of str
        What was done to get the figures (``NOTES``).
    """

    scores: Mapping[str, float]
    volumes_mm3: Mapping[str, float]
    masses_mg: Mapping[str, float]
    method: str
    status: str
    is_verified: bool
    written: datetime | None
    sop_instance_uid: str
    study_instance_uid: str
    predecessors: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def parse_report(
    content: bytes, name: str, *, patient_id: str, study_uids: Collection[str] = ()
) -> ReportedCalcium | None:
    """Read the bytes of a structured report; see ``read_report``."""
    return read_report(parse(content, name), patient_id=patient_id, study_uids=study_uids)


def read_report(
    dataset: Dataset, *, patient_id: str, study_uids: Collection[str] = ()
) -> ReportedCalcium | None:
    """Read the calcium of a structured report.

    Parameters
    ----------
    dataset : Dataset
    patient_id : str
        PatientID that it must name.
    study_uids : collection of str
        StudyInstanceUIDs of which it must be of one, or refer to one; empty: any.

    Returns
    -------
    ReportedCalcium or None
        None where the object is no report, or says nothing of a calcium score.

    Raises
    ------
    CalciumReportError
        With one of ``REASONS``.
    DicomFileError
        Whatever else is wrong with its bytes.
    """
    with object_fault("a structured report cannot be read"):
        sop_class = text_of(dataset, "SOPClassUID")
        if not sop_class:
            raise broken("the object does not say what it is")
        if not sop_class.startswith(REPORTS):
            return None
        root = read_tree(dataset)
        if "ContentSequence" not in dataset:
            raise broken("there is none")
        figures = figures_of(root)
        if not figures:
            return None
        _check_whose(dataset, root, patient_id, study_uids)
        return _report(dataset, figures)


def _check_whose(
    dataset: Dataset, root: Node, patient_id: str, study_uids: Collection[str]
) -> None:
    named = {text_of(dataset, "PatientID")}
    named |= {
        text_of(node.dataset, "TextValue")
        for node in root.walk()
        if (node.concept.scheme, node.concept.value) == SUBJECT_ID
    }
    if named != {patient_id} or not patient_id:
        raise refuse("the report names another patient, or none", "other_patient")
    if study_uids and not study_uids_of(dataset) & set(study_uids):
        raise refuse("the report refers to none of the studies", "other_study")


def study_uids_of(dataset: Dataset) -> set[str]:
    """Studies that a report is part of, or has its evidence from."""
    evidence = [
        one
        for keyword in (
            "CurrentRequestedProcedureEvidenceSequence",
            "PertinentOtherEvidenceSequence",
        )
        for one in items(dataset, keyword)
    ]
    return {text_of(one, "StudyInstanceUID") for one in (dataset, *evidence)} - {""}


def _report(dataset: Dataset, figures: list[Figure]) -> ReportedCalcium:
    notes: list[str] = []
    scores, volumes, masses = (
        _by_site([one for one in figures if one.kind == kind], notes)
        for kind in (SCORE, VOLUME, MASS)
    )
    written = _written(dataset)
    if written is None:
        notes.append("undated")
    replaced = tuple(
        text_of(instance, "ReferencedSOPInstanceUID")
        for study in items(dataset, "PredecessorDocumentsSequence")
        for series in items(study, "ReferencedSeriesSequence")
        for instance in items(series, "ReferencedSOPSequence")
    )
    return ReportedCalcium(
        scores=scores,
        volumes_mm3=volumes,
        masses_mg=masses,
        method="agatston" if any(one.is_agatston for one in figures) else "unstated",
        status=_status(dataset, is_amended=bool(replaced)),
        is_verified=text_of(dataset, "VerificationFlag").upper() == "VERIFIED",
        written=written,
        sop_instance_uid=text_of(dataset, "SOPInstanceUID"),
        study_instance_uid=text_of(dataset, "StudyInstanceUID"),
        predecessors=replaced,
        notes=tuple(dict.fromkeys(notes)),
    )


def _status(dataset: Dataset, *, is_amended: bool) -> str:
    if text_of(dataset, "PreliminaryFlag").upper() == "PRELIMINARY":
        return "preliminary"
    if text_of(dataset, "CompletionFlag").upper() == "PARTIAL":
        return "preliminary"
    return "amended" if is_amended else "final"


def _written(dataset: Dataset) -> datetime | None:
    day = parse_date(text_of(dataset, "ContentDate"))
    moment = parse_time(text_of(dataset, "ContentTime"))
    return datetime.combine(day, moment or time()) if day else None


def _by_site(figures: list[Figure], notes: list[str]) -> Mapping[str, float]:
    """One figure by artery and in total."""
    sites: dict[str, float] = {}
    for site in (*ARTERIES, PDA, TOTAL):
        whole = {one.value for one in figures if one.site == site and not one.is_segment}
        parts = [one.value for one in figures if one.site == site and one.is_segment]
        if whole and max(whole) - min(whole) > CAC_TOLERANCE:
            raise refuse(f"two figures of {site} differ", "scores_differ")
        if whole:
            sites[site] = max(whole, key=lambda value: (value % 1.0 != 0.0, value))
        elif parts:
            sites[site] = sum(parts)
            notes.append("segments_added")
    if any(one.site == BRANCH for one in figures):
        notes.append("branch_left_out")
    if PDA in sites:
        sites["RCA"] = sites.get("RCA", 0.0) + sites.pop(PDA)
        notes.append("posterior_added")
    parts = [sites[artery] for artery in ARTERIES if artery in sites]
    if TOTAL not in sites and {"LAD", "LCX", "RCA"} <= set(sites):
        sites[TOTAL] = sum(parts)
        notes.append("total_added")
    elif TOTAL in sites and len(parts) >= 3 and abs(sites[TOTAL] - sum(parts)) > CAC_TOLERANCE:
        notes.append("total_is_not_the_sum")
    return MappingProxyType(sites)


def newest(
    reports: Iterable[ReportedCalcium],
) -> tuple[ReportedCalcium | None, list[ReportedCalcium]]:
    """Choose the report that counts: final before preliminary, then the newest; the rest beside.

    A report that another complete one replaces does not count, whatever their times.
    """
    every = list(reports)
    replaced = {uid for one in every if one.status != "preliminary" for uid in one.predecessors}

    def rank(one: ReportedCalcium) -> tuple[bool, bool, str, bool, str]:
        return (
            one.sop_instance_uid not in replaced,
            one.status != "preliminary",
            one.written.isoformat() if one.written else "",
            one.is_verified,
            one.sop_instance_uid,
        )

    every.sort(key=rank, reverse=True)
    return (every[0] if every else None), every[1:]
