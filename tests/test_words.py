"""Words of several languages, negations included: never corrected or stressed by default."""

from __future__ import annotations

import itertools

import pytest

from mpss_lib.dicom import Header
from mpss_lib.dicom.rules import TEXTS, UNKNOWN, answer, doubts
from mpss_lib.dicom.words import plain


def _listed(text: str) -> list[str]:
    """Split at bars and ends of lines."""
    return [word.strip() for word in text.replace("\n", "|").split("|")]


NOT_CORRECTED = _listed(
    """w/o AC|W/O AC|without AC|ohne AC|sans AC|sin AC|senza AC|NO AC|non AC|AC OFF|AC: off|AC=0
    AC: no|AC (no)|AC - none|AC (-)|AC not applied|AC nicht angewendet|AC aus|AC is off
    AC turned off|uncorrected|unkorrigiert|UNCORR|non corrigé|not corrected|NAC|NC|IRNC|noAC
    NoAC|NonAC|woAC|W/OAC|nAC|StressNoAC|STRESS_NAC|STRESS-NO-AC|w.o. AC|kein AC
    keine Schwächungskorrektur|zonder AC|sem AC|utan AC|nicht schwaechungskorrigiert
    nicht schwächungskorrigiert|NICHT SCHWÄCHUNGSKORRIGIERT|without CT AC
    sans correction d'atténuation|sin corrección de atenuación
    senza correzione dell'attenuazione|attenuation: none|not attenuation corrected
    no attenuation correction|sans CA|ohne AK|without ctac|no_AC|AC_OFF|NO  AC|(no AC)
    [w/o AC]|AC;off|niet gecorrigeerd|non corretto|no corregido|ac disabled|STRNAC|STRESSNAC
    NACSTRESS|AC failed|AC nein|AC: nein|AC: ohne|without any AC|IRNC_OSEM|no A.C.|w/o A/C|N.A.C.
    Attenuation Correction: No|non corrig�|non corrigÃ©|nicht schw�chungskorrigiert
    nicht schwÃ¤chungskorrigiert|attenuation uncorrected|Non-Attenuation Corrected
    wo/AC|w/out AC|no/AC|(-AC)|lacking AC|free of AC|AC-free|AC rejected|AC aborted|AC cancelled
    AC canceled|AC invalid|AC unusable|AC pending|AC deactivated|AC not ok|AC not yet done
    AC nicht möglich|AC nicht aktiv|AC abgebrochen|AC fehlgeschlagen|AC pas faite|AC non effectuée
    AC échouée|AC annulée|AC non eseguita|AC annullata|AC no realizada|AC anulada
    ohne SchwKorr|keine Schwächungs-Korrektur|Schw.-Korr. aus|nicht schwächungs-korrigiert"""
)
CORRECTED = _listed(
    """AC|STRESS_AC|StressAC|STRESSAC|IRAC|CTAC|ATTN|attenuation corrected|AC: yes|AC=1|AC(+)
    AC no SC|AC, no scatter correction|no scatter correction, AC|non gated AC|UNGATED AC
    AC-OSEM|ACSTRESS|schwächungskorrigiert|Schwaechungskorrektur|correction d'atténuation
    avec CA|con AC|mit AC|AC ON|corrección de atenuación|correzione dell'attenuazione
    Stress Flash3DAC|AC free breathing|AC, rejected beats 5|AC non-gated|AC, not gated|AC no motion
    AC active|AC (+)|SC off, AC on|SC: no; AC: yes
    SchwKorr|Schw.-Korr.|Schwächungs-Korrektur|schwächungs korrigiert"""
)
NO_WORD_ON_CORRECTION = ["STRESS", "TRACTION ACQUIRED", "PACS", "ACME", "STRESS OSEM KORR", ""]
DOUBTFUL_ON_CORRECTION = [
    "AC/NAC",
    "NO NAC",
    "without NAC",
    "AC?",
    "pre AC",
    "AC and NAC",
    "AC NOT OSEM",
]


def on(question: str, text: str, keyword: str = "SeriesDescription") -> str:
    return answer(question, Header(texts={keyword: (text,)})).answer


def variants(text: str) -> set[str]:
    """The habits of people: case, underscores, words before and after."""
    return {
        text,
        text.upper() if text != "nAC" else text,
        f"OSEM {text}",
        f"{text} OSEM",
        f"Myocard, {text}",
        f"SPECT_{text.replace(' ', '_')}_8i4s",
        f"({text})",
    }


