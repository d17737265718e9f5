"""Every kind of bad clinical row: rejected or flagged with its reason, while good rows get in.

Each kind stands between two good rows, once in a CSV file and once in a SQL table where a table
can hold it.
"""

import csv
import io
import sqlite3
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from mpss_lib.config import Config
from mpss_lib.contract import COLUMNS
from mpss_lib.errors import PlatformFaultError, SettingsError
from mpss_lib.pull.stage import import_registry
from mpss_lib.sections import PullSettings

GOOD = {
    "patient_id": "HOSP-1",
    "accession_number": "ACC1",
    "study_date": "2026-03-02",
    "cac_date": "2026-03-20",
    "reading": "normal",
    "sex": "F",
    "race": "White",
    "age": "61",
    "height_m": "1.7",
    "weight_kg": "72.25",
    "bmi": "25.0",
    "lvef": "62",
    "smoking": "0",
    "diabetes": "1",
    "hypertension": "0",
    "hyperlipidemia": "0",
    "family_history": "1",
    "stress_agent": "adenosine",
    "cac_total": "110.5",
    "cac_lm": "0.5",
    "cac_lad": "60",
    "cac_lcx": "20",
    "cac_rca": "30",
    "birth_date": "1964-05-20",
}
BAD = GOOD | {"patient_id": "HOSP-BAD", "accession_number": "ACCBAD"}
TOMORROW = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
DECIMAL = "another decimal sign than pull.registry_format.decimal"
EXCEL = "an error value of a spreadsheet"


@dataclass
class Kind:
    """What is wrong, and what must be said of it."""

    name: str
    change: dict
    reason: str = ""  # of the rejection; empty: the row is accepted
    flag: str = ""  # of an accepted row
    value: tuple = ()  # column and value that an accepted row must hold
    also: tuple = ()  # changes of further rows of the same kind; each gets the reason too


