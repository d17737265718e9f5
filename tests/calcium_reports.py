"""Structured reports of calcium as workstations write them: thirteen habits, and broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from zlib import crc32

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian

Coded = tuple[str, str, str]
REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
PATIENT, STUDY = "PHANTOM-17", "1.2.826.0.1.3680043.10.1.77"
SCORES = {"LM": 11.0, "LAD": 231.5, "LCX": 40.2, "RCA": 97.3}
TOTAL = 380.0
SCORE: Coded = ("112058", "DCM", "Calcium score")
ANALYSIS: Coded = ("122603", "DCM", "Calcium Scoring Analysis")
AGATSTON: Coded = ("112055", "DCM", "Agatston scoring method")
SITE: Coded = ("G-C0E3", "SRT", "Finding Site")
METHOD: Coded = ("370129005", "SCT", "Measurement Method")
NO_UNIT: Coded = ("1", "UCUM", "no units")
SRT = {"LM": "T-43107", "LAD": "T-43110", "LCX": "T-43120", "RCA": "T-43200"}
SCT = {"LM": "3227004", "LAD": "59438005", "LCX": "57396003", "RCA": "13647002"}
NAMES = {"LM": "Left Main Coronary Artery", "LAD": "Anterior Descending Branch",
         "LCX": "Circumflex Coronary Artery", "RCA": "Right Coronary Artery"}  # fmt: skip


def code(concept: Coded) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = concept
    return made


def item(
    kind: str, concept: Coded | None, *children: Dataset, relation: str = "CONTAINS"
) -> Dataset:
    made = Dataset()
    made.RelationshipType = relation
    made.ValueType = kind
    if concept is not None:
        made.ConceptNameCodeSequence = Items([code(concept)])
    if children:
        made.ContentSequence = Items(list(children))
    return made


def box(concept: Coded | None, *children: Dataset) -> Dataset:
    return item("CONTAINER", concept, *children)


def number(
    concept: Coded | None, value: object, *children: Dataset, unit: Coded = NO_UNIT
) -> Dataset:
    made = item("NUM", concept, *children)
    measured = Dataset()
    if value is not None:
        written = str(value).encode() + b" " * (len(str(value)) % 2)
        tag = BaseTag(0x0040A30A)
        measured[tag] = RawDataElement(tag, "DS", len(written), written, 0, False, True)
    measured.MeasurementUnitsCodeSequence = Items([code(unit)])
    made.MeasuredValueSequence = Items([measured] if value is not None else [])
    return made


def coded(concept: Coded, value: Coded, relation: str = "HAS CONCEPT MOD") -> Dataset:
    made = item("CODE", concept, relation=relation)
    made.ConceptCodeSequence = Items([code(value)])
    return made


def text(concept: Coded | None, value: str, relation: str = "CONTAINS") -> Dataset:
    made = item("TEXT", concept, relation=relation)
    made.TextValue = value
    return made


def report(*children: Dataset, title: Coded = ("18748-4", "LN", "Imaging Report")) -> Dataset:
    """Make a complete, unverified report of these items."""
    made = box(title, *children)
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = REPORT
    made.SOPInstanceUID = STUDY + ".5"
    made.StudyInstanceUID = STUDY
    made.PatientID = PATIENT
    made.PatientName = "Phantom^Seventeen"
    made.ContentDate, made.ContentTime = "20261120", "101530"
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    return made


def as_bytes(dataset: Dataset) -> bytes:
    """Write a report as a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID or REPORT
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    target = BytesIO()
    dataset.save_as(target, enforce_file_format=True)
    return target.getvalue()


def _private(meaning: str) -> Coded:
    return (f"V{crc32(meaning.encode()) % 10000}", "99VENDOR", meaning)


def _by_artery(scheme: str, values: dict[str, str]) -> list[Dataset]:
    return [
        box(("121070", "DCM", "Findings"),
            coded(SITE, (values[artery], scheme, NAMES[artery])),
            number(SCORE, value))
        for artery, value in SCORES.items()
    ]  # fmt: skip


def analysis_with_boxes() -> Dataset:
    """SRT: a box for each artery, its site a modifier of the box; the total beside."""
    return report(box(ANALYSIS, coded(("112055", "DCM", "x"), AGATSTON),
                      *_by_artery("SRT", SRT), number(SCORE, TOTAL)))  # fmt: skip


