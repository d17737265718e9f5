"""What an object says of itself is read as received: before texts are cleaned and numbers go."""

from __future__ import annotations

import json
from datetime import date

import pytest
from pacs_objects import make_nm, series_uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mpss_lib.config import Config
from mpss_lib.demo.nm_modules import coded
from mpss_lib.intake import stage as intake
from mpss_lib.pull import stage
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings

WINDOW = (date(2026, 3, 2), date(2026, 3, 2))

pytestmark = pytest.mark.pacs


@pytest.fixture
def brought(archive, sites, lake, config):
    """Bring one object through pull and intake; give its rows of both."""

    def bring(own: Config = config, **attributes: object):
        archive.add(make_nm(1, **attributes))
        [key] = stage.find(WINDOW, lake, own, sites)
        stage.run(key, lake, own, sites)
        intake.run(key, lake, own)
        [instance] = lake.rows("instance", own.address("pull"), key)
        [volume] = lake.rows("volume", own.address("intake"), key)
        return json.loads(instance["said"]), volume

    return bring


PLAIN = {"ImageID": None, "CorrectedImage": None}


@pytest.mark.parametrize(
    "text", ["STRESS w/o AC", "STRESS ohne AC", "STRESS sans AC", "STRESS NO AC", "STRESS AC OFF",
             "STRESS AC: aus", "Stress nicht schwächungskorrigiert"],
)  # fmt: skip
def test_negated_correction_is_not_accepted(brought, text):
    said, volume = brought(SeriesDescription=text, SpecificCharacterSet="ISO_IR 192", **PLAIN)
    assert said["answers"]["attenuation"] == {
        "answer": "NAC",
        "keyword": "SeriesDescription",
        "rule": "word_nac_in_SeriesDescription",
    }
    assert volume["attenuation"] == "NAC"
    assert "not_attenuation_corrected" in volume["reasons"]


def test_before_stress_is_rest(brought):
    _, volume = brought(SeriesDescription="PRE STRESS AC", **PLAIN)
    assert (volume["stress"], "rest" in volume["reasons"]) == ("rest", True)


def test_no_text_of_the_object_is_kept(brought):
    said, volume = brought(SeriesDescription="STRESS AC Invented Person1", ProtocolName="Dr Ruhe")
    assert "Person" not in json.dumps(said) + volume["evidence"]
    assert "Dr" not in json.dumps(said) + volume["evidence"]
    assert volume["stress"] == "unknown"


def test_a_rule_of_the_site_sees_the_raw_text(brought):
    rule = {"question": "attenuation", "keyword": "StationName", "pattern": "^CAM7$",
            "answer": "NAC"}  # fmt: skip
    own = Config(pull=PullSettings(acquired_period="quarter", site_rules=(rule,)))
    said, volume = brought(own, StationName="CAM7")
    assert said["answers"]["attenuation"]["rule"] == "site_1"
    assert volume["attenuation"] == "NAC"
    assert "CAM7" not in volume["evidence"]


def test_a_code_that_cleaning_drops_still_decides(brought):
    item = Dataset()
    item.ConceptNameCodeSequence = coded("109054", "DCM", "Patient State")
    item.ConceptCodeSequence = coded("R-1", "99SITE", "Ruhe")
    said, volume = brought(AcquisitionContextSequence=Sequence([item]))
    assert said["answers"]["stress"]["rule"] == "contradiction"
    assert "stress_unknown" in volume["reasons"]


def test_the_latest_series_is_known_by_its_place(archive, sites, lake, config):
    """SeriesNumber 4711007 may be the patient's: not stored, and still after 3."""
    for series, number in ((1, "3"), (2, "4711007"), (3, "88"), (4, "")):
        archive.add(make_nm(1, series=series, SeriesNumber=number))
    [key] = stage.find(WINDOW, lake, config, sites)
    stage.run(key, lake, config, sites)
    vault = Vault(sites.vault)
    order = {
        vault.uid(series_uid(1, series)): place
        for series, place in ((1, 1), (2, 3), (3, 2), (4, 0))
    }
    rows = lake.rows("instance", config.address("pull"), key)
    assert {row["series_key"]: row["series_order"] for row in rows} == order
    content = b"".join((lake.root / row["path"]).read_bytes() for row in rows)
    assert b"4711007" not in content