KINDS = [
    # ---- codes
    Kind("wrong code of sex", {"sex": "X"}, "sex_code: not one of F, M"),
    Kind("wrong code of the reading", {"reading": "ok"}, "reading_code: not one of normal,"),
    Kind("wrong code of race", {"race": "7"}, "race_code: not one of White,"),
    Kind("wrong stress agent", {"stress_agent": "caffeine"}, "stress_agent_code: not one of"),
    Kind("wrong flag", {"smoking": "2"}, "smoking_type: no 0 or 1"),
    Kind("flag in words of another language", {"diabetes": "ja"}, "diabetes_type: no 0 or 1"),
    Kind("mixed case of a code", {"sex": "f", "reading": "Normal"}, value=("sex", "F")),
    # ---- ranges
    Kind("negative age", {"age": "-3"}, "age_range: -3 not in 0..120"),
    Kind("age of a tortoise", {"age": "140"}, "age_range: 140 not in 0..120"),
    Kind("calcium below zero", {"cac_total": "-5"}, "cac_total_range: -5 not in 0..20000"),
    Kind("artery below zero", {"cac_lad": "-1"}, "cac_lad_range: -1 not in 0..20000"),
    Kind("ejection fraction above 100", {"lvef": "130"}, "lvef_range: 130 not in 5..100"),
    Kind("negative zero", {"cac_lm": "-0.0", "cac_total": "110"}, flag="cac_lm_negative_zero",
         value=("cac_lm", 0.0)),
    # ---- sums
    Kind("arteries above the total", {"cac_total": "50"}, "cac_sum: total 50, arteries 110.5"),
    Kind("one artery above the total", {"cac_total": "50", "cac_lm": "", "cac_rca": ""},
         "cac_sum: total 50, arteries 80"),
    Kind("arteries below the total", {"cac_total": "500"}, "cac_sum: total 500, arteries 110.5"),
    Kind("arteries without a total", {"cac_total": ""}, "cac_total_missing"),
    Kind("body mass index of another body", {"bmi": "40"},
         "bmi_mismatch: 40, height and weight give 25.0"),
    # ---- missing
    Kind("missing ejection fraction", {"lvef": ""}, flag="lvef_missing", value=("lvef", None)),
    Kind("missing artery", {"cac_lm": ""}, flag="cac_lm_missing", value=("cac_lm", None)),
    Kind("missing patient", {"patient_id": "  "}, "patient_id_missing"),
    Kind("missing reading", {"reading": ""}, "reading_missing"),
    Kind("missing study date", {"study_date": ""}, "study_date_missing"),
    Kind("missing date of the calcium CT", {"cac_date": ""}, "cac_date_missing"),
    # ---- units
    Kind("height in centimetres", {"height_m": "170"}, "height_m_unit: 170 reads as cm"),
    Kind("height in inches", {"height_m": "40"}, "height_m_unit: 40 reads as in"),
    Kind("weight in pounds", {"weight_kg": "159.3"}, "weight_kg_unit: 159.3 reads as lb"),
    Kind("weight in grams", {"weight_kg": "72250"}, "weight_kg_unit: 72250 reads as g"),
    Kind("ejection fraction as a fraction", {"lvef": "0.62"}, "lvef_unit: 0.62 reads as fraction"),
    # ---- numbers
    Kind("text in a number", {"age": "old"}, "age_type: no number"),
    Kind("NaN", {"lvef": "NaN"}, "lvef_type: not finite"),
    Kind("infinity", {"cac_lad": "inf"}, "cac_lad_type: not finite"),
    Kind("infinity by overflow", {"cac_lad": "1e999"}, "cac_lad_type: not finite"),
    Kind("decimal comma", {"bmi": "25,0"}, f"bmi_type: {DECIMAL}"),
    Kind("thousands separator", {"cac_total": "1,110.5"}, "cac_total_type: a thousands separator"),
    Kind("thousands apostrophe", {"cac_total": "1'110"}, "cac_total_type: a thousands separator"),
    Kind("thousands comma that reads as decimal", {"cac_total": "1,110"},
         "cac_total_type: a thousands separator"),
    Kind("error value of a spreadsheet", {"lvef": "#DIV/0!"}, f"lvef_type: {EXCEL}"),
    Kind("missing value of a spreadsheet", {"cac_total": "#N/A"}, f"cac_total_type: {EXCEL}"),
    Kind("error value in a date", {"study_date": "#REF!"}, f"study_date_type: {EXCEL}"),
    Kind("unit behind the number", {"weight_kg": "72 kg"}, "weight_kg_type: no number"),
    Kind("digits of another script", {"age": "٦١"}, "age_type: no number"),
    Kind("underscore in a number", {"cac_total": "1_10"}, "cac_total_type: no number"),
    # ---- dates
    Kind("serial number of a spreadsheet", {"study_date": "46083"},
         "study_date_type: a serial number of a spreadsheet"),
    Kind("day and month swapped", {"study_date": "2026-20-03"},
         "study_date_type: day and month may be swapped"),
    Kind("date in the habit of another country", {"study_date": "02.03.2026"},
         "study_date_type: no date YYYY-MM-DD"),
    Kind("day that is not in the calendar", {"study_date": "2026-02-30"},
         "study_date_type: no date YYYY-MM-DD"),
    Kind("two dates in one cell", {"study_date": "2026-03-02/2026-03-09"},
         "study_date_type: no date YYYY-MM-DD"),
    Kind("date in the future", {"study_date": TOMORROW}, "study_date_future"),
    Kind("calcium CT in the future", {"cac_date": TOMORROW}, "cac_date_future"),
    Kind("date before the scanner", {"study_date": "1900-01-01"},
         "study_date_range: before 1990"),
    Kind("date before birth", {"study_date": "2001-03-02", "birth_date": "2004-05-20", "age": ""},
         "study_date_before_birth"),
    Kind("age that the birth date denies", {"birth_date": "1980-05-20"},
         "age_mismatch: 61, the birth date gives 45"),
    Kind("missing age with a birth date", {"age": ""}, flag="age_derived: from the birth date",
         value=("age", 61.0)),
    # ---- rows
    Kind("duplicate patient on one day", {"accession_number": ""},
         "ambiguous: 2 rows for one study", also=({"accession_number": "", "lvef": "40"},)),
    Kind("two dates of one accession number", {}, "ambiguous: 2 rows for one study",
         also=({"study_date": "2026-03-09"},)),
    # ---- text
    Kind("white space around values", {"sex": " F ", "lvef": "\u00a062 ", "cac_lad": "\t60"},
         value=("lvef", 62.0)),
    Kind("control character in the patient", {"patient_id": "HOSP\x07BAD"}, "patient_id_control"),
    Kind("NUL byte in the patient", {"patient_id": "HOSP\x00BAD"}, "patient_id_control"),
    Kind("NUL byte in a number", {"age": "6\x001"}, "age_type: no number"),
    Kind("sign without width in the patient", {"patient_id": "HOSP\u200bBAD"},
         "patient_id_control"),
    Kind("very long patient", {"patient_id": "H" * 70_000}, "patient_id_long: 70000 characters"),
    Kind("very long code", {"race": "W" * 70_000}, "race_code: not one of"),
    Kind("formula in the patient", {"patient_id": "=HYPERLINK(\"http://x\")"},
         "patient_id_formula"),
    Kind("formula in the accession number", {"accession_number": "@SUM(A1)"},
         "accession_number_formula"),
    Kind("formula in a code", {"sex": "=1+1"}, "sex_code: not one of F, M"),
    Kind("formula in a number", {"age": "=60+1"}, "age_type: no number"),
    Kind("delimiter and quotes in a quoted value", {"race": 'White, "other"'},
         "race_code: not one of"),
    Kind("line break in a quoted value", {"race": "White\nBlack"}, "race_code: not one of"),
]  # fmt: skip