def sites_of_numbers() -> Dataset:
    """SCT: each number has its own site and method; the total's site is the coronary artery."""
    sites = {**{a: (SCT[a], "SCT", NAMES[a]) for a in SCORES},
             "total": ("41801008", "SCT", "Coronary artery")}  # fmt: skip
    values = {**SCORES, "total": TOTAL}
    return report(
        *[number(("450360000", "SCT", "Coronary artery calcium score"), values[name],
                 coded(("363698007", "SCT", "Finding Site"), site),
                 coded(METHOD, AGATSTON), unit=("{Agatston'U}", "UCUM", "Agatston unit"))
          for name, site in sites.items()]
    )  # fmt: skip


def arteries_as_concepts() -> Dataset:
    """SNM3: the concept of a number is the artery, that of the box the score."""
    return report(box(_private("Agatston Score"),
                      *[number((SRT[a], "SNM3", NAMES[a]), v) for a, v in SCORES.items()],
                      number(_private("Total"), TOTAL)))  # fmt: skip


def private_english() -> Dataset:
    """Private codes whose meaning says all."""
    return report(*[number(_private(f"Agatston Score {a}"), v) for a, v in SCORES.items()],
                  number(_private("Agatston Score Total"), TOTAL),
                  number(_private("Agatston Score Percentile"), 83,
                         unit=("%", "UCUM", "%")))  # fmt: skip


def private_german() -> Dataset:
    """German, decimal commas."""
    names = {"LM": "Hauptstamm", "LAD": "RIVA", "LCX": "RCX", "RCA": "RCA"}
    return report(box(_private("Koronarkalk"),
                      *[number(_private(f"Kalkscore {names[a]}"), f"{v}".replace(".", ","))
                        for a, v in SCORES.items()],
                      number(_private("Kalkscore gesamt (Agatston)"), "380,0"),
                      number(_private("Anzahl Läsionen"), 12)))  # fmt: skip


def french_texts() -> Dataset:
    """French: texts that are numbers."""
    names = {"LM": "tronc commun", "LAD": "IVA", "LCX": "circonflexe", "RCA": "coronaire droite"}
    return report(box(_private("Score calcique"),
                      *[text(_private(f"Score calcique {names[a]}"), f"{v}".replace(".", ","))
                        for a, v in SCORES.items()],
                      text(_private("Score calcique total"), "380 UA")))  # fmt: skip


def spanish_boxes() -> Dataset:
    """Spanish: boxes named by the artery, numbers named by the figure."""
    names = {"LM": "Tronco común izquierdo", "LAD": "Descendente anterior", "LCX": "Circunfleja",
             "RCA": "Coronaria derecha"}  # fmt: skip
    return report(
        box(_private("Puntuación de calcio"),
            *[box(_private(names[a]), number(_private("Puntuación Agatston"), v),
                  number(_private("Volumen"), 0.8 * v, unit=("mm3", "UCUM", "mm3")))
              for a, v in SCORES.items()],
            box(_private("Total"), number(_private("Puntuación Agatston"), TOTAL)))
    )  # fmt: skip


def flat_table() -> Dataset:
    """Rows of a table one after the other: the artery as a text, then its number."""
    rows = []
    for name, value in {**SCORES, "Total": TOTAL}.items():
        rows += [text(_private("Vessel"), name), number(_private("Agatston score"), value)]
    return report(box(ANALYSIS, *rows))


def free_text() -> Dataset:
    """A dictated finding."""
    return report(text(("121071", "DCM", "Finding"), (
        "Coronary calcium scoring at 120 kV, 3 mm slices (20.11.2026). Agatston score: left main"
        " 11.0, LAD 231.5, LCx 40.2, RCA: 97.3. Total Agatston score = 380. Volume 310 mm3."
        " 83rd percentile for age 64. Aortic valve calcium 55."
    )))  # fmt: skip


