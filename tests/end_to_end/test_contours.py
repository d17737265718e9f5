"""Contours from the archive to the masks, and the masks out again, by the doors of the stages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from io import BytesIO

import numpy as np
import pytest
from contour_objects import contours_of, make_structures
from imaging_objects import HABITS, SUBJECT, dice, phantom
from pydicom import dcmread
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.config import load, sites_of
from mpss_lib.demo.archive import Archive
from mpss_lib.demo.nm_modules import SeriesText
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom.segments import read_segments
from mpss_lib.intake import stage as intake
from mpss_lib.masks import read_masks
from mpss_lib.pull import stage as pull
from mpss_lib.quality import stage as quality
from mpss_lib.segmentation import stage as segmentation
from mpss_lib.tables import Lake

pytestmark = pytest.mark.pacs

PATIENT = replace(SUBJECT, patient_name="CANARYNAME^Anna", patient_id="CANARYID")
SETTINGS = """\
[archive]
port = {port}
called_aet = "HOSPITAL"
[pull]
contour_names = {{ EPI = ["Aussenwand"] }}
[segmentation]
masks_from = "contours"
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home beside an archive that holds a study with its structure set."""
    made = phantom(21)
    series = SeriesText(
        "2.25.71", "2.25.72", 1, "STRESS AC OSEM", corrected=("ATTN",), reconstruction="OSEM",
        state="stress", view="transaxial",
    )  # fmt: skip
    drawn = make_structures(
        {
            "LV endo": contours_of(made.truth["ENDO"]),
            "Aussenwand": contours_of(made.truth["EPI"]),
            "CANARYORGAN": contours_of(made.truth["EPI"])[:2],
        },
        frame=PATIENT.frame_of_reference,
        study=PATIENT.study,
        PatientName=PATIENT.patient_name,
        PatientID=PATIENT.patient_id,
        OperatorsName="CANARYOPERATOR",
    )
    archive = Archive(tmp_path / "pacs")
    archive.add(nm_dataset(made.volume, PATIENT, series, HABITS), drawn)
    drawn.save_as(tmp_path / "drawn.dcm")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("MPSS_HOME", str(home))
    with archive.serve(aet="HOSPITAL", allowed_aets=["MPSS"]) as server:
        (home / "mpss.toml").write_text(SETTINGS.format(port=server.port))
        yield home


def test_from_the_archive_to_masks_and_out_again(home, tmp_path):
    lake, config = Lake(home / "lake"), load(home, environ={})
    sites = sites_of(config, home)
    [key] = pull.find((date(2020, 1, 2), date(2020, 1, 2)), lake, config, sites)
    assert pull.run(key, lake, config, sites).status == "done"
    assert intake.run(key, lake, config).status == "done"
    assert segmentation.run(key, lake, config).status == "done"
    assert quality.run(key, lake, config).status == "done"
    [row] = lake.rows("segmentation", config.address("segmentation"), key)
    assert row["masks_from"] == "contours"
    masks, _ = read_masks(lake.root / row["mask_path"])
    for name in ("ENDO", "EPI", "MYO"):
        assert dice(masks[name].array, phantom(21).truth[name].array) == 1.0

    runner = CliRunner()
    output = tmp_path / "masks.dcm"
    told = runner.invoke(cli.app, ["segmentation", "export", key, "--output", str(output)])
    assert told.exit_code == 0, told.output
    exported = read_segments(output)
    assert exported.segments[0].label == "MYO"
    assert dcmread(output).PatientID.startswith("P")

    told = runner.invoke(cli.app, ["segmentation", "names", str(tmp_path / "drawn.dcm")])
    assert told.exit_code == 0
    assert "EPI" in told.output
    told = runner.invoke(cli.app, ["segmentation", "import", str(output), key])
    assert told.exit_code == 0, told.output
    assert segmentation.run(key, lake, config).status == "done"
    path = lake.current_path("segmentation", config.address("segmentation"), key)
    assert path is not None
    rows = lake.rows("contour_object", config.address("segmentation"), key)
    assert {row["origin"] for row in rows} == {"archive", "import"}
    written = [one.read_bytes() for one in lake.root.rglob("*") if one.is_file()]
    for planted in (b"CANARY", b"Invented", b"Interpreter", PATIENT.study.encode() + b"\0"):
        assert not any(planted in content for content in [*written, output.read_bytes()])


def test_masks_of_the_export_are_those_of_the_lake(home):
    from mpss_lib.dicom import read_volume
    from mpss_lib.dicom.segments import place
    from mpss_lib.segmentation.export import export_masks

    lake, config = Lake(home / "lake"), load(home, environ={})
    sites = sites_of(config, home)
    [key] = pull.find((date(2020, 1, 2), date(2020, 1, 2)), lake, config, sites)
    pull.run(key, lake, config, sites)
    intake.run(key, lake, config)
    segmentation.run(key, lake, config)
    [row] = lake.rows("segmentation", config.address("segmentation"), key)
    masks, _ = read_masks(lake.root / row["mask_path"])
    [chosen] = [
        one for one in lake.rows("volume", config.address("intake"), key) if one["is_chosen"]
    ]
    volume = read_volume(lake.root / chosen["path"])
    made = read_segments(dcmread(BytesIO(export_masks(key, lake, config))))
    for segment in made.segments:
        assert np.array_equal(place(segment, volume).array, masks[segment.label].array)