def good(number):
    return GOOD | {"patient_id": f"HOSP-{number}", "accession_number": f"ACC{number}"}


def csv_text(rows, names=COLUMNS, delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in rows)
    return text.getvalue()


@pytest.fixture
def from_csv(tmp_path, sites_of):
    def make(content, name="registry.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return replace(sites_of(1), registry_url=f"csv:///{path}")

    return make


@pytest.fixture
def from_sql(tmp_path, sites_of):
    def make(rows):
        path = tmp_path / "registry.sqlite"
        with sqlite3.connect(path) as db:
            db.execute(f"create table mpss_clinical ({', '.join(COLUMNS)})")
            marks = ", ".join("?" * len(COLUMNS))
            values = [[row[name] for name in COLUMNS] for row in rows]
            db.executemany(f"insert into mpss_clinical values ({marks})", values)
        db.close()
        return replace(sites_of(1), registry_url=f"sqlite:///{path}")

    return make


def imported(lake, sites, config=None):
    config = config or Config()
    counts = import_registry(lake, config, sites)
    rows = lake.rows("clinical", config.address("pull"), "all")
    assert counts["given"] == len(rows) == counts["accepted"] + counts["rejected"]
    return rows


def judge(rows, kind):
    """Two good rows got in; the others have the reason or the flag, and only that."""
    n_bad = 1 + len(kind.also)
    assert len(rows) == 2 + n_bad
    accepted = [row for row in rows if row["is_accepted"]]
    if kind.reason:
        rejected = [row for row in rows if not row["is_accepted"]]
        assert len(rejected) == n_bad
        for row in rejected:
            assert len(row["reasons"]) == 1, row["reasons"]
            assert row["reasons"][0].startswith(kind.reason)
        assert [row["flags"] for row in accepted] == [[], []]
    else:
        assert len(accepted) == 3
        assert sorted(row["flags"] for row in accepted) == [[], [], [kind.flag]] or not kind.flag
        column, value = kind.value
        assert value in [row[column] for row in accepted]
    assert all(row["reasons"] == [] for row in accepted)
    assert "HOSP" not in str(rows)


def test_there_are_more_than_thirty_kinds():
    assert len({kind.name for kind in KINDS}) == len(KINDS) > 60


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_in_a_file(kind, lake, from_csv):
    rows = [good(1), BAD | kind.change, *(BAD | more for more in kind.also), good(2)]
    judge(imported(lake, from_csv(csv_text(rows))), kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_in_a_table(kind, lake, from_sql):
    rows = [good(1), BAD | kind.change, *(BAD | more for more in kind.also), good(2)]
    judge(imported(lake, from_sql(rows)), kind)


def test_a_row_twice_is_kept_once(lake, from_csv):
    rows = imported(lake, from_csv(csv_text([good(1), good(2), good(2)])))
    assert sorted(str(row["reasons"]) for row in rows) == ["['duplicate_row']", "[]", "[]"]


@pytest.mark.parametrize("value", [float("inf"), True, b"61"])
def test_a_number_of_another_type_in_a_table(lake, from_sql, value, monkeypatch):
    """What SQLite cannot hold, another database can: the reader is given it."""
    from mpss_lib.pull.clinical import registry

    rows = [good(1), BAD | {"age": value, "birth_date": None}]
    monkeypatch.setattr(registry, "read_rows", lambda *_: rows)
    found = imported(lake, from_sql([]))
    told = {True: "a truth value", float("inf"): "not finite", b"61": "no number"}[value]
    assert [r["reasons"] for r in found if not r["is_accepted"]] == [
        [f"age_type: {told}{', no number' if value is True else ''}"]
    ]


# ------------------------------------------------------------------ the file itself


LINES = csv_text([good(1), good(2), good(3)]).splitlines()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"HOSP-3,ACC3,2026-03-02", "row_fields: 3 fields, the header has 24"),
        (LINES[3].encode() + b",more,still more", "row_fields: 26 fields, the header has 24"),
        (LINES[3].replace("White", "Wh\u00e9te").encode("latin-1"), "row_encoding"),
        (LINES[3].replace("HOSP-3", "M\u00fcller").encode("cp1252"), "row_encoding"),
        (b'HOSP-3,"x"y,ACC3', "row_unreadable"),
        (b'"' + LINES[3].encode(), "row_unreadable: unexpected end of data"),
        (b"HOSP-3," + b"x" * 200_000, "row_unreadable: field larger than field limit"),
    ],
    ids=[
        "short row",
        "long row",
        "latin-1",
        "cp1252 name",
        "stray quote",
        "open quote",
        "huge field",
    ],
)
def test_a_line_that_cannot_be_read_is_kept_with_the_reason(lake, from_csv, bad, reason):
    content = "\r\n".join([LINES[0], LINES[1]]).encode() + b"\r\n" + bad + b"\r\n"
    rows = imported(lake, from_csv(content + LINES[2].encode() + b"\r\n"))
    [rejected] = [row for row in rows if not row["is_accepted"]]
    [told] = [one for one in rejected["reasons"] if one.startswith("row_")]
    assert told.startswith(reason)
    assert len(rows) == 3