def everything_at_once() -> Dataset:
    """Lesions, thresholds, volume, mass, an earlier score and a valve beside the arteries."""
    lesions = box(_private("Lesion list"),
                  *[box(_private(f"Lesion {k}"), coded(SITE, (SRT["LAD"], "SRT", NAMES["LAD"])),
                        number(SCORE, 20 + k)) for k in range(4)])  # fmt: skip
    return report(box(
        ANALYSIS, lesions, number(("122657", "DCM", "Agatston Score Threshold"), 130,
                                  unit=("[hnsf'U]", "UCUM", "HU")),
        number(_private("Prior Agatston score"), 300),
        number(("122660", "DCM", "Calcium Volume"), 0.31, unit=("ml", "UCUM", "ml")),
        number(("122661", "DCM", "Calcium Mass"), 66, unit=("mg", "UCUM", "mg")),
        *_by_artery("SRT", SRT),
        box(("121070", "DCM", "Findings"), coded(SITE, ("T-35400", "SRT", "Aortic valve")),
            number(SCORE, 55)),
        number(SCORE, TOTAL, coded(METHOD, AGATSTON)),
    ))  # fmt: skip


def tracked_groups() -> Dataset:
    """TID 1500: a group for each artery and each lesion, told apart by what is tracked."""

    def group(name: str, artery: str, score: float) -> Dataset:
        return box(("125007", "DCM", "Measurement Group"),
                   text(("112039", "DCM", "Tracking Identifier"), name, "HAS OBS CONTEXT"),
                   coded(("363698007", "SCT", "Finding Site"),
                         (SCT[artery], "SCT", NAMES[artery])),
                   number(SCORE, score, coded(METHOD, AGATSTON)))  # fmt: skip

    lesions = [group(f"Lesion {k} of the LAD", "LAD", 20.0 + k) for k in range(3)]
    total = number(SCORE, TOTAL, coded(("363698007", "SCT", "Finding Site"),
                                       ("41801008", "SCT", "Coronary artery")))  # fmt: skip
    return report(
        box(("126010", "DCM", "Imaging Measurements"),
            *lesions, *[group(f"Vessel {a}", a, score) for a, score in SCORES.items()],
            box(("125007", "DCM", "Measurement Group"), total)),
        title=("126000", "DCM", "Imaging Measurement Report"),
    )  # fmt: skip


def segments_only() -> Dataset:
    """Scores of segments; no artery, no total is stated."""
    parts = [("68787002", "Proximal LAD", 200.0), ("91748002", "Mid LAD", 31.5),
             ("52433000", "Proximal Circumflex", 40.2), ("91083009", "Proximal RCA", 60.0),
             ("450960006", "Mid RCA", 37.3), ("3227004", "Left Main", 11.0)]  # fmt: skip
    return report(
        box(ANALYSIS, *[number(SCORE, v, coded(SITE, (c, "SCT", name)))
                        for c, name, v in parts])
    )  # fmt: skip


def deep_groups() -> Dataset:
    """TID 1500: groups in groups, the site a modifier of the group, references by value."""
    values = {**SCORES, "total": TOTAL}
    groups = [
        box(("125007", "DCM", "Measurement Group"),
            text(("112039", "DCM", "Tracking Identifier"), f"ROI {k}", "HAS OBS CONTEXT"),
            *([coded(("363698007", "SCT", "Finding Site"), (SCT[a], "SCT", NAMES[a]))]
              if a in SCT else []),
            number(SCORE, v, coded(METHOD, AGATSTON)))
        for k, (a, v) in enumerate(values.items())
    ]  # fmt: skip
    return report(box(("126010", "DCM", "Imaging Measurements"),
                      box(ANALYSIS, *groups)))  # fmt: skip


HABITS = (
    analysis_with_boxes, sites_of_numbers, arteries_as_concepts, private_english, private_german,
    french_texts, spanish_boxes, flat_table, free_text, everything_at_once, segments_only,
    deep_groups, tracked_groups,
)  # fmt: skip


def nested(levels: int) -> Dataset:
    """Boxes in boxes."""
    inner = number(SCORE, 12)
    for _ in range(levels):
        inner = box(ANALYSIS, inner)
    return report(inner)


def part_of_itself() -> Dataset:
    """Make an item that refers to the box that it lies in."""
    back = Dataset()
    back.RelationshipType = "INFERRED FROM"
    back.ReferencedContentItemIdentifier = [1, 1]
    return report(box(ANALYSIS, number(SCORE, 12, back)))


def changed(dataset: Dataset, **values: object) -> Dataset:
    """Give the report with other attributes; None takes one away."""
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def totals_that_differ(first: object = 380, second: object = 412) -> Dataset:
    return report(box(ANALYSIS, number(SCORE, first)), box(ANALYSIS, number(SCORE, second)))


def one_of(values: Sequence[object]) -> Dataset:
    return report(box(ANALYSIS, *[number(SCORE, value) for value in values]))
