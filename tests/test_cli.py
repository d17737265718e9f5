"""The ``mpss`` command: help, exit statuses, one line for a wrong use, answers of the snapshot."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from fabricated_lake import Builder, fabricate, settings
from typer.main import get_command

from mpss_lib import cli
from mpss_lib.config import STAGES
from mpss_lib.tables import Lake

SQL = "select study_key, reason from core.cohort_flow where is_included order by study_key"
INCLUDED = ["s01", "s16", "s19"]


def commands():
    """Every command and group of the command line, as words."""
    found = [()]
    for words in found:
        command = get_command(cli.app)
        for word in words:
            command = command.commands[word]
        found += [(*words, name) for name in getattr(command, "commands", {})]
    return found


@pytest.fixture(scope="module")
def published_root(tmp_path_factory):
    from mpss_lib.warehouse import stage

    root = tmp_path_factory.mktemp("cli")
    build = Builder(Lake(root / "lake"), settings())
    fabricate(build)
    stage.run(build.lake, build.config)
    return root


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def published(published_root, monkeypatch):
    """A home with a published snapshot; tests only read it."""
    monkeypatch.setenv("MPSS_HOME", str(published_root))
    return published_root


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words) or "mpss")
def test_help_of_every_command(words, mpss):
    status, out, _ = mpss(*words, "--help")
    assert status == 0
    assert "Usage: mpss" in out
    assert len(out.splitlines()) > 4


def test_the_commands_of_the_design_are_there():
    found = {" ".join(words) for words in commands()}
    wanted = "sql export verify status run quarantine archive warehouse demo up down"
    assert set(wanted.split()) <= found
    assert {"quarantine ls", "quarantine retry", "archive serve"} <= found
    assert {f"warehouse {name}" for name in ("status", "activate", "rebuild", "check")} <= found


# ------------------------------------------------------------------ wrong use


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("run", "cooking"), "'cooking' is no stage"),
        (("run", "intake", "../../x"), "'../../x' is no key"),
        (("run", "evaluation", "c0ffee", "--force"), "evaluation cannot be forced"),
        (("warehouse", "activate", "cooking"), "cooking"),
        (("quarantine", "retry", "S0"), "'S0' is no study in quarantine"),
        (("sql", "select 1", "--format", "xml"), "unknown format 'xml'"),
        (("sql", "select 1", "--format", "parquet"), "Parquet is not for a terminal"),
        (("sql",), "give one question"),
        (("sql", "select 1", "--file", "question.sql"), "the question is given twice"),
        (("export",), "no results database is set"),
        (("archive", "serve", "x", "--move-to", "MPSS:11113"), "'MPSS:11113' is no destination"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(words, named, published, mpss):
    status, out, err = mpss(*words)
    assert (status, out) == (2, "")
    assert named in err
    assert "way out: " in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [("cook",), ("find", "-9"), ("sql", "select 1", "--colour"), ("find", "yesterday", "today")],
)
def test_what_the_parser_refuses_is_status_2(words, published, mpss):
    status, _, err = mpss(*words)
    assert status == 2
    assert "Usage: mpss" in err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[batch]\nmin_batches = 3\n", "batch.min_batches = 3"),
        ("[batch]\nmin_batch = 0\n", "batch.min_batch = 0"),
        ("[cooking]\nx = 1\n", "cooking"),
        ("[pull\n", "mpss.toml is not TOML"),
    ],
)
def test_a_wrong_setting_is_named_at_start(text, named, empty, mpss):
    (empty / "mpss.toml").write_text(text)
    status, _, err = mpss("status")
    assert status == 2
    assert named in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["MPSS_COOKING", "MPSS_PULL__MIN_BATCHES", "MPSS_HOMES"])
def test_an_unknown_variable_is_named_at_start(name, empty, mpss, monkeypatch):
    monkeypatch.setenv(name, "1")
    status, _, err = mpss("status")
    assert status == 2
    assert f"environment variable {name} names no setting" in err


@pytest.mark.parametrize("sql", ["choose 1", "select * from core.nothing", "select 1/", ""])
def test_sql_that_cannot_be_run_is_a_fault_of_the_work(sql, published, mpss):
    status, out, err = mpss("sql", sql)
    assert (status, out) == (1, "")
    assert err.startswith("mpss: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("sql", ["", "/* only a comment */"])
def test_sql_without_rows_gives_no_parquet(sql, published, tmp_path, mpss):
    path = tmp_path / "answer.parquet"
    status, _, err = mpss("sql", sql, "--format", "parquet", "--output", str(path))
    assert status == 1
    assert "the SQL asks for no rows" in err
    assert not path.exists()


def test_the_snapshot_cannot_be_written(published, mpss):
    for sql in ("drop view core.cohort_flow", "create table x as select 1"):
        assert mpss("sql", sql)[0] == 1
    assert mpss("sql", SQL)[0] == 0


def test_a_time_with_its_zone_is_an_answer(published, mpss):
    status, out, _ = mpss("sql", "select timestamptz '2020-01-01 10:00:00+00' as t")
    assert status == 0
    assert "2020-01-01" in out
    assert "+00:00" in out


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("attach 'x.db'; create table x.a as select 1", "ATTACH is refused"),
        ("copy (select 1) to 'x.csv'", "COPY is refused"),
        ("delete from core.study", "DELETE is refused"),
        ("set threads = 4", "SET is refused"),
        ("select 1; select 2", "2 statements were given"),
        ("select range from range(1000001)", "more than 1,000,000 rows"),
        ("pivot core.study on manufacturer using count(*)", "a PIVOT without its values"),
        ("select list[1] from core.study", "list[1]"),
        ("select * from core.cohort_x", "Did you mean"),
    ],
)
def test_what_is_no_question_is_refused_with_the_way_out(sql, named, published, mpss):
    status, out, err = mpss("sql", sql)
    assert (status, out) == (1, "")
    assert named in err
    assert "way out: " in err
    assert not (published / "x.csv").exists()


def test_answers_are_given_as_they_are(published, mpss):
    for form in ("table", "csv"):
        assert "root:x:0 [b]" in mpss("sql", "select 'root:x:0 [b]' as t", "--format", form)[1]
    sql = "select {'a': 1.5, 'b': [2.5]} as s, 'nan'::double as x, date '2020-01-02' as d"
    found = json.loads(mpss("sql", sql, "--format", "json")[1])
    assert found == [{"s": {"a": 1.5, "b": [2.5]}, "x": None, "d": "2020-01-02"}]
    status, _, err = mpss("sql", "select 1 as a, 2 as a", "--format", "json")
    assert status == 1
    assert "two columns are named 'a'" in err


def test_a_parquet_answer_may_be_large(published, tmp_path, mpss):
    path = tmp_path / "large.parquet"
    sql = "select range as i from range(1500000)"
    assert mpss("sql", sql, "--format", "parquet", "--output", str(path))[0] == 0
    assert pq.read_metadata(path).num_rows == 1500000


def test_nothing_to_activate_says_what_to_run(empty, mpss):
    status, _, err = mpss("warehouse", "activate", "radiomics")
    assert status == 2
    assert "mpss run radiomics" in err


def test_nothing_published_says_how_to(empty, mpss):
    status, _, err = mpss("sql", "select 1")
    assert status == 1
    assert "no warehouse has been published" in err
    assert "mpss warehouse rebuild" in err


# ------------------------------------------------------------------ answers


def test_sql_as_table(published, mpss):
    status, out, _ = mpss("sql", SQL)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[2:-1]] == INCLUDED
    assert out.splitlines()[-1] == "(3 rows)"


def test_sql_as_csv_and_json(published, mpss):
    _, out, _ = mpss("sql", SQL, "--format", "csv")
    assert [row["study_key"] for row in csv.DictReader(io.StringIO(out))] == INCLUDED
    _, out, _ = mpss("sql", SQL, "--format", "json")
    assert json.loads(out) == [{"study_key": key, "reason": "included"} for key in INCLUDED]


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "table"])
def test_sql_into_a_file(form, published, tmp_path, mpss):
    path = tmp_path / f"answer.{form}"
    status, out, _ = mpss("sql", SQL, "--format", form, "--output", str(path))
    assert (status, out) == (0, "")
    if form == "parquet":
        assert pq.read_table(path).column("study_key").to_pylist() == INCLUDED
    else:
        assert "s16" in path.read_text()


def test_the_suffix_of_the_file_says_the_form(published, tmp_path, mpss):
    path = tmp_path / "answer.parquet"
    assert mpss("sql", SQL, "--output", str(path))[0] == 0
    assert pq.read_table(path).column("study_key").to_pylist() == INCLUDED
    status, _, err = mpss("sql", SQL, "--output", str(tmp_path / "answer.xlsx"))
    assert status == 2
    assert "answer.xlsx says no format" in err
    assert mpss("sql", SQL, "--format", "csv", "--output", str(tmp_path / "answer.xlsx"))[0] == 0


def test_a_question_comes_from_a_file_or_from_standard_input(
    published, tmp_path, mpss, monkeypatch
):
    text = f"-- who is in\n{SQL}\n"
    path = tmp_path / "question.sql"
    path.write_text(text)
    told = mpss("sql", SQL)[1]
    assert mpss("sql", "--file", str(path))[1] == told
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert mpss("sql", "-")[1] == told


@pytest.mark.parametrize("name", ["no.sql", "latin.sql"])
def test_a_question_that_cannot_be_read_is_named(name, published, tmp_path, mpss):
    (tmp_path / "latin.sql").write_bytes("select 'ä'".encode("latin-1"))
    status, _, err = mpss("sql", "--file", str(tmp_path / name))
    assert status == 2
    assert f"{name} cannot be read" in err


def test_verify_matches_every_published_value(empty, mpss):
    status, out, _ = mpss("verify")
    assert status == 0
    assert "482 matched, 0 not matched" in out
    assert "no published value: morph_vol_dens_ombb" in out


def test_verify_names_every_feature_that_drifts(empty, mpss, monkeypatch):
    from mpss_lib.radiomics import verify

    extract = verify.extract
    monkeypatch.setattr(verify, "extract", lambda *args: extract(*args) | {"stat_mean": 2.2})
    status, out, _ = mpss("verify")
    assert status == 1
    assert "not matched: stat_mean: 2.2, published 2.15 +- 0.005" in out
    assert "481 matched, 1 not matched" in out
    assert "way out" in out


def test_export_prints_the_tables_for_their_owner(published, mpss, monkeypatch):
    monkeypatch.setenv("MPSS_SITE__RESULTS_SCHEMA", "trial")
    status, out, _ = mpss("export", "--ddl")
    assert status == 0
    assert out.startswith("begin;\n\ncreate schema if not exists trial;")
    assert "create table trial.prediction (" in out
    assert "insert into trial.schema_version" in out
    assert "${" not in out


def test_export_writes_to_the_database_of_the_settings(
    published, mpss, monkeypatch, postgres, database
):
    monkeypatch.setenv("MPSS_SITE__RESULTS_URL", postgres.url(database))
    status, out, _ = mpss("export")
    assert status == 0
    assert "'inserted': 1" in out
    monkeypatch.setenv("MPSS_SITE__RESULTS_URL", postgres.url("no_such_database"))
    status, _, err = mpss("export")
    assert status == 1
    assert "does not exist" in err
    assert postgres.password not in err


def test_quarantine_ls_shows_what_stands_still(published, mpss):
    status, out, _ = mpss("quarantine", "ls")
    assert status == 0
    for words in (("pull", "s03", "broken", "mend it"), ("segmentation", "s05"), ("w1", "ask")):
        assert any(all(word in line for word in words) for line in out.splitlines()), words


def test_quarantine_ls_for_programs(published, mpss):
    found = json.loads(mpss("quarantine", "ls", "--json")[1])
    assert {row["study_key"] for row in found} >= {"s03", "s05", "w1"}
    assert all(set(row) >= {"stage", "error", "problem", "way_out", "tries"} for row in found)


def test_an_identifier_is_never_cut(monkeypatch, capsys):
    monkeypatch.setattr(cli.console, "width", 50)
    key = "0123456789abcdef0123"
    cli.application.show_table(("study_key", "problem"), [(key, "a long text " * 20)])
    assert any(f" {key} " in line for line in capsys.readouterr().out.splitlines())
    path, digest = f"lake/landing/{key * 3}.parquet", "0123456789ab"
    rows = [("goes", path, digest, f"of {key}: " + "a long text " * 20)]
    cli.application.show_table(("what", "where", "settings", "why"), rows)
    shown = capsys.readouterr().out.splitlines()
    for whole in (path, digest, f"{key}:"):
        assert any(f" {whole} " in line for line in shown), whole


def test_versions_for_programs(published, mpss):
    found = json.loads(mpss("warehouse", "status", "--json")[1])
    assert {row["stage"] for row in found if row["is_active"]} >= {"radiomics", "quality"}


def test_check_of_the_lake_names_its_page_and_ends_with_1_where_a_study_is_held_back(
    published, tmp_path, mpss, monkeypatch
):
    root = tmp_path / "home"
    shutil.copytree(published, root)
    monkeypatch.setenv("MPSS_HOME", str(root))
    status, out, _ = mpss("warehouse", "check", "clinical")
    assert status == 1, "the fabricated registry holds keys that are no pseudonyms"
    page = root / "lake" / "reports" / "data_quality.html"
    assert str(page) in out
    assert "held back" in page.read_text()
    assert mpss("warehouse", "check", "weather")[0] == 2
    status, _, err = mpss("quarantine", "retry", "s01")
    assert status == 2
    assert "held back by an expectation" in err


def test_status_counts_units_of_every_stage(published, mpss):
    status, out, _ = mpss("status")
    assert status == 0
    stages, versions = out.split("Published versions")
    rows = {line.split()[1]: line.split()[3] for line in stages.splitlines() if "│" in line}
    assert "is_active" in versions
    assert set(rows) >= set(STAGES)
    assert rows["publication"] == "1"
    assert int(rows["radiomics"]) > 5


def test_status_of_an_empty_home(empty, mpss):
    status, out, _ = mpss("status")
    assert status == 0
    assert all(stage in out for stage in STAGES)


def test_a_home_that_was_moved_is_rebuilt(published, tmp_path, mpss, monkeypatch):
    shutil.copytree(published, tmp_path / "moved")
    monkeypatch.setenv("MPSS_HOME", str(tmp_path / "moved"))
    monkeypatch.setenv("MPSS_COHORT__ACCEPT", "pass")
    assert mpss("warehouse", "rebuild")[0] == 0
    status, out, _ = mpss("sql", SQL, "--format", "csv")
    assert status == 0
    assert [row["study_key"] for row in csv.DictReader(io.StringIO(out))] == INCLUDED
    status, out, _ = mpss("warehouse", "status")
    assert status == 0
    assert "radiomics" in out


def test_down_with_nothing_running(empty, mpss):
    status, out, _ = mpss("down")
    assert (status, out) == (0, "ended: nothing was running\n")


@pytest.mark.slow
def test_exit_statuses_as_a_shell_sees_them(published):
    def shell(*words):
        return subprocess.run(
            [sys.executable, "-m", "mpss_lib.cli", *words],
            env=os.environ | {"MPSS_COHORT__ACCEPT": "pass"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    wrong, fault, done = shell("run", "cooking"), shell("sql", "choose"), shell("sql", "select 1")
    assert [wrong.returncode, fault.returncode, done.returncode] == [2, 1, 0]
    assert wrong.stderr.startswith("mpss: 'cooking' is no stage")
    assert "Traceback" not in wrong.stderr + fault.stderr
