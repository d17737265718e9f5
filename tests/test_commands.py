"""Whatever a shell command does, the next publish works: each command, and every two in order."""

from __future__ import annotations

import pytest
from quick_evaluation import quick_evaluation
from walked_home import Walked, call, column, hospital, keep, leaves, only_tells, put_back, state_of

from mpss_lib.config import STAGES
from mpss_lib.warehouse import stage

N_PARTS = 3
WRITERS = {
    "accept": ["{study}"],
    "find": ["{first} {last}"],
    "purge": ["{study} --yes"],
    "quality pictures": ["{study}"],
    "quarantine retry": [""],
    "recheck": ["", "{study}"],
    "recompute": ["", "--activate"],
    "reconcile": [""],
    "run": [
        *STAGES,
        "intake {study} --force",
        "radiomics {study} --force",
        "selection --force",
        "evaluation {cohort}",
        "intake S0000000000000000",
    ],
    "segmentation import": ["{home}-masks.dcm {study}"],
    "stability": ["", "{cohort} --bins 8 --force --json"],
    "warehouse activate": ["all", "radiomics"],
    "warehouse check": ["", "--force --publish"],
    "warehouse compact": [""],
    "warehouse rebuild": [""],
}
"""Commands that may change what a publish reads, with the arguments with which they are tried."""

READERS = {
    "audit ls": ["", "--study {study} --json"],
    "audit verify": [""],
    "alarm check": ["", "--quiet"],
    "alarm ls": [""],
    "alarm test": [""],
    "doctor": ["", "--json", "--fix"],
    "settings move": [""],
    "settings show": [""],
    "backup create": ["{home}-copies"],
    "backup ls": [""],
    "backup restore": ["{home}-copies --home {home}-restored"],
    "backup verify": ["{home}-copies"],
    "calcium export": ["{study} {home}-calcium"],
    "down": [""],
    "export": ["", "--ddl"],
    "validation-pack": ["{home}-validation --phantoms 1"],
    "model export": ["MYO combined --output {home}-model.json"],
    "model sql": ["{home}-model.json"],
    "model validate": ["{home}-model.json --output {home}-validation.json"],
    "omop": ["{home}-omop"],
    "pacs sheet": [""],
    "pacs start": [""],
    "pacs status": ["", "--json"],
    "pacs stop": ["--reason upgrade"],
    "purge": ["{study} --dry-run", "{study} --dry-run --json"],
    "quality limits": ["--version site-1"],
    "recompute": ["--dry-run", "--after segmentation.wall_mm --dry-run"],
    "quarantine ls": [""],
    "segmentation export": ["{study} --output {home}-masks.dcm"],
    "segmentation names": ["{home}-masks.dcm"],
    "sql": ["'select 1'"],
    "sbom": ["", "--licences"],
    "status": [""],
    "upgrade": ["--check"],
    "verify": [""],
    "warehouse status": [""],
    "warm": [""],
    "who": ["{study}"],
}
"""Commands that leave the lake as it is: the walk proves it, so they stand in no pair."""

NOT_HERE = {
    **dict.fromkeys(
        (f"account {name}" for name in ("add", "disable", "enable", "ls", "password", "role")),
        "wants Airflow's database: tests/runtime/test_accounts.py walks them",
    ),
    **dict.fromkeys(
        (
            f"cluster {name}"
            for name in ("down", "lock-trial", "roll", "run", "status", "supervise", "up")
        ),
        "wants PostgreSQL and Redis: tests/cluster",
    ),
    **dict.fromkeys(
        (f"calcium {name}" for name in ("add", "confirm", "lesions", "relabel", "remove", "undo")),
        "wants a calcium CT: tests/calcium/test_correction.py walks them, each with a publish",
    ),
    "alarm watch": "looks until it is ended",
    "backup rehearse": "starts a whole Airflow: tests/maintenance/test_rehearsal.py",
    "airflow": "another program's command line, of a home that runs",
    "audit send": "wants a receiver of syslog: tests/audit",
    "archive serve": "serves until it is ended, and writes no home",
    "demo": "starts a whole Airflow: tests/end_to_end and `make demo` walk it",
    "receiver": "serves until it is ended, and writes no lake",
    "up": "starts a whole Airflow: tests/end_to_end and `make demo` walk it",
}
"""Commands that cannot run in this process, and why."""


def spelled(table: dict[str, list[str]]) -> list[str]:
    return [f"{name} {more}".strip() for name, tries in table.items() for more in tries]


def plain(table: dict[str, list[str]]) -> list[str]:
    """Each command once, as it is told most simply; ``run`` with each of its stages."""
    once = {name: STAGES if name == "run" else tries[:1] for name, tries in table.items()}
    return spelled(once)


