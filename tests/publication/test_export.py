"""Export to a real PostgreSQL server."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from fabricated_lake import Builder, fabricate, row, settings

from mpss_lib.config import sites_of
from mpss_lib.errors import (
    PlatformFaultError,
    ResultsBusyError,
    ResultsRefusedError,
    ResultsSchemaError,
    SettingsError,
    TryAgainError,
)
from mpss_lib.publication.export import EVALUATION, PREDICTION, export_results, lock_number
from mpss_lib.publication.results_tables import ddl, read_versions
from mpss_lib.publication.server import parameters
from mpss_lib.tables import Lake
from mpss_lib.warehouse import stage as warehouse

CHILD = Path(__file__).with_name("export_child.py")
CONFIG = settings()


def evaluate(build, cohort):
    """An evaluation of two segments, five runs each."""
    keys = {"cohort_hash": cohort, "profile": "as_published", "configuration": "combined"}
    results = [
        row("split_result", **keys, segment=segment, outer=i, r=0.1 * i, n_test=10, is_valid=True)
        for segment in ("MYO", "LAD3")
        for i in range(5)
    ]
    build.record("evaluation", cohort, "done", [build.write("split_result", cohort, results)])
    build.evaluate(cohort)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake with predictions of three studies and one evaluation, made once."""
    root = tmp_path_factory.mktemp("made")
    build = Builder(Lake(root / "lake"), CONFIG)
    fabricate(build)
    for key, value in (("s16", 20.0), ("s19", 30.0)):
        build.predict(key, value)
    build.flush()
    warehouse.run(build.lake, CONFIG)
    evaluate(build, warehouse.freeze_cohort(build.lake, CONFIG))
    (root / "mpss.toml").write_text('[cohort]\naccept = "pass"\n')
    publish(root)
    return root