def test_two_open_quotes_swallow_nothing_between_them(lake, from_csv):
    rows = [LINES[0], LINES[1], '"' + LINES[3], LINES[2], '"' + LINES[3].replace("3", "4")]
    found = imported(lake, from_csv("\n".join(rows)))
    assert [row["is_accepted"] for row in found].count(True) == 2
    assert len(found) == 4


def settings_of(**form):
    return Config(pull=PullSettings(registry_format=form))


def test_a_byte_order_mark_is_read_over(lake, from_csv):
    rows = imported(lake, from_csv(b"\xef\xbb\xbf" + csv_text([good(1)]).encode()))
    assert rows[0]["is_accepted"]
    wide = csv_text([good(1), good(2)]).encode("utf-16")
    assert len(imported(lake, from_csv(wide), settings_of(encoding="utf-16"))) == 2


@pytest.mark.parametrize(
    ("content", "encoding", "told"),
    [
        (b"\xef\xbb\xbfa,b\n", "cp1252", 'byte order mark of utf-8.*encoding = "utf-8"'),
        ("a,b\n".encode("utf-16"), "utf-8", "byte order mark of utf-16"),
        (b"patient_id,\x81\n", "cp1252", "is not cp1252"),
    ],
)
def test_another_encoding_than_the_settings_say_is_named(lake, from_csv, content, encoding, told):
    with pytest.raises(SettingsError, match=told):
        imported(lake, from_csv(content), settings_of(encoding=encoding))


