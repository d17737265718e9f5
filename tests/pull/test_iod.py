"""A de-identified object is as valid as the received one: what goes leaves what its class asks."""

from __future__ import annotations

import pytest
from dciodvfy import compare
from nm_objects import REAL, small_object
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from standin_phantom import hollow_sphere

from mpss_lib.demo.cohort import make_hospital
from mpss_lib.dicom import to_bytes


def code(value: str, scheme: str = "99HOSP", meaning: str = "Miller") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def context(name: Sequence, value: Sequence) -> Sequence:
    item = Dataset()
    item.ValueType, item.ConceptNameCodeSequence, item.ConceptCodeSequence = "CODE", name, value
    return Sequence([item])


STATE = code("109054", "DCM", "Patient State")
STRESS = code("432655005", "SCT", "Cardiac stress")

CHANGES = {
    "nothing": lambda nm: None,
    "a maker that is a name": lambda nm: setattr(nm, "Manufacturer", "Miller"),
    "a model of a name": lambda nm: setattr(nm, "ManufacturerModelName", "St. Mary 4711"),
    "a description of a name": lambda nm: setattr(nm, "SeriesDescription", "Miller 15.06.50"),
    "numbers of a list": lambda nm: setattr(nm, "SeriesNumber", 4711007),
    "number of an object": lambda nm: setattr(nm, "InstanceNumber", 4711007),
    "counts of nothing": lambda nm: setattr(nm, "CountsAccumulated", None),
    "private orientation": lambda nm: setattr(nm, "PatientOrientationCodeSequence", code("HF")),
    "private gantry": lambda nm: setattr(nm, "PatientGantryRelationshipCodeSequence", code("X")),
    "private tracer": lambda nm: setattr(
        nm.RadiopharmaceuticalInformationSequence[0], "RadionuclideCodeSequence", code("C-163AB")
    ),
    "private view": lambda nm: setattr(
        nm.DetectorInformationSequence[0], "ViewCodeSequence", code("V1")
    ),
    "empty sequences": lambda nm: setattr(nm, "RadiopharmaceuticalInformationSequence", []),
    "empty detector": lambda nm: setattr(nm, "DetectorInformationSequence", []),
    "a state": lambda nm: setattr(nm, "AcquisitionContextSequence", context(STATE, STRESS)),
    "a private question": lambda nm: setattr(
        nm, "AcquisitionContextSequence", context(code("Q1"), STRESS)
    ),
    "a private answer": lambda nm: setattr(
        nm, "AcquisitionContextSequence", context(STATE, code("A1"))
    ),
    "no sex": lambda nm: setattr(nm, "PatientSex", ""),
    "a patient of long ago": lambda nm: setattr(nm, "PatientAge", "093Y"),
    "no times": lambda nm: setattr(nm, "StudyTime", ""),
    "no position": lambda nm: setattr(
        nm.DetectorInformationSequence[0], "ImagePositionPatient", None
    ),
    "text in the reference": lambda nm: setattr(nm, "PositionReferenceIndicator", "Miller"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_error_comes_new(change, tmp_path, installed):
    nm = small_object()
    CHANGES[change](nm)
    path = tmp_path / "before.dcm"
    path.write_bytes(to_bytes(nm))
    assert dict(compare(installed("dciodvfy"), path, tmp_path).added) == {}


def test_the_demo_has_no_error_before_and_after(tmp_path, installed):
    hospital = make_hospital(tmp_path / "hospital", patients=6, workers=1, maker=hollow_sphere)
    files = [
        hospital.objects / one["file"]
        for study in hospital.truth["studies"]
        for one in study["objects"]
        if one["kind"] not in ("capture", "ct")
    ]
    assert len(files) > 6
    for path in files:
        told = compare(installed("dciodvfy"), path, tmp_path)
        assert (told.before, told.after) == (0, 0), (path.name, told.added)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize("name", ["nm_recon_tomo_heart_1993", "nm_static_planar_siemens"])
def test_real_objects_get_no_new_error(name, tmp_path, installed):
    told = compare(installed("dciodvfy"), REAL / f"{name}.dcm", tmp_path)
    assert dict(told.added) == {}
    assert told.after < told.before