@pytest.fixture
def home(request, made, tmp_path):
    """The lake, published; a copy for tests that change it (those that ask for ``builder``)."""
    if "builder" not in request.fixturenames:
        return made
    shutil.copytree(made, tmp_path / "home")
    publish(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def builder(tmp_path):
    return Builder(Lake(tmp_path / "home" / "lake"), CONFIG)


@pytest.fixture
def url(postgres, database):
    return postgres.url(database)


@pytest.fixture
def db(postgres, database):
    with postgres.connect(database) as connection:
        yield connection


def publish(home):
    warehouse.run(Lake(home / "lake"), CONFIG)


def export(home, url, **arguments):
    sites = replace(sites_of(CONFIG, home), results_url=url)
    return export_results(Lake(home / "lake"), CONFIG, sites, **arguments)


def state(db):
    """Every row of every table with the transaction that wrote it."""
    tables = ("schema_version", "source", PREDICTION.table, *(m.table for m in EVALUATION))
    return {
        table: sorted(db.execute(f"select xmin::text, t::text from mpss.{table} as t").fetchall())
        for table in tables
    }


def predictions(db):
    found = db.execute(
        "select study_key, value, is_current, left_reason, version from mpss.prediction"
    ).fetchall()
    return {key: rest for key, *rest in found}


def test_the_first_export_makes_the_tables_and_fills_them(home, url, db):
    counts = export(home, url)
    assert counts | {"sequence": 0} == {
        "sequence": 0,
        "given": 7,
        "inserted": 7,
        "updated": 0,
        "marked": 0,
        "removed": 0,
        "removed_studies": 0,
    }
    assert predictions(db) == {
        "s01": [100.0, True, "", 1],
        "s16": [20.0, True, "", 1],
        "s19": [30.0, True, "", 1],
    }
    evaluation = db.execute(
        "select segment, n_runs, median_r, is_latest, n_studies from mpss.evaluation order by 1"
    ).fetchall()
    assert evaluation == [("LAD3", 5, 0.2, True, 3), ("MYO", 5, 0.2, True, 3)]
    tests = db.execute("select segment, statistic, threshold from mpss.evaluation_test order by 1")
    assert tests.fetchall() == [("LAD3", 90.0, 135.81), ("MYO", 150.0, 135.81)]


def test_times_are_those_of_the_snapshot_whatever_the_servers_zone(home, postgres, database, db):
    db.execute(f"alter database {database} set timezone to 'Pacific/Auckland'")
    export(home, postgres.url(database))
    import duckdb

    with duckdb.connect(str(home / "lake/warehouse.duckdb"), read_only=True) as snapshot:
        (wanted,) = snapshot.execute(
            "select valid_from from result.prediction_latest where study_key = 's01'"
        ).fetchone()
    (found,) = db.execute(
        "select predicted_at at time zone 'UTC' from mpss.prediction where study_key = 's01'"
    ).fetchone()
    assert found == wanted


def test_a_repeated_export_changes_nothing(home, url, db):
    export(home, url)
    before = state(db)
    counts = export(home, url)
    assert state(db) == before
    assert (counts["given"], counts["inserted"], counts["updated"]) == (7, 0, 0)


def test_a_new_snapshot_of_the_same_predictions_changes_only_the_source(home, url, db):
    export(home, url)
    before = state(db)
    publish(home)
    export(home, url)
    after = state(db)
    assert before.pop("source") != after.pop("source")
    assert after == before


def test_a_changed_prediction_is_updated_and_no_other_row(home, builder, url, db):
    export(home, url)
    before = {key: values[-1] for key, values in predictions(db).items()}
    xmins = dict(db.execute("select study_key, xmin::text from mpss.prediction").fetchall())
    builder.predict("s16", 21.5)
    builder.flush()
    publish(home)
    counts = export(home, url)
    assert (counts["inserted"], counts["updated"]) == (0, 1)
    assert predictions(db)["s16"] == [21.5, True, "", before["s16"] + 1]
    now = dict(db.execute("select study_key, xmin::text from mpss.prediction").fetchall())
    assert {key for key in now if now[key] != xmins[key]} == {"s16"}


def test_a_study_that_may_no_longer_be_predicted_is_marked(home, builder, url, db):
    export(home, url)
    builder.review("s01", "reject", "2026-03-01T09:00:00Z")
    builder.flush()
    publish(home)
    export(home, url)
    assert predictions(db)["s01"] == [100.0, False, "review_rejected", 2]
    keys = {key for (key,) in db.execute("select study_key from mpss.current_prediction")}
    assert keys == {"s16", "s19"}


def test_a_prediction_that_the_snapshot_lost_is_marked_and_comes_back(home, builder, url, db):
    export(home, url)
    records = {
        path: path.read_text() for path in (home / "lake/manifest/publication").glob("*.json")
    }
    for path, text in records.items():
        path.write_text(json.dumps(json.loads(text) | {"units": []}))
    publish(home)
    counts = export(home, url)
    assert counts["marked"] == 3
    assert predictions(db)["s01"] == [100.0, False, "no_prediction", 2]
    assert export(home, url)["marked"] == 0  # again: nothing more
    for path, text in records.items():
        path.write_text(text)
    publish(home)
    export(home, url)
    assert predictions(db)["s01"] == [100.0, True, "", 3]


def without_study(home, key):
    """Take a study out of the manifest, as a purge does."""
    for path in (home / "lake/manifest").rglob("*.json"):
        record = json.loads(path.read_text())
        record["units"] = [unit for unit in record["units"] if unit["key"] != key]
        path.write_text(json.dumps(record))


def test_a_withdrawn_study_is_removed(home, builder, url, db):
    export(home, url)
    without_study(home, "s01")
    publish(home)
    counts = export(home, url)
    assert (counts["removed"], counts["removed_studies"]) == (1, 1)
    assert set(predictions(db)) == {"s16", "s19"}
    everywhere = "".join(str(rows) for rows in state(db).values())
    assert "s01" not in everywhere


def test_a_snapshot_without_any_study_removes_nothing_by_itself(home, tmp_path, url, db):
    export(home, url)
    empty = tmp_path / "empty"
    (empty / "lake").mkdir(parents=True)
    shutil.copy(home / "lake/identity.json", empty / "lake/identity.json")
    publish(empty)
    with pytest.raises(PlatformFaultError, match="would remove all 3 predictions"):
        export(empty, url)
    assert len(predictions(db)) == 3


@pytest.fixture
def other(made, tmp_path):
    """A lake of the same rows that grew by itself."""
    shutil.copytree(made, tmp_path / "other")
    (tmp_path / "other/lake/identity.json").unlink(missing_ok=True)
    publish(tmp_path / "other")
    return tmp_path / "other"


def test_another_lake_is_refused_until_it_is_adopted(home, other, url, db):
    export(home, url)
    before = state(db)
    with pytest.raises(ResultsSchemaError, match=r"mirrors another lake.*results_schema.*--adopt"):
        export(other, url)
    assert state(db) == before
    export(other, url, adopt=True)
    export(other, url)
    with pytest.raises(ResultsSchemaError):
        export(home, url)


def test_two_homes_share_a_database_in_schemas_of_their_own(home, other, url, db):
    export(home, url)
    site = CONFIG.site.model_copy(update={"results_schema": "trial"})
    config = CONFIG.model_copy(update={"site": site})
    assert config.address("publication") == CONFIG.address("publication")
    sites = replace(sites_of(config, other), results_url=url)
    assert export_results(Lake(other / "lake"), config, sites)["inserted"] == 7
    assert export(home, url)["updated"] == 0


@pytest.mark.parametrize("phase", ["locked", "copied", "written"])
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
def test_a_kill_in_the_middle_leaves_the_old_state_whole(home, builder, url, db, phase, is_first):
    if not is_first:
        export(home, url)
        before = state(db)
        builder.predict("s16", 99.0)
        builder.predict("s01", 98.0)
        builder.flush()
        without_study(home, "s19")
        publish(home)
    answer = subprocess.run(
        [sys.executable, str(CHILD), str(home), url, phase],
        env=os.environ | {"PYTHONPATH": str(CHILD.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == -9, answer.stderr
    if is_first:
        assert db.execute("select to_regnamespace('mpss')").fetchone() == (None,)
        assert export(home, url)["inserted"] == 7
    else:
        assert state(db) == before
        counts = export(home, url)
        assert (counts["updated"], counts["removed"]) == (2, 1)


def test_exports_at_the_same_time_wait_for_each_other(home, url, db):
    counts, errors = [], []

    def work():
        try:
            counts.append(export(home, url))
        except Exception as error:  # looked at below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(found["inserted"] for found in counts) == [0, 0, 0, 7]
    assert {values[-1] for values in predictions(db).values()} == {1}


def test_the_later_of_two_exports_writes_the_newest_snapshot(home, builder, url, db):
    """The snapshot is opened under the lock, not before it was waited for."""

    def publish_another(phase):
        if phase == "locked":
            builder.predict("s16", 55.0)
            builder.flush()
            publish(home)

    export(home, url, progress=publish_another)
    assert predictions(db)["s16"][0] == 55.0


def test_a_lock_that_is_not_to_be_had_may_be_tried_again(home, url, db):
    db.execute("select pg_advisory_lock(%s)", [lock_number("mpss")])
    with pytest.raises(ResultsBusyError, match="busy"):
        export(home, url, lock_timeout_s=0.2)
    db.execute("select pg_advisory_unlock_all()")
    assert export(home, url)["inserted"] == 7


def test_every_table_says_that_it_is_for_research_only(home, url, db):
    export(home, url)
    comments = dict(
        db.execute(
            "select relname, obj_description(oid) from pg_class where relkind in ('r', 'v')"
            " and relnamespace = 'mpss'::regnamespace"
        ).fetchall()
    )
    results = {"prediction", "current_prediction", "evaluation", "evaluation_test"}
    assert set(comments) == results | {"source", "schema_version"}
    assert all("Research use only" in comments[name] for name in results)
    assert all(comments.values())


# ------------------------------------------------------------------ errors, named


@pytest.fixture
def clerk(postgres, database, db):
    """A user of the server who owns nothing."""
    db.execute("create role clerk login password 'pass'")
    yield postgres.url(database, "clerk", "pass")
    db.execute("drop owned by clerk")
    db.execute("drop role clerk")


def test_a_user_who_may_not_make_the_tables_is_refused_with_the_way_out(home, clerk, db):
    with pytest.raises(ResultsRefusedError, match=r"permission denied.*42501.*mpss export --ddl"):
        export(home, clerk)


def test_a_user_who_may_only_read_is_refused_and_nothing_changes(home, builder, url, clerk, db):
    export(home, url)
    before = state(db)
    db.execute("grant usage on schema mpss to clerk")
    db.execute("grant select on all tables in schema mpss to clerk")
    builder.predict("s16", 1.0)
    builder.flush()
    publish(home)
    with pytest.raises(ResultsRefusedError, match="permission denied"):
        export(home, clerk)
    assert state(db) == before


def test_tables_made_by_their_owner_are_filled_by_a_user_with_few_rights(home, clerk, db):
    db.execute(ddl("mpss"))
    db.execute(ddl("mpss").split("\n\n")[1])  # the schema again: no error
    db.execute("grant usage on schema mpss to clerk")
    db.execute("grant select, insert, update, delete on all tables in schema mpss to clerk")
    assert export(home, clerk)["inserted"] == 7
    assert export(home, clerk)["updated"] == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"password": ""}, "no password supplied"),
        ({"user": "nobody_here"}, "authentication failed"),
        ({"database": "no_such_database"}, 'database "no_such_database" does not exist'),
    ],
)
def test_a_refused_connection_is_a_persons_task(home, postgres, change, told):
    with pytest.raises(ResultsRefusedError, match=told) as found:
        export(home, postgres.url(**change))
    assert postgres.password not in str(found.value)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid", "/nowhere"])