def seconds_of(first: str, part: int) -> list[str]:
    """Commands that follow a first one in a part of all pairs: another third for each neighbour."""
    told = plain(WRITERS)
    begin = (told.index(first) + part) % N_PARTS
    return told[begin::N_PARTS]


def test_the_parts_have_every_pair_once_and_each_has_every_command_second():
    told = plain(WRITERS)
    parts = [{(a, b) for a in told for b in seconds_of(a, n)} for n in range(N_PARTS)]
    assert sum(map(len, parts)) == len(told) ** 2 == len(set.union(*parts))
    for part in parts:
        assert {second for _, second in part} == {*told}


@pytest.fixture(scope="module", autouse=True)
def quick():
    """How many splits an evaluation makes changes nothing of what a publish meets."""
    with quick_evaluation():
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A home, and the masks file that some commands ask for; kept as it is at first."""
    with hospital(tmp_path_factory.mktemp("walked")) as home:
        export = home.words("segmentation export {study} --output {home}-masks.dcm")
        assert call(home.root, *export) == 0
        yield home, keep(home, home.root.parent / "kept")


@pytest.fixture
def here(base):
    home, kept = base
    put_back(home, kept)
    return home


def publish(home: Walked, *walked: str) -> None:
    try:
        stage.run(home.lake, home.config)
    except Exception as error:
        raise AssertionError(f"publish after {walked}: {error}") from error


def test_every_command_is_walked():
    """A new command belongs into one of the tables."""
    assert set(leaves()) == {*WRITERS, *READERS, *NOT_HERE}


@pytest.mark.slow
def test_readers_leave_the_lake_as_it_is(here):
    call(here.root, *here.words("backup create {home}-copies"))
    before, snapshot = state_of(here.root, "lake"), here.lake.snapshot.stat()
    for told in spelled(READERS):
        call(here.root, *here.words(told))
        assert state_of(here.root, "lake") == before, told
        assert here.lake.snapshot.stat().st_mtime_ns == snapshot.st_mtime_ns, told
    publish(here, "every reader")


@pytest.mark.slow
@pytest.mark.parametrize("told", sorted({*spelled(WRITERS)} - {*plain(WRITERS)}))
def test_a_publish_works_after_another_way_to_tell_a_command(here, told):
    call(here.root, *here.words(told))
    publish(here, told)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(1, N_PARTS))]
)
@pytest.mark.parametrize("first", plain(WRITERS))
def test_a_publish_works_after_a_command_and_any_second_one(here, tmp_path, first, part):
    """Where one has only told that all was done, it is published alone, and no other is paired.

    There are some 600 pairs: a third of them here, with each command first and each second, and
    all of them once a night.

    Such a first one leaves to the second what that meets without it; such a second one leaves the
    lake that was published after the first.
    """
    before = state_of(here.root)
    call(here.root, *here.words(first))
    is_changed = not only_tells(here.root, before, state_of(here.root))
    publish(here, first)
    after_first = keep(here, tmp_path / "after_first")
    before = state_of(here.root)
    for second in seconds_of(first, part) if is_changed else ():
        put_back(here, after_first)
        call(here.root, *here.words(second))
        if not only_tells(here.root, before, state_of(here.root)):
            publish(here, first, second)


# When nobody listens, pynetdicom leaves the closing of its socket to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.parametrize("told", [*spelled(READERS), *spelled(WRITERS)])
def test_a_publish_works_after_a_command_in_an_empty_home(tmp_path, told):
    """A home that is as it was is published by a test of its own."""
    home = empty_home(tmp_path)
    before = state_of(home.root)
    call(home.root, *home.words(told))
    if state_of(home.root) != before or home.lake.snapshot.exists():
        publish(home, told)


def test_an_empty_home_is_published(tmp_path):
    publish(empty_home(tmp_path))


def empty_home(tmp_path):
    home = Walked(tmp_path / "home", dict.fromkeys(("study", "cohort"), "S0000000000000000"))
    home.names |= {"first": "2026-01-01", "last": "2026-01-02"}
    home.root.mkdir()
    (home.root / "mpss.toml").write_text("[archive]\nport = 9\n")
    return home


@pytest.mark.slow
def test_the_walk_begins_in_a_home_where_all_is_there(here):
    assert len(column(here.lake, "select study_key from core.cohort")) > 5
    assert column(here.lake, "select count(*) from result.prediction_latest")[0] != "0"
    for name in STAGES:
        assert call(here.root, "run", name) == 0, name
