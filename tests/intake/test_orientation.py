"""The rule table: vendors' words, contradictions, rules of a site, geometry as arbiter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from nm_objects import SUBJECT, small_volume
from pydantic import ValidationError
from pydicom.datadict import tag_for_keyword

from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.demo.vendors import VENDORS, Content, describe
from mpss_lib.dicom import Header, read_header
from mpss_lib.dicom.rules import RULES, UNKNOWN, answer, site_rules
from mpss_lib.errors import SettingsError
from mpss_lib.intake.orientation import orientation
from mpss_lib.sections import PullSettings, SeriesRule

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SHORT_AXIS = (0.6, 0.8, 0.0, 0.48, -0.36, 0.8)


def says(**texts: str | tuple[str, ...]) -> Header:
    return Header(
        texts={key: (value,) if isinstance(value, str) else value for key, value in texts.items()}
    )


@pytest.mark.parametrize(
    ("question", "texts", "want"),
    [
        ("stress", {"AcquisitionContextSequence": "F-05019"}, "stress"),
        ("stress", {"AcquisitionContextSequence": "128975004"}, "rest"),
        ("stress", {"SeriesDescription": "Adenosine IRAC"}, "stress"),
        ("stress", {"ImageID": "SGATE"}, "stress"),
        ("stress", {"ImageID": "RTOMO_1"}, "rest"),
        ("stress", {"ImageID": "RESTRICTED"}, UNKNOWN),
        ("stress", {"StudyDescription": "MYOCARDIAL STRESS"}, "stress"),
        ("stress", {"StudyDescription": "MYOCARDIAL STRESS/REST"}, UNKNOWN),
        ("stress", {"StudyDescription": "STRESS/REST", "ImageID": "REST_AC"}, "rest"),
        ("stress", {"SeriesDescription": "STRESS/REST", "ImageID": "STRESS"}, "stress"),
        ("stress", {"SeriesDescription": "STRESS/REST"}, UNKNOWN),
        (
            "stress",
            {"SeriesDescription": "REST/STRESS", "AcquisitionContextSequence": "F-05019"},
            "stress",
        ),
        ("attenuation", {"ProtocolName": "AC/NAC", "CorrectedImage": "ATTN"}, "AC"),
        ("stress", {"ImageID": "STRESS", "AcquisitionContextSequence": "F-01604"}, UNKNOWN),
        ("stress", {}, UNKNOWN),
        ("attenuation", {"CorrectedImage": ("SCAT", "ATTN")}, "AC"),
        ("attenuation", {"CorrectedImage": ("UNIF", "SCAT")}, "NAC"),
        ("attenuation", {"CorrectedImage": "UNIF", "SeriesDescription": "STRESS AC"}, "AC"),
        ("attenuation", {"AttenuationCorrectionMethod": "CT-derived mu-map"}, "AC"),
        ("attenuation", {"AttenuationCorrectionMethod": "NONE"}, "NAC"),
        ("attenuation", {"ImageID": "NOAC_STRESS"}, "NAC"),
        ("attenuation", {"SeriesDescription": "Stress non-AC"}, "NAC"),
        ("attenuation", {"SeriesDescription": "Stress NoAC"}, "NAC"),
        ("attenuation", {"SeriesDescription": "STRESS_IRNC_OSEM"}, "NAC"),
        ("attenuation", {"SeriesDescription": "STRESS_IRAC_OSEM"}, "AC"),
        ("attenuation", {"SeriesDescription": "TRACTION ACQUIRED"}, UNKNOWN),
        ("attenuation", {"CorrectedImage": "ATTN", "SeriesDescription": "NAC"}, UNKNOWN),
        ("reconstruction", {"ReconstructionMethod": "3D-OSEM 8i4s"}, "iterative"),
        ("reconstruction", {"SeriesDescription": "Stress Flash3D AC"}, "iterative"),
        ("reconstruction", {"ImageID": "EvolutionForCardiac"}, "iterative"),
        ("reconstruction", {"ImageID": "Astonish"}, "iterative"),
        ("reconstruction", {"ProcessingFunction": "Wnr/Ramp/"}, "FBP"),
        ("reconstruction", {"ProcessingFunction": "Butterworth"}, "FBP"),
        ("reconstruction", {"ProcessingFunction": "OSEM Butterworth"}, "iterative"),
        ("reconstruction", {"SeriesDescription": "FBP", "ImageID": "OSEM"}, UNKNOWN),
        ("reconstruction", {"SeriesDescription": "IRREGULAR"}, UNKNOWN),
    ],
)
def test_vendors_words(question, texts, want):
    found = answer(question, says(**texts))
    assert found.answer == want
    assert found.rule == "no_rule" or found.value, "an answer carries the value it rests on"


def test_contradiction_names_both_rules():
    found = answer("stress", says(ImageID="STRESS", AcquisitionContextSequence="F-01604"))
    assert found.rule == "contradiction"
    assert "state_code_rest: F-01604" in found.value
    assert "word_stress_in_ImageID: STRESS" in found.value


def test_rule_of_the_site_decides_alone():
    settings = PullSettings(
        site_rules=(
            SeriesRule(
                question="attenuation", keyword="StationName", pattern="^CARDIO2$", answer="AC"
            ),
        )
    )
    header = says(StationName="CARDIO2", SeriesDescription="NAC")
    found = answer("attenuation", header, site_rules(settings))
    assert (found.answer, found.rule, found.keyword) == ("AC", "site_1", "StationName")
    assert answer("attenuation", says(ImageID="NAC"), site_rules(settings)).answer == "NAC"
    assert answer("stress", header, site_rules(settings)).answer == UNKNOWN


@pytest.mark.parametrize(
    "rule",
    [
        {"question": "stress", "keyword": "ImageID", "pattern": "(", "answer": "stress"},
        {"question": "stress", "keyword": "ImageID", "pattern": "S", "answer": "AC"},
        {"question": "stress", "keyword": "ImageID", "pattern": "S", "answer": "maybe"},
        {"question": "colour", "keyword": "ImageID", "pattern": "S", "answer": "AC"},
    ],
)
def test_bad_rule_of_a_site_is_refused_at_start(rule):
    with pytest.raises(ValidationError):
        PullSettings(site_rules=(rule,))


def test_rule_about_no_attribute_is_refused():
    rule = SeriesRule(question="stress", keyword="SeriesDescripton", pattern="S", answer="stress")
    with pytest.raises(SettingsError, match="rule 1 names 'SeriesDescripton'"):
        site_rules(PullSettings(site_rules=(rule,)))


def test_shipped_rules_name_attributes_and_known_answers():
    allowed = {
        "stress": {"stress", "rest"},
        "attenuation": {"AC", "NAC"},
        "reconstruction": {"iterative", "FBP"},
        "view": {"transaxial", "short_axis", "oblique"},
    }
    for rule in RULES:
        assert tag_for_keyword(rule.keyword) is not None
        assert rule.answer in allowed[rule.question]


def test_rules_have_names_of_their_own():
    names = [(rule.question, rule.rule) for rule in RULES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("cosines", "texts", "want"),
    [
        (AXIAL, {}, "transaxial"),
        ((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0), {}, "transaxial"),
        (AXIAL, {"ViewCodeSequence": "62824007"}, "transaxial"),
        (AXIAL, {"ViewCodeSequence": "103340004"}, UNKNOWN),
        (AXIAL, {"ImageID": "SAX_STRESS"}, UNKNOWN),
        (AXIAL, {"ImageID": "H Long Ax"}, UNKNOWN),
        (SHORT_AXIS, {"ViewCodeSequence": "103340004"}, "short_axis"),
        (SHORT_AXIS, {"SeriesDescription": "STRESS SA"}, "short_axis"),
        (SHORT_AXIS, {}, "oblique"),
        (SHORT_AXIS, {"ViewCodeSequence": "62824007"}, UNKNOWN),
        (SHORT_AXIS, {"ViewCodeSequence": "131185001"}, "oblique"),
        ((0.0, 1.0, 0.0, 0.0, 0.0, -1.0), {}, "oblique"),
        ((0.0, 1.0, 0.0, 0.6, 0.0, -0.8), {"ViewCodeSequence": "103340004"}, UNKNOWN),
        ((1.0, 0.0, 0.0, 1.0, 0.0, 0.0), {}, UNKNOWN),
        (None, {"ViewCodeSequence": "62824007"}, UNKNOWN),
    ],
)
def test_geometry_is_the_arbiter_of_orientation(cosines, texts, want):
    found = orientation(replace(says(**texts), orientation=cosines))
    assert found.answer == want
    assert "ImageOrientationPatient" in found.keyword or found.answer == "short_axis"


QUESTIONS = ("stress", "attenuation", "reconstruction", "view")
CONTENTS = [
    Content(state, is_corrected, is_iterative, view)
    for state in ("stress", "rest")
    for is_corrected in (True, False)
    for is_iterative in (True, False)
    for view in ("transaxial", "short_axis")
]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("content", CONTENTS, ids=str)
def test_every_answer_names_rule_tag_and_raw_value(vendor, content):
    text = describe(VENDORS[vendor], content, series="1.1", instance="1.2", number=1)
    header = read_header(nm_dataset(small_volume(), SUBJECT, text, VENDORS[vendor].habits))
    names = {(rule.question, rule.rule): rule for rule in RULES}
    for question in QUESTIONS:
        found = answer(question, header)
        rule = names[(question, found.rule)]
        assert found.keyword == rule.keyword
        assert found.value in header.texts[rule.keyword]  # as it stands in the object
        assert found.tag == "({:04X},{:04X})".format(*divmod(tag_for_keyword(rule.keyword), 65536))
    want = {
        "stress": content.state,
        "attenuation": "AC" if content.is_corrected else "NAC",
        "reconstruction": "iterative" if content.is_iterative else "FBP",
        "view": content.view,
    }
    assert {question: answer(question, header).answer for question in QUESTIONS} == want


def test_unknown_answer_says_what_was_looked_for():
    assert answer("stress", says()).as_dict() == {
        "answer": UNKNOWN, "rule": "no_rule", "keyword": "", "tag": "", "value": "",
    }  # fmt: skip
    torn = answer("stress", says(ImageID="STRESS", AcquisitionContextSequence="F-01604"))
    assert torn.rule == "contradiction"
    assert torn.tag == "(0040,0555) / (0054,0400)"