def test_no_server_may_be_tried_again(home, address):
    host = address.replace("/", "%2F")
    with pytest.raises(ResultsBusyError, match="does not answer") as found:
        export(home, f"postgresql://me:secret@{host}/x?connect_timeout=3")
    assert isinstance(found.value, TryAgainError)
    assert "secret" not in str(found.value)


def test_a_server_that_is_ended_meanwhile_may_be_tried_again(home, url, db):
    def end(phase):
        if phase == "copied":
            db.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'mpss export'"
            )

    with pytest.raises(ResultsBusyError, match="broke off"):
        export(home, url, progress=end)
    assert db.execute("select to_regnamespace('mpss')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("insert into mpss.schema_version values (99, 'x')", "has version 99.*upgrade"),
        ("update mpss.schema_version set sha256 = 'x'", "another file"),
        ("alter table mpss.prediction drop column n_models cascade", "n_models.*42703"),
        ("alter table mpss.prediction alter value type integer", "integer.*22P02"),
    ],
)
def test_tables_of_another_version_are_named_and_stay(home, url, db, change, told):
    export(home, url)
    db.execute("drop view mpss.current_prediction")
    db.execute(change)
    before = state(db)
    with pytest.raises(ResultsSchemaError, match=told):
        export(home, url)
    assert state(db) == before


