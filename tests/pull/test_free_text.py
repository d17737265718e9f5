"""What stays of a text: words of the list that are nobody's name, numbers that stand alone."""

from __future__ import annotations

import random
import re

import pytest

from mpss_lib.pull.deidentification.equipment import clean_model, clean_version
from mpss_lib.pull.deidentification.free_text import TextCleaner
from mpss_lib.pull.deidentification.names import Named, named_by
from mpss_lib.pull.deidentification.words import WORDS


def clean(text, names=(), ids=(), extra=()):
    return TextCleaner(named_by(names, ids), extra).clean(text)


DATES = (
    "12/03/50", "15.06.50", "15.06.1950", "02.03.26 10:15", "1950-6-15", "1950/06/15",
    "15 JUN 1950",
    "15JUN1950", "15-JUN-50", "JUN 15 1950", "June 15, 1950", "Mai 3", "3 Mai", "3. Mai",
    "le 3 mai",
    "3 de mayo de 1950", "3 maggio '50", "15th of June 50", "15 set 1950", "15SET", "1er août 50",
    "März 3", "3 Févr.", "15.IV.50", "15-VI-50", "IV/50", "15 06 50", "15_06_50", "15·06·50",
    "15–06–50", "15\n06\n50", "150650", "19500615", "15|06|50", "(15)(06)(50)", "15 of 06 of 50",
    "12/50", "03.26", "10:15", "10:15 Uhr", "10h15", "10 h 15", "10.15 h", "1015", "*50", "'50",
    "geb. 50", "age 67", "67y", "J. 50", "１２/03/50", "15.06.50mm", "15.06min", "T15:06",
    "50/6/15",
    "15  -  06  -  50", "1950W23", "06/1950", "0615", "T2.06.50", "Jg.50",
    "geb15.06.50", "3. mei",
    "15,06,50", "15;06;50", "15:06:50",
)  # fmt: skip
PHONES = (
    "+41 44 123 45 67", "044/123 45 67", "044 123 45 67", "(044) 123-45-67", "0441234567",
    "+49-30-12 34 56", "01 23 45 67 89", "06.12.34.56.78", "tel 12 34", "+41", "Tel. 3", "555-1234",
    "Ext. 12", "0039 06 12", "1-800-55", "044 123 45", "12 34 56 78", "No. 12-34", "#12", "№ 12",
)  # fmt: skip


@pytest.mark.parametrize("told", [*DATES, *PHONES])
@pytest.mark.parametrize(
    "frame",
    ["{}", "STRESS {}", "{} AC", "STRESS AC {} OSEM 8i4s", "REST_{}_NAC", "STRESS{}", "AC ({})"],
)
def test_dates_times_and_telephone_numbers_go_whole(told, frame):
    left = clean(frame.format(told))
    digits = "".join(sign for sign in left.replace("8i4s", "") if sign.isdigit())
    assert digits == "", left
    harmless = clean(frame.format("zzz"))
    if "STRESS{}" not in frame:
        assert re.findall(r"\w+", left.replace("_", " ")) == harmless.replace("_", " ").split()


@pytest.mark.parametrize(
    "text",
    [
        "STRESS AC OSEM 8i4s", "Stress Flash3D AC 8i4s", "OSEM 8 ITERATIONS 4 SUBSETS", "STRESS 2",
        "2 DAY STRESS", "TWO DAY CT", "4.8 mm", "4,8 mm AC", "4.8mm", "140KEV", "64x64 STRESS",
        "128x128", "Tc-99m", "TC 99 STRESS", "TL 201 REST", "TL201", "OSEM8I4S AC", "3D OSEM",
        "15 %",
        "STRESS 25 % AC", "180DEG", "GATED 8 FRAMES", "RECON 1", "SA 1", "BUTTERWORTH ORDER 5",
        "8MM GAUSS", "740MBq", "ohne AC", "sans AC", "senza AC", "sin AC", "without AC",
    ],
)  # fmt: skip
def test_harmless_texts_stay_as_they_are(text):
    if text == "15 %":
        assert clean(text) == ""  # alone it may be anything
    else:
        assert clean(text) == text


