"""OMOP's tables: a receiver's definitions take the files, and what went in comes out."""

import re
import stat
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from fabricated_lake import Builder, fabricate, settings

from mpss_lib.errors import PlatformFaultError
from mpss_lib.publication import omop
from mpss_lib.publication.omop import TABLES, export_omop
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

DEFINITIONS = Path(__file__).with_name("omop_tables.sql").read_text()
OF_OMOP = (0, 1147330, 32817, 32880)  # concepts that the receiver has from OMOP's vocabularies


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    build = Builder(Lake(tmp_path_factory.mktemp("omop") / "lake"), settings())
    fabricate(build)
    build.ejection("s01", 61.0, object_key="s01o2", stroke_ml=61.0)
    build.ejection("s02", 12.0, "unusual_fraction", object_key="s02o2")
    build.flush()
    warehouse.run(build.lake, build.config)
    return build.lake


@pytest.fixture(scope="module")
def files(lake, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files") / "omop"
    counts = export_omop(lake, folder)
    assert counts == {name: pq.read_metadata(folder / f"{name}.parquet").num_rows
                      for name in TABLES}  # fmt: skip
    return folder


@pytest.fixture
def receiver(files):
    """A database with OMOP's definitions, its own concepts, and the persons that are named."""
    with duckdb.connect() as connection:
        connection.execute(DEFINITIONS)
        for number in OF_OMOP:
            connection.execute(
                "insert into concept values (?, 'of OMOP', '', '', '', null, '',"
                " date '1970-01-01', date '2099-12-31', null)",
                [number],
            )
        connection.execute(
            "insert into person select distinct person_id"
            f" from '{files / 'procedure_occurrence.parquet'}'"
        )
        yield connection


def load(connection, files):
    for name in TABLES:
        path = files / f"{name}.parquet"
        connection.execute(f"insert into {name} by name from '{path}'")


def test_a_receivers_definitions_take_every_file(lake, files, receiver):
    load(receiver, files)
    told = receiver.execute(
        "select procedure.procedure_source_value, concept.concept_code, site.concept_code,"
        " measurement.value_as_number from image_feature as feature"
        " inner join measurement on feature.image_feature_event_id = measurement.measurement_id"
        " inner join image_occurrence as image using (image_occurrence_id)"
        " inner join procedure_occurrence as procedure using (procedure_occurrence_id)"
        " inner join concept on feature.image_feature_concept_id = concept.concept_id"
        " inner join concept as site on feature.anatomic_site_concept_id = site.concept_id"
    ).fetchall()
    by_value = {tuple(row[:3]): row[3] for row in told}
    assert len(by_value) == len(told)  # a study, a code and a site name a value once
    assert by_value["s01", "10230-1", "87878005"] == 61.0
    with open_snapshot(lake.snapshot) as snapshot:
        features = snapshot.execute(
            "select study_key, ibsi_code || '@' || bins, segment, value"
            " from feature.radiomics_long where depends_on_bins and isfinite(value)"
        ).fetchall()
    assert len(features) > 1000
    for study, code, segment, value in features:
        assert by_value[study, code, "49848007" if segment == "MYO" else segment] == value


def test_a_doubtful_figure_stays_at_home(files):
    whole = pq.read_table(files / "measurement.parquet").to_pylist()
    ejection = [row for row in whole if row["measurement_source_value"] == "lvef"]
    assert [row["value_as_number"] for row in ejection] == [61.0]


def test_keys_are_pseudonyms_and_files_are_the_accounts_own(files):
    [table] = [pq.read_table(files / "image_occurrence.parquet")]
    assert all(re.fullmatch(r"s\d\d", row) for row in table["image_study_uid"].to_pylist())
    assert table["local_path"].null_count == table["wadors_uri"].null_count == table.num_rows
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.iterdir()} == {0o600}


def test_the_definitions_refuse_what_lacks_its_keys(files, receiver):
    """They are no open door: without procedures no image is taken, without a date neither."""
    path = files / "image_occurrence.parquet"
    with pytest.raises(duckdb.ConstraintException, match="foreign key"):
        receiver.execute(f"insert into image_occurrence by name from '{path}'")
    load(receiver, files)
    with pytest.raises(duckdb.ConstraintException, match="NOT NULL"):
        receiver.execute(
            "insert into measurement by name select * replace (null as measurement_date,"
            f" -1 as measurement_id) from '{files / 'measurement.parquet'}' limit 1"
        )


def test_more_values_than_omop_can_number_are_refused(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(omop, "LARGEST", 1000)
    with pytest.raises(PlatformFaultError, match=r"ends at 1000.*way out: fewer grey levels"):
        export_omop(lake, tmp_path / "omop")
    assert not (tmp_path / "omop").exists()
