"""What is recognised as a trace, and what is not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import zipfile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_home import png_with

from mpss_lib.purge import traces
from mpss_lib.purge.file_texts import UnreadableError, texts_of
from mpss_lib.purge.logs import clean_log, filler
from mpss_lib.purge.scrub import rewrite_parquet, scrub
from mpss_lib.purge.search import search
from mpss_lib.purge.traces import Matcher, Trace, traces_of_birth, traces_of_name

KEY = "S0123456789abcdef"
UID = "1.2.826.0.1.77"


@pytest.fixture
def matcher():
    return Matcher([Trace(traces.KEY, KEY), Trace(traces.UID, UID)])


@pytest.mark.parametrize(
    "text", [KEY, KEY.upper(), f"study={KEY}.parquet", f"{UID}.5", f"/{UID}.dcm", f"{UID}\0"]
)
def test_a_trace_that_stands_by_itself_is_found(text, matcher):
    assert matcher.has(text)


@pytest.mark.parametrize(
    "text", [KEY + "0", "a" + KEY, f"{UID}8", f"3.{UID}", f"4{UID}", KEY[:-1], "", "withdrawn"]
)
def test_a_part_of_something_longer_is_not(text, matcher):
    assert not matcher.has(text)


@pytest.mark.parametrize(
    "text",
    ["19470809", "1947-08-09", "09.08.1947", "9.8.1947", "08/09/1947", "9 August 1947"],
)
def test_a_birth_date_is_found_in_every_writing(text):
    matcher = Matcher(traces_of_birth("19470809"))
    assert matcher.has(f"born {text}, seen")
    assert not matcher.has(f"1{text}")


@pytest.mark.parametrize("text", ["2.25.194708091", "31947080", "1947-08-10"])
def test_other_numbers_are_no_birth_date(text):
    assert not Matcher(traces_of_birth("19470809")).has(text)


@pytest.mark.parametrize(
    "text", ["Zqxvarden^Ottilie", "ZQXVARDEN^OTTILIE", "Ottilie Zqxvarden", "Zqxvarden, Ottilie"]
)
def test_a_name_is_found_as_people_write_it(text):
    assert Matcher(traces_of_name("Zqxvarden^Ottilie")).has(f"Dear {text}!")


def test_a_single_word_of_a_name_is_told_as_possible_only():
    matcher = Matcher(traces_of_name("Long^Ann^^Dr"))
    assert not matcher.has("horizontal long axis")
    assert matcher.weak_kinds(b"horizontal long axis") == {traces.WORD}
    assert matcher.weak_kinds(b"along") == set()


def test_a_short_identifier_is_weak():
    [one] = traces.traces_of_identifier(traces.PATIENT_ID, " 4711 ")
    assert not one.is_strong
    assert Matcher([one]).weak_kinds(b"n = 4711;") == {traces.PATIENT_ID}


def test_names_beyond_ascii_are_found_in_both_encodings():
    matcher = Matcher(traces_of_name("Müller-Größe^Änne"))
    for encoding in ("utf-8", "latin-1"):
        assert matcher.kinds("Frau Müller-Größe^Änne kam".encode(encoding)) == {traces.NAME}


@given(before=st.text("ab.-_ 0", max_size=4), after=st.text("ab.-_ 0", max_size=4))
def test_what_is_found_stands_between_edges(before, after):
    found = Matcher([Trace(traces.KEY, KEY)]).has(before + KEY + after)
    edges = before[-1:] + after[:1]
    assert found == (not any(sign.isalnum() for sign in edges))


# ------------------------------------------------------------------ files


def write_as(kind, path):
    content = f"x {KEY} y".encode()
    if kind == "parquet":
        rows = [{"a": KEY, "b": ["n", KEY], "c": 1.0}]
        pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    elif kind == "duckdb":
        with duckdb.connect(str(path)) as db:
            db.execute("create table t as select repeat('x', 9) as a from range(5000)")
            db.execute("insert into t values (?)", [KEY])
    elif kind == "sqlite":
        db = sqlite3.connect(path)
        db.execute("create table t (a text)")
        db.execute("insert into t values (?)", (KEY,))
        db.commit()
        db.close()
    elif kind == "png":
        path.write_bytes(png_with(KEY))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("in.txt", content * 50)
    elif kind == "member":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{KEY}.txt", b"")
    else:
        pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "txt": bytes}
        path.write_bytes(pack[kind](content))


KINDS = ("parquet", "duckdb", "sqlite", "png", "zip", "member", "gz", "bz2", "xz", "txt")


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_is_found_in_every_kind_of_file(kind, matcher, tmp_path):
    path = tmp_path / f"file.{kind}"
    write_as(kind, path)
    proof = search([tmp_path], matcher)
    assert [hit.kinds for hit in proof.left] == [(traces.KEY,)]
    assert search([tmp_path], Matcher([Trace(traces.KEY, "S" + "f" * 16)])).is_clean


@pytest.mark.parametrize("kind", ["parquet", "gz", "zip", "png", "xz"])
def test_a_damaged_file_is_told_and_not_passed_by(kind, matcher, tmp_path):
    path = tmp_path / f"file.{kind}"
    write_as(kind, path)
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 2 // 3])
    if kind == "png":  # cut inside a chunk: what is there is still read
        assert search([tmp_path], matcher).n_files == 1
        return
    with pytest.raises(UnreadableError):
        list(texts_of(path, 10))
    [hit] = search([tmp_path], matcher).left
    assert "cannot be read" in hit.kinds[0]


def test_a_name_of_a_file_counts_and_is_not_told(matcher, tmp_path):
    (tmp_path / f"{KEY}.txt").write_text("")
    [hit] = search([tmp_path], matcher).left
    assert KEY not in hit.place
    assert hit.place.endswith("/...")


def test_a_trace_on_the_edge_of_two_pieces_is_found(matcher, tmp_path, monkeypatch):
    from mpss_lib.purge import file_texts

    monkeypatch.setattr(file_texts, "CHUNK", 64)
    for at in range(40, 70):
        (tmp_path / "long.txt").write_text(" " * at + KEY + " " * 100)
        assert not search([tmp_path], matcher).is_clean


def test_deleted_rows_of_sqlite_are_found(matcher, tmp_path):
    db = sqlite3.connect(tmp_path / "a.sqlite")
    db.execute("pragma secure_delete = off")
    db.execute("create table t (a text)")
    db.executemany("insert into t values (?)", [(KEY,), ("x" * 50,)])
    db.commit()
    db.execute("delete from t where a = ?", (KEY,))
    db.commit()
    db.close()
    assert not search([tmp_path], matcher).is_clean


# ------------------------------------------------------------------ scrubbing


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ([["a", KEY], [KEY]], [["a"], []]),
        ({"keys": [KEY, "b"], "n": 2}, {"keys": ["b"], "n": 2}),
        ([{"key": KEY, "n": 1}, {"key": "b"}], [{"key": "b"}]),
        ({KEY: 1, "b": 2}, {"b": 2}),
        ({"subject": f"{KEY}: review"}, {"subject": "withdrawn"}),
        (f'["{KEY}", "b"]', '["b"]'),
        (f'"[\\"{KEY}\\", \\"b\\"]"', '"[\\"b\\"]"'),
        (f"text {KEY}", "withdrawn"),
        ([1, None, True, 2.5], [1, None, True, 2.5]),
    ],
)
def test_json_loses_the_trace_and_nothing_else(value, clean, matcher):
    assert scrub(value, matcher.has) == clean


def test_objects_keep_their_places_where_something_counts_on_them(matcher):
    value = [{"study_key": KEY, "n": 1}, {"study_key": "b", "n": 2}]
    found = scrub(value, matcher.has, keep_places=True)
    assert found == [{"study_key": "withdrawn", "n": 1}, {"study_key": "b", "n": 2}]


def test_parquet_loses_rows_and_aligned_elements(matcher, tmp_path):
    path = tmp_path / "a.parquet"
    rows = [
        {"key": KEY, "tests": ["a"], "residuals": [1.0], "value": 1.0},
        {"key": "b", "tests": ["a", KEY, "c"], "residuals": [1.0, 2.0, 3.0], "value": 2.0},
        {"key": "c", "tests": [], "residuals": [7.0, 8.0], "value": 3.0},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    before = pq.read_schema(path)
    assert rewrite_parquet(path, matcher.has) == 2
    assert pq.read_table(path).to_pylist() == [
        {"key": "b", "tests": ["a", "c"], "residuals": [1.0, 3.0], "value": 2.0},
        rows[2],
    ]
    assert pq.read_schema(path).remove_metadata() == before.remove_metadata()
    content = path.read_bytes()
    assert rewrite_parquet(path, matcher.has) == 0
    assert path.read_bytes() == content


def test_a_log_line_is_overwritten_in_place_while_it_is_open(matcher, tmp_path):
    path = tmp_path / "a.log"
    path.write_text(f"first\nstudy {KEY} done\nlast\n")
    size = path.stat().st_size
    with path.open("ab") as writer:
        assert clean_log(path, matcher) == 1
        writer.write(b"more\n")
    lines = path.read_text().splitlines()
    assert (lines[0], lines[1].strip(), lines[2:]) == ("first", "(withdrawn)", ["last", "more"])
    assert path.stat().st_size == size + 5


@given(st.text(max_size=80))
def test_a_filler_has_the_length_of_its_line(text):
    line = text.replace("\n", " ").encode()
    assert len(filler(line)) == len(line)


def test_a_json_line_stays_json():
    import json

    line = json.dumps({"timestamp": "2026-01-01T00:00:00Z", "event": KEY, "a": "b" * 40}).encode()
    told = json.loads(filler(line))
    assert (told["timestamp"], told["event"]) == ("2026-01-01T00:00:00Z", "withdrawn")