@pytest.mark.parametrize(
    "address", ["long.heart@rest.ch", "http://heart.long/stress", "www.heart.ch", "LONG@HEART"]
)
def test_addresses_go_whole(address):
    assert clean(f"STRESS {address} AC") == "STRESS AC"
    assert clean(f"STRESS {address} 3 AC") == "STRESS AC"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("STRESS nac. 67 AC", "STRESS nac AC"),
        ("STRESS NAC 2", "STRESS NAC 2"),
        ("OSEM23:50AC TOMO", "TOMO"),
        ("OSEM18.17 Uhr AC", "AC"),
        ("OSEM31 avril 66 AC", "AC"),
        ("OSEM18 de diciembre de 1950 AC", "AC"),
        ("MYO '41TOMO AC", "MYO AC"),
        ("SA* '49REST", "SA"),
        ("OSEM8 4.8mm AC", "OSEM8 4.8mm AC"),
        ("OSEM8 - 64x64", "OSEM8 - 64x64"),
    ],
)
def test_digits_that_hang_on_a_word_are_of_the_date(text, left):
    assert clean(text) == left


def test_three_numbers_with_words_between_may_be_a_date():
    assert clean("STRESS 15 AC 06 REST 50") == "STRESS AC REST"
    assert clean("OSEM 8 ITERATIONS 4 SUBSETS ORDER 5") == "OSEM 8 ITERATIONS 4 SUBSETS ORDER 5"
    assert clean("STRESS 1 REST 2") == "STRESS 1 REST 2"
    assert clean("4.8 mm STRESS 2") == "4.8 mm STRESS"


def test_what_is_left_is_joined_plainly():
    assert clean("STRESS w/o AC") == "STRESS without AC"
    assert clean("STRESS (2) [AC] {OSEM}") == "STRESS 2 AC OSEM"
    assert clean("SGATE_G_1") == "SGATE_1"
    assert clean("scan No. 12 AC") == "scan AC"  # "NO AC" would say the opposite
    assert clean("") == clean("  ") == clean("^") == ""


# ------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("Heart^Anna", "Heart STRESS AC", "STRESS AC"),
        ("Heart^Anna", "HEART SA", "SA"),
        ("Müller^Rest", "STRESS/REST AC", "STRESS AC"),
        ("Smith^John^Long", "LONG AX", "AX"),
        ("Smith^John^Long", "H Long Ax SA", "Ax SA"),
        ("Smith^John^Long", "LONGAX SA", "SA"),
        ("Smith^John^^Head", "HEAD FIRST", "FIRST"),
        ("Head", "HEADFIRST SUPINE", "SUPINE"),
        ("Yamada^Tarou=山田^太郎=Stress^Tarou", "STRESS AC", "AC"),
        ("=Stress^山", "STRESS AC", "AC"),
        ("Lóng^Zoë", "LONG AX", "AX"),
        ("Stréss", "GSTRESS AC", "AC"),
        ("STRESS-TEST^A", "STRESS AC", "AC"),
        ("O'Rest", "REST AC", "AC"),
        ("Longhead", "LONG HEAD AC", "AC"),
        ("De Rest^Ann", "REST_AC", "AC"),
        ("An^Li", "LAO LI AC", "LAO AC"),
        ("Kim^No", "STRESS NO AC", ""),  # without NO the rest would say the opposite
        ("Öffner^Off", "AC OFF", ""),
        ("Ramp", "Wnr/Ramp", "Wnr"),
        ("Ring^A", "ring ITERATIVE", "ITERATIVE"),
        ("Fan^A", "FanBeam AC", "AC"),
    ],
)
def test_words_that_are_names_go(name, text, left):
    assert clean(text, [name]) == left
    assert clean(text, [name.lower()]) == left


@pytest.mark.parametrize(
    "name",
    ["", "NONE", "NO^NAME", "UNKNOWN^DOCTOR", "DEMO^PATIENT 0001", "Test^Patient", "^", "A^B"],
)
def test_what_stands_where_nobody_is_named_takes_no_word(name):
    assert clean("DEMO PATIENT TEST NO AC", [name]) == "DEMO PATIENT TEST NO AC"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Dr. Long STRESS", "STRESS"),
        ("Dr Stress AC", "AC"),
        ("Prof. Dr. A. Long-Head STRESS", "STRESS"),
        ("Mrs. Heart, REST", "REST"),
        ("Frau Rest STRESS AC", "STRESS AC"),
        ("M. Long AC", "AC"),
        ("Mme Rest AC", "AC"),
        ("Sig.ra Heart AC", "AC"),
        ("Herr No AC", ""),
        ("name: Heart AC", "AC"),
        ("Patient: Heart AC", "Patient AC"),
        ("PT: Long AC", "PT AC"),
        ("PATIENT STATE STRESS", "PATIENT STATE STRESS"),
        ("STRESS AC", "STRESS AC"),
        ("Dr. med. Wall AC", "AC"),
        ("Prof. Dr. med. habil. Wall AC", "AC"),
        ("PD Dr. rer. nat. Wall AC", "AC"),
        ("Hr. Wall AC", "AC"),
        ("Hrn Wall AC", "AC"),
        ("Ms Long AC", "AC"),
        ("Zuweiser: Wall AC", "AC"),
        ("Überweiser Dr. med. Wall AC", "AC"),
        ("Arzt Wall AC", "AC"),
        ("médecin: Dr Long AC", "AC"),
        ("Technologist Base AC", "AC"),
        ("Médico Base AC", "AC"),
        ("Tecnico: Base AC", "AC"),
        ("Ref. Physician: Back AC", "AC"),
        ("tech: Back AC", "AC"),
        ("Op: Head AC", "AC"),
    ],
)
def test_the_word_behind_a_title_goes(text, left):
    assert clean(text) == left