def test_a_file_of_a_spreadsheet_in_the_habit_of_another_country(lake, from_csv):
    rows = [good(1) | {"height_m": "170"}, good(2) | {"height_m": "160", "bmi": ""}]
    for row in rows:
        for name in ("study_date", "cac_date", "birth_date"):
            year, month, day = row[name].split("-")
            row[name] = f"{day}.{month}.{year}"
        for name in ("weight_kg", "bmi", "cac_total", "cac_lm"):
            row[name] = row[name].replace(".", ",")
        row["race"] = "Wei\u00df"
    config = Config(
        pull=PullSettings(
            registry_codes={"race": {"Wei\u00df": "White"}},
            registry_format={
                "delimiter": ";",
                "decimal": ",",
                "encoding": "cp1252",
                "date": "%d.%m.%Y",
                "units": {"height_m": "cm"},
            },
        )
    )
    content = csv_text(rows, delimiter=";").encode("cp1252")
    found = imported(lake, from_csv(content), config)
    assert [row["reasons"] for row in found] == [[], []]
    assert sorted(row["bmi"] for row in found) == [25.0, pytest.approx(72.25 / 1.6**2)]
    assert {row["race"] for row in found} == {"White"}
    assert sorted(row["flags"] for row in found) == [
        ["height_m_converted: from cm"],
        ["height_m_converted: from cm", "bmi_derived: from height and weight"],
    ]
    assert config.address("pull") == Config().address("pull")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.110,5", "cac_total_type: a thousands separator"),
        ("110.5", "cac_total_type: another decimal sign"),
        ("1.110", "cac_total_type: a thousands separator"),
    ],
)
def test_a_point_where_the_comma_is_decimal(lake, from_csv, value, reason):
    rows = [
        {name: text.replace(".", ",") for name, text in row.items()} for row in (good(1), good(2))
    ]
    rows[1]["cac_total"] = value
    config = settings_of(delimiter=";", decimal=",")
    found = imported(lake, from_csv(csv_text(rows, delimiter=";")), config)
    [rejected] = [row for row in found if not row["is_accepted"]]
    assert rejected["reasons"][0].startswith(reason)


def test_columns_in_another_order_more_of_them_and_lines_without_anything(lake, from_csv, caplog):
    names = [*reversed(COLUMNS), "name of the clerk"]
    rows = [good(1) | {"name of the clerk": "x"}, good(2) | {"name of the clerk": "y"}]
    text = csv_text(rows, names) + "\r\n" + "," * 24 + "\r\n"
    with caplog.at_level("INFO"):
        found = imported(lake, from_csv(text))
    assert [row["is_accepted"] for row in found] == [True, True]
    assert "1 columns are not read: name of the clerk" in caplog.text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no header line"),
        (b"\n\n", "no header line"),
        (b"a,b\n1,2\n", "missing .*'patient_id'"),
        (LINES[0].replace(",", ";").encode(), "missing .*'patient_id'"),
        (LINES[0].replace("lvef", "sex").encode(), r"there twice \['sex'\]"),
    ],
    ids=["empty file", "empty lines", "missing columns", "wrong delimiter", "column twice"],
)
def test_a_file_without_the_columns_is_refused(lake, from_csv, content, told):
    with pytest.raises(SettingsError, match=told):
        imported(lake, from_csv(content))


