"""Rules of the house that are programs: sizes, locks, what git may track, stages and relations."""

import importlib
import inspect
import re
import subprocess
import tomllib
from pathlib import Path

import function_lengths
import pytest

PROJECT = Path(__file__).resolve().parents[1]
CODE = ("mpss_lib", "plugins", "dags")
MAX_LINES = 400
MAX_DAG_LINES = 80


def modules():
    return [path for folder in CODE for path in sorted((PROJECT / folder).rglob("*.py"))]


def is_kernel(path):
    """A module whose loops numba compiles."""
    return path.match("_*kernels.py")


def test_no_module_is_longer_than_a_reader_bears():
    for path in modules():
        n_lines = len(path.read_text().splitlines())
        # One table of all lake tables is not split: it is data, read by name.
        if is_kernel(path) or path.relative_to(PROJECT).as_posix() == "mpss_lib/schemas.py":
            continue
        limit = MAX_DAG_LINES if path.parent.name == "dags" else MAX_LINES
        assert n_lines <= limit, f"{path.relative_to(PROJECT)}: {n_lines} lines"


def test_a_long_function_is_refused_and_the_list_of_those_that_stand_only_shrinks(tmp_path):
    def house(**lengths):
        text = "".join(
            f'def {name}():\n    """Told\n    in two."""\n' + "    0\n" * (n - 1)
            for name, n in lengths.items()
        )
        (tmp_path / "mpss_lib").mkdir(exist_ok=True)
        (tmp_path / "mpss_lib" / "_kernels.py").write_text(text)
        (tmp_path / "mpss_lib" / "house.py").write_text(text)

    def refused(*names):
        listed = frozenset(f"mpss_lib/house.py:{name}" for name in names)
        return [
            line.partition("house.py:")[2] for line in function_lengths.faults(tmp_path, listed)
        ]

    house(short=40, long=41, stands=60, endless=61)
    assert refused("stands", "endless", "short", "gone") == [
        "endless: 61 lines, 60 at most",
        "long: 41 lines; shorten it to 40",
        "gone: not long, take it off the list",
        "short: not long, take it off the list",
    ]
    assert refused("long", "stands", "endless") == ["endless: 61 lines, 60 at most"]
    house(**{f"f{k}": 41 for k in range(16)})
    assert function_lengths.faults(
        tmp_path, frozenset(f"mpss_lib/house.py:f{k}" for k in range(16))
    ) == ["16 names, 15 at most"]


def test_no_module_is_named_for_nothing():
    names = {"utils", "helpers", "common", "core"}
    found = [path for path in modules() if names & {path.stem, *path.relative_to(PROJECT).parts}]
    assert found == []


def test_no_module_hides_a_public_function():
    import mpss_lib

    assert [name for name in mpss_lib.__all__ if (PROJECT / f"mpss_lib/{name}.py").exists()] == []


def test_lock_names_no_index_and_every_hash():
    text = (PROJECT / "requirements.lock").read_text()
    assert not re.search(r"https?:|--(extra-)?index|--find-links|--trusted-host|@ file|@ git", text)
    pins = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert len(pins) > 50
    assert all("==" in pin for pin in pins)
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    assert all("--hash=sha256:" in block for block in blocks if re.match(r"[A-Za-z0-9]", block))


def test_lock_pins_every_dependency_of_the_project():
    """With the cluster's: one lock serves both forms, and tests run both."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["cluster"]]
    text = (PROJECT / "requirements.lock").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", text, re.M)
    plain = {re.sub(r"[._]", "-", pin).lower() for pin in pins}
    names = [re.split(r"[\[<>=]", text)[0].lower() for text in wanted]
    assert [one for one in names if one not in plain] == []


def test_git_tracks_no_image_table_or_database():
    if not (PROJECT / ".git").exists():
        pytest.skip("not a checkout")
    answer = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    data = re.compile(r"\.(dcm|parquet|duckdb|sqlite3?|db|npz|npy|nii(\.gz)?|log)$")
    tracked = [name for name in answer.stdout.split("\0") if name]
    assert len(tracked) > 100
    assert [name for name in tracked if data.search(name.lower())] == []


def test_every_stage_has_its_door():
    from mpss_lib.batch import CHAIN
    from mpss_lib.config import STAGES

    for stage in STAGES:
        door = importlib.import_module(f"mpss_lib.{stage}.stage")
        assert inspect.isfunction(door.run), stage
        assert door.run.__doc__, stage
        assert hasattr(door, "opened") == (stage in {*CHAIN, "stability", "publication"}), stage
    packages = {path.parent.name for path in (PROJECT / "mpss_lib").glob("*/stage.py")}
    assert packages == set(STAGES)


def test_every_lake_table_has_its_relation_and_none_else():
    from mpss_lib.schemas import TABLES

    relations = {path.stem for path in (PROJECT / "sql" / "1_raw").glob("*.sql")}
    assert relations == {f"raw.{table}" for table in TABLES}


def test_every_sql_file_is_named_as_a_relation_and_opens_with_what_a_row_is():
    for layer in ("1_raw", "2_core", "3_out"):
        for path in sorted((PROJECT / "sql" / layer).glob("*.sql")):
            assert re.fullmatch(r"[a-z]+\.[a-z_0-9]+", path.stem), path.name
            assert path.read_text().startswith("-- "), path.name


def test_the_library_never_names_the_orchestrator():
    for path in (PROJECT / "mpss_lib").rglob("*.py"):
        found = re.search(r"^\s*(import|from) (airflow|mpss_airflow)\b", path.read_text(), re.M)
        assert not found, path


def test_no_dag_knows_the_demo():
    for path in (PROJECT / "dags").glob("*.py"):
        assert "mpss_lib.demo" not in path.read_text(), path


def test_no_assertion_and_no_loose_float_rules_outside_tests():
    for path in modules():
        text = path.read_text()
        assert not re.search(r"^\s*assert\b", text, re.M), path
        assert not re.search(r"fastmath\s*=\s*True", text), path