@pytest.mark.parametrize(
    ("number", "text", "left"),
    [
        ("AC-12", "AC 12 TOMO", "TOMO"),
        ("AC12", "AC12 TOMO", "TOMO"),
        ("42", "STRESS 42 AC", "STRESS AC"),
        ("OSEM", "OSEM AC", "AC"),
        ("8i4s", "OSEM 8I4S AC", "OSEM AC"),
        ("1", "STRESS 1", "STRESS 1"),  # one sign is no identifier
    ],
)
def test_identifiers_made_of_harmless_words_go(number, text, left):
    assert clean(text, ids=[number]) == left


def test_a_site_s_own_words_go_where_they_are_names():
    assert clean("Belastungsserie AC", extra=("Belastungsserie",)) == "Belastungsserie AC"
    assert clean("Keller AC", ["Keller^A"], extra=("Keller",)) == "AC"


# -------------------------------------------------------------------- equipment


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("4.0", "4.0"), ("VB10A", "VB10A"), ("1.003.009", "1.003.009"), ("2.0", "2.0"),
        ("Xeleris 4.0117", "Xeleris 4.0117"), ("V1.2.3", "V1.2.3"), ("VB22B_SP01", "VB22B SP01"),
        ("15.06.50", ""), ("2019.06.15", ""), ("06.1950", ""), ("10.15", ""), ("12 03 50", ""),
        ("V1.2.3 build 20240312", "V1.2.3"), ("192.168.1.12", ""), ("MB4711", ""),
        ("Miller 4.0", "4.0"), ("044/123 45 67", ""), ("0441234567", ""),
    ],
)  # fmt: skip
def test_versions_stay_and_dates_go(text, left):
    assert clean_version([text], TextCleaner(Named())) == [left]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("NM/CT 670", "NM/CT 670"), ("Discovery NM 530c", "Discovery NM 530c"),
        ("Symbia T16", "Symbia T16"), ("Intevo 6", "Intevo 6"), ("DEMO XELERIS", "DEMO XELERIS"),
        ("INFINIA 4711", "INFINIA"), ("INFINIA SN 12", "INFINIA"), ("INFINIA S/N 0815", "INFINIA"),
        ("Infinia St. Mary 2", "Infinia"), ("670 15.06.50", ""),
        ("Infinia Heart Clinic", "Infinia"), ("SYMBIA REST WARD LONG", "SYMBIA"),
        ("BRIGHTVIEW XCT#4711", "BRIGHTVIEW XCT"),
    ],
)  # fmt: skip
def test_models_stay_and_serial_numbers_go(text, left):
    assert clean_model([text], TextCleaner(Named())) == [left]


def test_what_is_remembered_of_a_text_is_nobody_s_in_particular():
    rng = random.Random(13)
    words = ["Heart", "STRESS", "Rest AC", "StressHeart", "OSEM 8i4s", "no", "15.06.50", "Long"]
    people = ["", "Heart^Anna", "Long^H", "Rest^Ida", "No^Bo", "Osem^Str", "8i4s^AC"]
    for _ in range(400):
        texts = [" ".join(rng.sample(words, 3)) for _ in range(rng.randint(1, 2))]
        named = named_by([rng.choice(people)], [rng.choice(["", "8 4", "STRESS", "1506"])])
        cleaner = TextCleaner(named, rng.choice([(), ("Anna",)]))
        assert cleaner.clean_all(texts) == cleaner._cleaned(texts, WORDS)