def test_a_file_with_a_header_only_has_no_rows(lake, from_csv):
    assert imported(lake, from_csv(LINES[0])) == []


def test_a_file_that_is_gone_is_the_platforms_fault(lake, from_csv, tmp_path):
    sites = from_csv(b"")
    (tmp_path / "registry.csv").unlink()
    with pytest.raises(PlatformFaultError, match=r"cannot be read: No such file.*registry_url"):
        imported(lake, sites)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"encoding": "latin-99"}, "no encoding"),
        ({"delimiter": ";;"}, "at most 1"),
        ({"decimal": ","}, "delimiter and decimal"),
        ({"date": "%d.%m."}, "must hold"),
        ({"units": {"height_m": "feet"}}, "known are"),
        ({"units": {"age": "months"}}, "known are"),
    ],
)
def test_a_format_that_cannot_be_is_refused_at_the_start(tmp_path, form, told):
    import json

    from mpss_lib.config import load

    lines = [f"{name} = {json.dumps(value).replace(':', ' =')}" for name, value in form.items()]
    (tmp_path / "mpss.toml").write_text("\n".join(["[pull.registry_format]", *lines]))
    with pytest.raises(SettingsError, match=told):
        load(tmp_path, environ={})


# ------------------------------------------------------------------ days and databases


def test_a_date_in_the_future_is_accepted_when_it_has_come(lake, from_csv, monkeypatch):
    from functools import partial

    from mpss_lib.pull.clinical import registry
    from mpss_lib.pull.clinical.row import check_row

    sites = from_csv(csv_text([good(1) | {"cac_date": TOMORROW}]))
    assert not imported(lake, sites)[0]["is_accepted"]
    later = datetime.now(UTC).date() + timedelta(days=30)
    monkeypatch.setattr(registry, "check_row", partial(check_row, today=later))
    assert imported(lake, sites)[0]["is_accepted"]


def test_a_registry_in_postgresql(lake, sites_of, postgres, database):
    """Typed columns of a real server: numbers, dates and truth values as its driver gives them."""
    kinds = dict.fromkeys(COLUMNS, "text")
    kinds |= dict.fromkeys(("age", "lvef", "cac_total", "cac_lad"), "numeric")
    kinds |= dict.fromkeys(("study_date", "birth_date"), "date") | {"cac_date": "timestamp"}
    kinds |= {"smoking": "boolean", "bmi": "double precision"}
    with postgres.connect(database) as db:
        columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        db.execute("create schema nuclear")
        db.execute(f"create table nuclear.mpss ({columns})")
        rows = [good(1), BAD | {"lvef": "NaN"}, BAD | {"patient_id": "P3", "accession_number": "3"}]
        rows[2] |= {"bmi": "Infinity"}
        marks = ", ".join(f"%s::text::{kinds[name]}" for name in COLUMNS)
        for row in rows:
            db.execute(
                f"insert into nuclear.mpss values ({marks})",
                [row[name] or None for name in COLUMNS],
            )
    url = postgres.url(database).replace("postgresql://", "postgresql+psycopg://")
    config = Config(pull=PullSettings(registry_table="nuclear.mpss"))
    found = imported(lake, replace(sites_of(1), registry_url=url), config)
    reasons = sorted(str(row["reasons"]) for row in found)
    assert reasons == ["['bmi_type: not finite']", "['lvef_type: not finite']", "[]"]
    [accepted] = [row for row in found if row["is_accepted"]]
    assert (accepted["smoking"], accepted["age"], accepted["cac_total"]) == (False, 61.0, 110.5)
