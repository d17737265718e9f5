"""Calcium of a CT as a measurement report: Comprehensive 3D SR after TID 1500 (PS3.16).

A group for the whole (TID 1501), one for each artery that has a figure, and one for each lesion
(TID 1411) with its segment. The algorithm is named in each (TID 4019). Codes: PS3.16 CID 3015,
6140, 7464, 7469 and annex D; what a person should look at has none and is of ``99MPSS``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset

from mpss_lib.calcium.lesion import Lesion
from mpss_lib.calcium.lesion_segmentation import (
    ALGORITHM,
    CALCIFICATION,
    FAMILY,
    PLACES,
    RESEARCH_USE,
    SCHEME_NAME,
    label_of,
    tracking_uid,
)
from mpss_lib.calcium.placing import CORONARY, LEFT
from mpss_lib.calcium.report_tree import AGATSTON, MASS, SCORE, SITES, VOLUME, Coded, Kind
from mpss_lib.calcium.report_words import ARTERIES, TOTAL
from mpss_lib.dicom.exported import SCHEME, code, new_uid, set_moment, sign
from mpss_lib.dicom.values import decimal

if TYPE_CHECKING:
    from highdicom.sr import (
        AlgorithmIdentification,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        ObservationContext,
        QualitativeEvaluation,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    _Group = (
        MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations
    )

TITLE: Coded = ("126000", "DCM", "Imaging Measurement Report")
PROCEDURE: Coded = ("426005005", "SCT", "Cardiac CT for calcium scoring")
PEAK = Kind(("112031", "DCM", "Attenuation Coefficient"), ("[hnsf'U]", "UCUM", "Hounsfield unit"))
PROBABILITY = Kind(("122157", "DCM", "Probability"), ("1", "UCUM", "no units"))
MAXIMUM: Coded = ("56851009", "SCT", "Maximum")
COUNTED: Coded = ("COUNTED", SCHEME, "Counted in the coronary score")
WAITS: Coded = ("WAITS", SCHEME, "A person should look at it")
YES: Coded = ("373066001", "SCT", "Yes")
NO: Coded = ("373067005", "SCT", "No")
DEVICE: Coded = ("121007", "DCM", "Device")
OBSERVER = "MPSS calcium: research use only, preliminary"


@dataclass(frozen=True)
class Content:
    """What the report says.

    Parameters
    ----------
    scores : dict of name to float
        Agatston units of ``total``, of the arteries that have a figure, and of ``left`` where
        calcium of the left main and the anterior artery is not told apart.
    lesions : tuple of Lesion
    is_calibrated : bool
        Whether lesions have a mass.
    version : str
        Of the algorithm.
    seed : str
        Names the inputs: the new UIDs follow from it.
    """

    scores: dict[str, float]
    lesions: tuple[Lesion, ...]
    is_calibrated: bool
    version: str
    seed: str

    def lesions_of(self, name: str) -> list[Lesion]:
        """Lesions of an artery, or all coronary ones."""
        wanted = CORONARY if name == TOTAL else (name,)
        return [one for one in self.lesions if one.place in wanted]


def make_report(
    slices: Sequence[Dataset], segmentation: Dataset | None, content: Content
) -> Dataset:
    """Make the object.

    Parameters
    ----------
    slices : sequence of Dataset
        As ``lesion_segmentation.in_order`` gives them.
    segmentation : Dataset or None
        None where there is no lesion.
    content : Content

    Returns
    -------
    Dataset
        Preliminary, unverified; partial as long as a person should look at a lesion.
    """
    from highdicom.sr import Comprehensive3DSR, MeasurementReport

    waiting = sum(one.waits for one in content.lesions)
    groups: list[_Group] = [*_sums(slices, content), *_lesions(slices, segmentation, content)]
    evidence = [*slices, *([segmentation] if segmentation is not None else [])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the free texts of old stations, not on our values
        tree = MeasurementReport(
            observation_context=_observer(content),
            procedure_reported=code(*PROCEDURE),
            imaging_measurements=groups,
            title=code(*TITLE),
        )
        made = Comprehensive3DSR(
            evidence=evidence,
            content=tree,
            series_instance_uid=new_uid(content.seed, "report series"),
            series_number=9002,
            sop_instance_uid=new_uid(content.seed, "report"),
            instance_number=1,
            manufacturer="MPSS platform",
            manufacturer_model_name=ALGORITHM,
            software_versions=content.version,
            series_description=RESEARCH_USE,
            is_complete=not waiting,
            is_final=False,
            is_verified=False,
        )
    if waiting:
        made.CompletionFlagDescription = f"A person should look at {waiting} of the lesions"
    set_moment(made, slices[0])
    sign(made, slices[0], SCHEME_NAME)
    return made


def _observer(content: Content) -> ObservationContext:
    from highdicom.sr import (
        CodedConcept,
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
    )

    device = DeviceObserverIdentifyingAttributes(
        uid=new_uid("MPSS platform", ALGORITHM),
        name=OBSERVER,
        manufacturer_name="MPSS platform",
        model_name=f"{ALGORITHM} {content.version}",
    )
    context = ObserverContext(CodedConcept(*DEVICE), device)
    return ObservationContext(observer_device_context=context)


def _sums(
    slices: Sequence[Dataset], content: Content
) -> Iterator[MeasurementsAndQualitativeEvaluations]:
    """One group for the total and for each artery that has a figure."""
    from highdicom.sr import (
        MeasurementsAndQualitativeEvaluations,
        SourceImageForMeasurementGroup,
        TrackingIdentifier,
    )

    sites = {**SITES, LEFT: PLACES[LEFT]}
    images = [SourceImageForMeasurementGroup.from_source_image(one) for one in slices]
    for name in (*ARTERIES, LEFT, TOTAL):
        if name not in content.scores:
            continue
        of_it = content.lesions_of(name)
        yield MeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uid=new_uid(content.seed, f"site {name}"), identifier=sites[name][2]
            ),
            finding_type=code(*CALCIFICATION),
            algorithm_id=_algorithm(content),
            source_images=images if name == TOTAL else None,
            measurements=_figures(content.scores[name], of_it, content, sites[name]),
        )


def _figures(
    score: float, lesions: Sequence[Lesion], content: Content, site: Coded
) -> list[Measurement]:
    """Score, volume, mass and peak of lesions together."""
    made = [
        _measure(SCORE, score, site, method=code(*AGATSTON)),
        _measure(VOLUME, sum(one.volume_mm3 for one in lesions), site),
    ]
    if content.is_calibrated:
        made.append(_measure(MASS, sum(one.mass_mg for one in lesions), site))
    if lesions:
        peak = max(one.peak_hu for one in lesions)
        made.append(_measure(PEAK, peak, site, derivation=code(*MAXIMUM)))
    return made


def _lesions(
    slices: Sequence[Dataset], segmentation: Dataset | None, content: Content
) -> Iterator[VolumetricROIMeasurementsAndQualitativeEvaluations]:
    from highdicom.sr import (
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    if segmentation is None:
        return
    series = SourceSeriesForSegmentation(slices[0].SeriesInstanceUID)
    for number, one in enumerate(content.lesions, start=1):
        site = PLACES[one.place]
        figures = _figures(one.score, [one], content, site)
        yield VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(
                uid=tracking_uid(content.seed, number), identifier=label_of(number, one)
            ),
            referenced_segment=ReferencedSegment(
                segmentation.SOPClassUID,
                segmentation.SOPInstanceUID,
                segment_number=number,
                source_series=series,
            ),
            finding_type=code(*CALCIFICATION),
            algorithm_id=_algorithm(content),
            measurements=[*figures, _measure(PROBABILITY, one.probability, site)],
            qualitative_evaluations=_answers(one),
        )


def _answers(one: Lesion) -> list[QualitativeEvaluation]:
    from highdicom.sr import QualitativeEvaluation

    told = ((COUNTED, one.place in CORONARY), (WAITS, one.waits))
    return [
        QualitativeEvaluation(name=code(*what), value=code(*(YES if is_so else NO)))
        for what, is_so in told
    ]


def _measure(kind: Kind, value: float, site: Coded, **more: Any) -> Measurement:
    from highdicom.sr import FindingSite, Measurement

    return Measurement(
        name=code(*kind.concept),
        value=float(decimal(value)),
        unit=code(*kind.unit),
        finding_sites=[FindingSite(code(*site))],
        **more,
    )


def _algorithm(content: Content) -> AlgorithmIdentification:
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(
        name=ALGORITHM,
        version=content.version,
        family=code(*FAMILY),
        manufacturer="MPSS platform",
    )