@pytest.mark.parametrize("text", NOT_CORRECTED)
def test_not_corrected(text):
    found = {one: on("attenuation", one) for one in variants(text)}
    assert set(found.values()) == {"NAC"}, found


@pytest.mark.parametrize("text", CORRECTED)
def test_corrected(text):
    found = {one: on("attenuation", one) for one in variants(text)}
    assert set(found.values()) == {"AC"}, found


@pytest.mark.parametrize("text", NO_WORD_ON_CORRECTION + DOUBTFUL_ON_CORRECTION)
def test_not_known_whether_corrected(text):
    assert {on("attenuation", one) for one in variants(text)} == {UNKNOWN}


STRESSED = _listed(
    """STRESS|Stress|POST STRESS|post-stress|POSTSTRESS|after stress|nach Belastung|après effort
    Belastung|Belastungsstudie|effort|EFFORT|esfuerzo|sotto sforzo|Adenosine|Regadenoson
    STRESS no rest|stress only|stress, ohne Ruhe|StressAC|STRESS1|STR|Ergometrie|inspanning
    dopo sforzo|un effort|stress wo/AC|stress no/AC|stress free breathing
    Treadmill|Lexi|Adeno|exercice|estrés|ejercicio|esercizio|Belast."""
)
RESTED = _listed(
    """REST|Rest|Ruhe|Ruhestudie|in Ruhe|repos|au repos|reposo|en reposo|riposo|a riposo|repouso
    PRE STRESS|pre-stress|PRESTRESS|before stress|vor Belastung|avant l'effort
    antes del esfuerzo|prima dello sforzo|no stress|NO STRESS|non-stress|without stress
    w/o stress|ohne Belastung|sans effort|sin esfuerzo|senza sforzo|stress: no|stress off
    not stress|RESTAC|REST2|redistribution|REINJECTION|unstressed|stress-free|stress cancelled
    stress abgebrochen|effort non effectué"""
)
DOUBTFUL_ON_STATE = ["STRESS (REST)", "STRESS/REST", "Belastung und Ruhe", "stress?", "rest?",
                     "pre-injection", "stress pre-injection", "pre-rest", "effort - repos",
                     "rest_stress", "PREINJ"]  # fmt: skip


@pytest.mark.parametrize("text", STRESSED)
def test_stress(text):
    found = {one: on("stress", one) for one in variants(text)}
    assert set(found.values()) == {"stress"}, found


@pytest.mark.parametrize("text", RESTED)
def test_rest(text):
    found = {one: on("stress", one) for one in variants(text)}
    assert set(found.values()) == {"rest"}, found


@pytest.mark.parametrize(
    "text", [*DOUBTFUL_ON_STATE, "RESTRICTED", "no rest", "STRAIGHT", "REPOSE"]
)
def test_state_not_known(text):
    assert {on("stress", one) for one in variants(text)} == {UNKNOWN}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("non-iterative", "FBP"),
        ("not iterative", "FBP"),
        ("no OSEM", "FBP"),
        ("OSEM off", "FBP"),
        ("FBP (no OSEM)", "FBP"),
        ("gefilterte Rückprojektion", "FBP"),
        ("rétroprojection filtrée", "FBP"),
        ("itératif", "iterative"),
        ("iterativ", "iterative"),
        ("OSEM, no FBP", "iterative"),
        ("without FBP", UNKNOWN),
        ("FBP/OSEM", UNKNOWN),
        ("xSPECT", "iterative"),
        ("OS-EM", "iterative"),
        ("OS_EM 8i4s", "iterative"),
        ("ML-EM", "iterative"),
        ("WBR", "iterative"),
        ("Ordered Subsets Expectation Maximization", "iterative"),
        ("maximum likelihood", "iterative"),
        ("no OS-EM", "FBP"),
        ("Back Projection", "FBP"),
        ("BACKPROJECTION", "FBP"),
        ("OSEM, no back projection", "iterative"),
    ],
)
def test_reconstruction(text, want):
    assert on("reconstruction", text) == want