def test_tables_of_somebody_else_are_not_touched(home, url, db):
    db.execute("create schema mpss")
    db.execute("create table mpss.prediction (a integer)")
    with pytest.raises(ResultsSchemaError, match="already exists"):
        export(home, url)
    assert db.execute("select to_regclass('mpss.source')").fetchone() == (None,)


def test_a_standby_that_only_reads_is_named(home, postgres, database, db):
    db.execute(f"alter database {database} set default_transaction_read_only to on")
    with pytest.raises(ResultsRefusedError, match="only reads"):
        export(home, postgres.url(database))


def test_without_an_address_it_says_so(home):
    with pytest.raises(SettingsError, match="no results database is set"):
        export(home, "")


def test_without_a_snapshot_nothing_is_made(tmp_path, url, db):
    with pytest.raises(PlatformFaultError, match=r"no warehouse has been published.*rebuild"):
        export(tmp_path, url)
    assert db.execute("select to_regnamespace('mpss')").fetchone() == (None,)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("bad", ["mysql://a:secret@b/c", "sqlite:///x", "postgresql://a:secret%@b"])
def test_an_address_of_something_else_is_a_setting_to_correct(home, bad):
    with pytest.raises(SettingsError, match="no address of PostgreSQL") as found:
        export(home, bad)
    assert "secret" not in str(found.value)


def test_an_address_as_sqlalchemy_writes_it_is_understood():
    plain = parameters("postgresql://me:s%40x@h:5/d?sslmode=require")
    assert plain == parameters("postgresql+psycopg://me:s%40x@h:5/d?sslmode=require")
    assert plain == parameters("postgres://me:s%40x@h:5/d?sslmode=require")
    assert (plain["password"], plain["sslmode"]) == ("s@x", "require")


def test_versions_are_numbered_without_a_gap(tmp_path):
    assert [version.number for version in read_versions()] == [1]
    (tmp_path / "2_more.sql").write_text("-- Version 2.\nselect 1\n")
    with pytest.raises(SettingsError, match=r"versions \[2\]"):
        read_versions(tmp_path)


def test_columns_of_the_tables_are_those_of_the_snapshot(home, url, db):
    import duckdb

    export(home, url)
    with duckdb.connect(str(home / "lake/warehouse.duckdb"), read_only=True) as snapshot:
        for mirror in (PREDICTION, *EVALUATION):
            wanted = [c[0] for c in snapshot.execute(f"from {mirror.relation}").description]
            found = db.execute(f"select * from mpss.{mirror.table}").description
            assert [column.name for column in found] == [*wanted, "version", "updated_at"]


def test_text_that_is_no_ascii_and_signs_of_copy_survive(home, builder, url, db):
    strange = "naïve \\N \t tab \n line \u2265 ☂"
    rows = [
        row(
            "prediction",
            cohort_hash="c0ffee",
            study_key="s01",
            segment="LAD3",
            configuration="both",
            reason=strange,
            value=None,
            value_low=float("nan"),
        )
    ]
    builder.record("publication", "s01", "done", [builder.write("prediction", "s01", rows)])
    builder.flush()
    publish(home)
    export(home, url)
    found = db.execute(
        "select no_value_reason, value, value_low = 'nan' from mpss.prediction"
        " where segment = 'LAD3'"
    ).fetchone()
    assert found == (strange, None, True)
    assert export(home, url)["updated"] == 0


def test_the_password_and_rows_are_in_no_error(home, url, db):
    export(home, url)
    db.execute("alter table mpss.prediction add constraint no_s01 check (study_key <> 's02')")
    db.execute("delete from mpss.prediction")
    db.execute("alter table mpss.prediction add constraint no_s16 check (study_key <> 's16')")
    with pytest.raises(ResultsSchemaError, match=r"no_s16.*23514") as found:
        export(home, url)
    told = str(found.value)
    assert re.search(r"\b20\b", told) is None  # the value of the row that was refused
    assert urlsplit(url).password not in told
    assert isinstance(psycopg.errors.CheckViolation(), psycopg.Error)
