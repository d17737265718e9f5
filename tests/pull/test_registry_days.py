"""The day of a moment that names its zone is the site's, or the row says why there is none."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from registry_rows import GOOD

from mpss_lib.config import Config
from mpss_lib.contract import COLUMNS
from mpss_lib.errors import PlatformFaultError
from mpss_lib.pull.clinical.row import check_row
from mpss_lib.pull.stage import import_registry
from mpss_lib.pull.vault import Vault
from mpss_lib.sections import PullSettings, RegistryFormat, SiteSettings

ZURICH, NEW_YORK = ZoneInfo("Europe/Zurich"), ZoneInfo("America/New_York")
EAST = timezone(timedelta(hours=2))
MOVED = "study_date_zone: the site's day of a moment that names another one"


def row_of(value, zone=ZURICH, **form):
    settings = PullSettings(registry_format=RegistryFormat(**form))
    days = {"study_date": value, "cac_date": "2026-03-20"}
    return check_row(GOOD | days, settings, zone=zone, today=date(2026, 12, 31))


@pytest.mark.parametrize(
    ("text", "zone", "day"),
    [
        ("2026-01-12T23:00:00Z", ZURICH, 13),
        ("2026-01-12T22:59:59Z", ZURICH, 12),
        ("2026-01-12 23:00:00+00:00", ZURICH, 13),
        ("2026-01-12T23:00Z", ZURICH, 13),
        ("2026-01-12T23Z", ZURICH, 13),
        ("20260112T230000Z", ZURICH, 13),
        ("2026-01-12T23:00:00.0000000+00:00", ZURICH, 13),
        ("2026-01-12T23:30:00+0100", ZURICH, 12),
        ("2026-01-13T00:30:00+02:00", ZURICH, 12),
        ("2026-01-12T18:30:00-05:00", ZURICH, 13),
        ("2026-01-13T03:00:00Z", NEW_YORK, 12),
        ("2026-01-13T00:00:00Z", NEW_YORK, 12),  # an instant, whoever wrote it
        ("2026-01-13T00:00:00Z", ZURICH, 13),
        ("2026-01-12T23:59:59", ZURICH, 12),  # the site's own clock
        ("2026-01-12T00:00:00", NEW_YORK, 12),
        ("2026-01-12", NEW_YORK, 12),
        ("20260112", NEW_YORK, 12),
    ],
)
def test_a_text_becomes_the_day_of_the_site(text, zone, day):
    row = row_of(text, zone)
    assert row.study_date == date(2026, 1, day)
    assert row.reasons == []
    written = int(text.replace("-", "")[6:8])
    assert (MOVED in row.flags) == (written != day)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-28T23:00:00Z", date(2026, 3, 29)),  # winter still: UTC+1
        ("2026-03-29T22:00:00Z", date(2026, 3, 30)),  # summer since this night: UTC+2
        ("2026-03-29T21:59:59Z", date(2026, 3, 29)),
        ("2026-10-24T22:00:00Z", date(2026, 10, 25)),
        ("2026-10-25T22:00:00Z", date(2026, 10, 25)),  # winter again
        ("2026-10-25T23:00:00Z", date(2026, 10, 26)),
    ],
)
def test_summer_time_is_that_of_the_day(text, day):
    assert row_of(text).study_date == day


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (datetime(2026, 1, 12, 23, tzinfo=UTC), 13),
        (datetime(2026, 1, 13, 0, 30, tzinfo=EAST), 12),
        (datetime(2026, 1, 12, 18, tzinfo=NEW_YORK), 13),
        (datetime(2026, 1, 12, 23, 59), 12),  # noqa: DTZ001 -- as a driver gives it
        (date(2026, 1, 12), 12),
    ],
)
def test_a_value_of_a_database_becomes_the_day_of_the_site(value, day):
    assert row_of(value).study_date == date(2026, 1, day)


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("12.01.2026 23:00 +0000", "%d.%m.%Y %H:%M %z", 13),
        ("12.01.2026 23:00 Z", "%d.%m.%Y %H:%M %z", 13),
        ("12.01.2026 23:00", "%d.%m.%Y %H:%M", 12),
    ],
)
def test_a_format_of_the_site_may_name_the_distance(text, form, day):
    assert row_of(text, date=form).study_date == date(2026, 1, day)


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M %Z", "%Y-%m-%d UTC", "%d.%m.%Y %H:%M+01:00",
             "%d.%m.%Y %H:%M CET", "%d.%m.%Y %H:%M MESZ"]
)  # fmt: skip
def test_a_format_that_would_cut_a_zone_is_refused(form):
    with pytest.raises(ValidationError, match="write %z"):
        RegistryFormat(date=form)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2026-01-12T24:00:00", "24:00 belongs to two days"),
        ("2026-01-12T24:00:00Z", "24:00 belongs to two days"),
        ("2026-01-12 23:00:00 UTC", "no date"),
        ("2026-01-12 23:00:00 Europe/Zurich", "no date"),
        ("2026-01-12T23:00:00[Europe/Zurich]", "no date"),
        ("12.01.2026 23:00:00 CET", "no date"),
        ("9999-12-31T23:59:59-05:00", "no date"),
        ("0001-01-01T00:00:00+05:00", "no date"),
        ("20260112923", "no date"),  # a number, no day with an hour
        ("1768258800000", "no date"),
        ("46034", "a serial number of a spreadsheet"),
        ("46034.9583333", "a serial number of a spreadsheet"),
        (46034, "a serial number of a spreadsheet"),
        (datetime.max.replace(tzinfo=NEW_YORK), "no date"),
    ],
)
def test_what_names_no_day_of_the_site_is_refused(value, told):
    row = row_of(value)
    assert row.study_date is None
    assert [told in reason for reason in row.reasons] == [True]


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Europe/Zurich", date(2026, 1, 13)), ("UTC", date(2026, 1, 12))],
)
def test_the_zone_of_the_site_decides_what_is_stored(zone, day, lake, sites_of, tmp_path):
    times = {"study_date": "2026-01-12T23:00:00Z", "cac_date": "2026-01-12T23:00:00Z"}
    values = GOOD | times | {"birth_date": "1964-05-19T23:00:00Z"}
    path = tmp_path / "registry.csv"
    lines = [",".join(COLUMNS), ",".join(str(values[name]) for name in COLUMNS)]
    path.write_text("\n".join(lines))
    sites = replace(sites_of(1), registry_url=f"csv:///{path}")
    config = Config(site=SiteSettings(timezone=zone))
    assert import_registry(lake, config, sites)["accepted"] == 1
    [row] = lake.rows("clinical", config.address("pull"), "all")
    shift = timedelta(days=Vault(sites.vault).shift_days(row["patient_key"], 365))
    assert (row["study_date_shifted"], row["cac_date_shifted"]) == (day + shift, day + shift)


def test_another_zone_writes_the_rows_again(lake, sites_of, tmp_path):
    path = tmp_path / "registry.csv"
    lines = [",".join(COLUMNS), ",".join(str(GOOD[name]) for name in COLUMNS)]
    path.write_text("\n".join(lines))
    sites = replace(sites_of(1), registry_url=f"csv:///{path}")
    for zone, skipped in (("UTC", 0), ("UTC", 1), ("Europe/Zurich", 0)):
        config = Config(site=SiteSettings(timezone=zone))
        assert import_registry(lake, config, sites)["skipped"] == skipped


@pytest.mark.parametrize("kind", ["DATE", "TIMESTAMP", "DATETIME", "TEXT", "NUMERIC", ""])
@pytest.mark.parametrize(
    ("value", "day"),
    [("2026-01-12T23:00:00Z", 13), ("2026-01-13 00:30:00+02:00", 12), ("2026-01-12", 12),
     (20260112, 12), ("Jane Doe", None), (46034, None), ("2026-01-12T24:00:00", None)],
)  # fmt: skip
def test_a_column_of_sqlite_may_say_date_and_hold_anything(
    kind, value, day, lake, sites_of, tmp_path
):
    path = tmp_path / "registry.sqlite"
    names = [name if name != "study_date" else f"study_date {kind}" for name in COLUMNS]
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"create table mpss_clinical ({', '.join(names)})")
        row = GOOD | {"study_date": value}
        db.execute(f"insert into mpss_clinical values ({', '.join('?' * len(row))})",
                   [row[name] for name in COLUMNS])  # fmt: skip
        db.commit()
    sites = replace(sites_of(1), registry_url=f"sqlite:///{path}")
    config = Config(site=SiteSettings(timezone="Europe/Zurich"))
    import_registry(lake, config, sites)
    [row] = lake.rows("clinical", config.address("pull"), "all")
    shift = timedelta(days=Vault(sites.vault).shift_days(row["patient_key"], 365))
    wanted = None if day is None else date(2026, 1, day) + shift
    assert (row["study_date_shifted"], row["is_accepted"]) == (wanted, day is not None)
    assert "Doe" not in str(row)


@pytest.mark.parametrize(
    ("value", "day"),
    [("2026-01-12T23:00:00Z", 13), ("2026-01-13T00:30:00+02", 12), ("infinity", None)],
)
def test_a_moment_of_postgresql(value, day, lake, sites_of, postgres, database):
    kinds = dict.fromkeys(COLUMNS, "text") | {"study_date": "timestamptz"}
    with postgres.connect(database) as db:
        columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        db.execute(f"create table mpss_clinical ({columns})")
        row = GOOD | {"study_date": value}
        marks = ", ".join(f"%s::text::{kinds[name]}" for name in COLUMNS)
        db.execute(f"insert into mpss_clinical values ({marks})", [row[name] for name in COLUMNS])
    url = postgres.url(database).replace("postgresql://", "postgresql+psycopg://")
    sites = replace(sites_of(1), registry_url=url)
    config = Config(site=SiteSettings(timezone="Europe/Zurich"))
    if day is None:
        with pytest.raises(PlatformFaultError, match="dates such as infinity"):
            import_registry(lake, config, sites)
        return
    import_registry(lake, config, sites)
    [row] = lake.rows("clinical", config.address("pull"), "all")
    shift = timedelta(days=Vault(sites.vault).shift_days(row["patient_key"], 365))
    assert row["study_date_shifted"] == date(2026, 1, day) + shift