@pytest.mark.parametrize(
    ("method", "want"),
    [
        ("NONE", "NAC"), ("none", "NAC"), ("Not applied", "NAC"),
        ("no attenuation correction", "NAC"),
        ("ohne", "NAC"), ("sans", "NAC"), ("keine", "NAC"), ("uncorrected", "NAC"), ("OFF", "NAC"),
        ("AC: off", "NAC"), ("w/o AC", "NAC"), ("unknown", UNKNOWN), ("n/a", UNKNOWN),
        ("-", UNKNOWN), ("?", UNKNOWN), ("CT-derived mu-map", "AC"), ("measured", "AC"),
        ("Chang", "AC"), ("CTAC", "AC"), ("measured, Hawkeye", "AC"), ("CTAC, no scatter", "AC"),
        ("false", "NAC"), ("disabled", "NAC"), ("deaktiviert", "NAC"), ("nil", "NAC"),
        ("null", "NAC"), ("nothing", "NAC"), ("nicht angewendet", "NAC"), ("nichts", "NAC"),
        ("pas appliquée", "NAC"), ("non appliquée", "NAC"), ("ninguna", "NAC"), ("nessuna", "NAC"),
        ("rejected", "NAC"), ("missing CT", "NAC"), ("CT missing", UNKNOWN),
        ("CT failed", UNKNOWN),
    ],
)  # fmt: skip
def test_method_of_attenuation_correction(method, want):
    assert on("attenuation", method, "AttenuationCorrectionMethod") == want


@pytest.mark.parametrize(("value", "want"), [("YES", "AC"), ("NO", "NAC"), ("MAYBE", UNKNOWN)])
def test_attenuation_corrected(value, want):
    assert on("attenuation", value, "AttenuationCorrected") == want


def test_every_text_of_the_series_is_read_alike():
    for keyword, text in itertools.product(TEXTS, NOT_CORRECTED[:10]):
        assert on("attenuation", text, keyword) == "NAC"


def test_a_negation_contradicts_a_code():
    texts = {"CorrectedImage": ("ATTN",), "SeriesDescription": ("STRESS w/o AC",)}
    found = answer("attenuation", Header(texts=texts))
    assert (found.answer, found.rule) == (UNKNOWN, "contradiction")
    assert found.keyword == "CorrectedImage / SeriesDescription"


STATE = "AcquisitionContextSequence"


@pytest.mark.parametrize(
    ("codes", "more", "want", "rule"),
    [
        (("F-05019",), {}, "stress", "state_code_stress"),
        (("109093", "Redistribution State"), {}, "rest", "state_code_rest"),
        (("X-1", "Belastung"), {}, "stress", "state_meaning_stress"),
        (("X-1", "no stress"), {}, "rest", "state_meaning_rest"),
        (("X-1", "Something"), {}, UNKNOWN, "code_unknown"),
        (("",), {"ImageID": ("STRESS",)}, UNKNOWN, "code_unknown"),
        (("X-1",), {"ImageID": ("STRESS",)}, UNKNOWN, "code_unknown"),
        (("F-05019", "Resting State"), {}, UNKNOWN, "contradiction"),
        (("F-05019", "F-01604"), {"ImageID": ("STRESS",)}, UNKNOWN, "contradiction"),
        (("F-05019",), {"SeriesDescription": ("PRE STRESS",)}, UNKNOWN, "contradiction"),
        (("F-05019",), {"SeriesDescription": ("Ruhe",)}, UNKNOWN, "contradiction"),
    ],
)
def test_patient_state_in_three_states(codes, more, want, rule):
    found = answer("stress", Header(texts={STATE: codes, **more}))
    assert (found.answer, found.rule) == (want, rule)


@pytest.mark.parametrize(
    ("question", "texts", "want"),
    [
        ("stress", {STATE: ("F-05019",), "SeriesDescription": ("STRESS/REST",)},
         "stress_text_says_both"),
        ("stress", {"ImageID": ("STRESS",), "StudyDescription": ("REST",)}, "stress_said_twice"),
        ("stress", {"SeriesDescription": ("STRESS",), "ImageID": ("RTOMO",)}, "stress_said_twice"),
        ("attenuation", {"SeriesDescription": ("AC",), "CorrectedImage": ("SCAT",)},
         "attenuation_said_twice"),
        ("stress", {"ImageID": ("STRESS",), "StudyDescription": ("STRESS/REST",)}, ""),
        ("stress", {"ImageID": ("STRESS",), "ProtocolName": ("STRESS/REST",)}, ""),
        ("reconstruction", {"ImageID": ("OSEM",), "ProcessingFunction": ("Butterworth",)}, ""),
    ],
)  # fmt: skip
def test_what_speaks_against_an_answer_is_told(question, texts, want):
    header = Header(texts=texts)
    found = doubts(question, header, answer(question, header))
    assert [one.rule for one in found] == ([want] if want else [])


def test_plain_text_has_one_word_for_a_phrase():
    assert plain("Stress w/o AC, 3D-OSEM") == " STRESS NAC ; 3D OSEM "
