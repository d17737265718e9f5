"""What a check takes over of the one before: the findings are those of a check of every file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from sound_lake import (
    FIRST,
    KEYS,
    SoundBuilder,
    check,
    edit,
    feature_rows,
    make_sound,
    set_value,
)

from mpss_lib.errors import LakeCorruptError
from mpss_lib.warehouse import stage
from mpss_lib.warehouse.expectations import checking, judging, seen
from mpss_lib.warehouse.expectations.views import Current
from mpss_lib.whole_files import read_json, write_json

FOURTH, FIFTH, SIXTH = (f"S{k:016x}" for k in (4, 5, 6))


@pytest.fixture
def sound(lake) -> SoundBuilder:
    return make_sound(lake)


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Files of which a check has read the feature columns."""
    found: list[str] = []
    chunks = Current.chunks

    def noted(self, table, paths):
        found.extend(paths)
        return chunks(self, table, paths)

    monkeypatch.setattr(Current, "chunks", noted)
    return found


@pytest.fixture
def judged(monkeypatch) -> list[frozenset[str] | None]:
    """Studies whose features each check has judged; None where all are."""
    found: list[frozenset[str] | None] = []
    ask = checking.unjudged

    def noted(suite, *given):
        answer = ask(suite, *given)
        if suite == "features":
            found.append(answer)
        return answer

    monkeypatch.setattr(checking, "unjudged", noted)
    return found


def rows_of(build: SoundBuilder, table: str) -> list[dict]:
    return build.lake.rows(table, build.config.address("warehouse"), "features")


def findings(build: SoundBuilder) -> list[list[dict]]:
    return [rows_of(build, f"expectation_{name}") for name in ("result", "failure", "seen")]


def spoiled(build: SoundBuilder, key: str, seed: int, n: int, salt: str) -> None:
    """Give a study ``n`` rows out of range, and one that is flagged although it has a value."""
    once, binned = feature_rows(key, seed)
    for row in binned[10 : 10 + n]:
        row["cm_corr"] = 2.0 + seed
    once[3]["undefined_features"] = []
    build.features(key, once, binned, salt=salt)


def two_faulty(build: SoundBuilder) -> None:
    for k, key in ((5, FIFTH), (6, SIXTH)):
        build.study(key, f"P{k:016x}", k)
        spoiled(build, key, k, 7, "faulty")


def take_out(build: SoundBuilder) -> None:
    """Take a study out of every record, as a purge does."""
    for path in build.lake.root.glob("manifest/*/*.json"):
        record = read_json(path)
        record["units"] = [unit for unit in record["units"] if unit["key"] != SIXTH]
        write_json(path, record)


def join(build: SoundBuilder) -> None:
    """Publish, so that the files that stand alone are joined."""
    build.flush()
    settings = build.config.warehouse.model_copy(update={"compact_from": 2})
    stage.run(build.lake, build.config.model_copy(update={"warehouse": settings}))
    assert list((build.lake.root / "batch" / "feature_binned").rglob("seq=*.parquet"))


def alter(build: SoundBuilder) -> None:
    """Change a value where it lies, as a fault of a disk would."""
    path = build.path("feature_binned", KEYS[1])
    edit(path, lambda data: set_value(data, "ngt_busyness", 20, -4.0))


def spoil_the_batch(build: SoundBuilder) -> None:
    path = build.lake.root.glob("batch/feature_binned/**/seq=2.parquet")
    [path] = path
    path.write_bytes(path.read_bytes()[:-100])


STEPS: dict[str, tuple[int, Callable[[SoundBuilder], None]]] = {
    "a sound study comes": (2, lambda build: build.study(FOURTH, f"P{4:016x}", 4)),
    "two faulty studies come": (4, two_faulty),
    "one of them goes": (0, take_out),
    "a sound study becomes faulty": (2, lambda build: spoiled(build, FIRST, 1, 2, "faulty")),
    "a twin comes": (
        2,
        lambda build: build.features(FOURTH, *feature_rows(FOURTH, 2), salt="twin"),
    ),
    "a file is altered in its place": (1, alter),
    "files are joined": (2, join),
    "one of the batch is replaced": (2, lambda build: spoiled(build, KEYS[2], 3, 1, "faulty")),
    "another is, and the batch is not read": (
        2 * 14,
        lambda build: build.features(FIFTH, *feature_rows(FIFTH, 55), salt="mended"),
    ),
    "files are joined again": (2, join),
    "a batch loses bytes, and is not read": (15, spoil_the_batch),
    "the twin is gone": (
        2,
        lambda build: build.features(FOURTH, *feature_rows(FOURTH, 4), salt="own"),
    ),
}


NIGHTS: dict[str, Callable[[SoundBuilder], None]] = {
    "a sound study comes": STEPS["a sound study comes"][1],
    "two faulty studies come": two_faulty,
    "a sound study becomes faulty": STEPS["a sound study becomes faulty"][1],
    "a twin comes": STEPS["a twin comes"][1],
    "a file is altered in its place": alter,
    "files are joined": join,
    "one of a batch is replaced": STEPS["one of the batch is replaced"][1],
    "a twin is gone": STEPS["another is, and the batch is not read"][1],
}


def test_step_by_step_the_findings_are_those_of_a_check_of_every_file(sound, read):
    for k in range(10, 20):
        sound.study(f"S{k:016x}", f"P{k:016x}", k)
    check(sound, "features")
    n_broken = []
    for step, (n_files, change) in STEPS.items():
        change(sound)
        read.clear()
        check(sound, "features")
        n_read, once = len(read), findings(sound)
        assert n_read == n_files, (step, read)
        read.clear()
        stage.check(sound.lake, sound.config, suites=["features"], force=True)
        assert findings(sound) == once, step
        assert len(read) >= n_files
        n_broken.append([row["n_unexpected"] for row in once[0] if row["n_unexpected"]])
    assert n_broken == [
        *([], [2, 14], [1, 7], [2, 9], [2, 2, 9], [2, 2, 10], [2, 2, 10], [3, 2, 11]),
        *([2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 4]),
    ]


def test_night_after_night_the_findings_are_those_of_a_check_of_every_study(sound, judged):
    """Each night is published, so that the next check asks of what is new since then."""
    check(sound, "features")
    stage.run(sound.lake, sound.config)
    few = []
    for step, change in NIGHTS.items():
        change(sound)
        judged.clear()
        check(sound, "features")
        found = findings(sound)
        few.append(judged[0])
        stage.check(sound.lake, sound.config, suites=["features"], force=True)
        assert findings(sound) == found, step
        stage.run(sound.lake, sound.config)
    assert few == [
        {FOURTH},
        {FIFTH, SIXTH},
        {FIRST, FIFTH, SIXTH},
        {FOURTH, FIRST, FIFTH, SIXTH},
        {KEYS[1], FOURTH, FIRST, FIFTH, SIXTH},
        None,
        None,
        {FIFTH, KEYS[2], KEYS[1], FOURTH, FIRST, SIXTH},
    ]


@pytest.mark.parametrize("query", ["raw.feature_binned.rows_whole", "raw.scanner_effect"])
def test_a_query_that_asks_of_all_studies_is_asked_of_all(sound, judged, monkeypatch, query):
    """Only one that reads rows of studies: a warning about scanners is asked of all anyhow."""
    told = judging.read_checks

    def without(**more):
        return tuple(
            replace(one, by="") if one.name.startswith(query) else one for one in told(**more)
        )

    monkeypatch.setattr(judging, "read_checks", without)
    check(sound, "features")
    stage.run(sound.lake, sound.config)
    sound.study(FOURTH, f"P{4:016x}", 4)
    judged.clear()
    check(sound, "features")
    assert judged == [None if query.startswith("raw.feature") else {FOURTH}]


def test_of_one_new_study_only_its_own_files_are_read(sound, read):
    check(sound, "features")
    assert len(read) == 2 * len(KEYS)
    read.clear()
    sound.study(FOURTH, f"P{4:016x}", 4)
    check(sound, "features")
    own = [sound.path(table, FOURTH) for table in ("feature_once", "feature_binned")]
    assert read == [sound.lake.relative(path) for path in own]


def test_what_was_seen_is_made_anew_where_it_is_lost_or_broken(sound, read):
    check(sound, "features")
    address = sound.config.address("warehouse")
    path = sound.lake.current_path("expectation_seen", address, "features")
    whole = path.read_bytes()
    for harm in (path.unlink, lambda: path.write_bytes(whole[:100])):
        harm()
        read.clear()
        assert check(sound, "features")["suites_run"] == 1
        assert len(read) == 2 * len(KEYS)
        assert path.read_bytes() == whole


def test_other_rules_are_held_against_every_file(sound, read, monkeypatch):
    check(sound, "features")
    told = seen.read_dictionary

    def stricter(connection, names):
        found = told(connection, names)
        return replace(found, high=found.high - 0.5)

    monkeypatch.setattr(seen, "read_dictionary", stricter)
    read.clear()
    sound.study(FOURTH, f"P{4:016x}", 4)
    assert check(sound, "features")["held_back"] > 0
    assert len(read) == 1 + len(KEYS) + 1, "in feature_once there is no upper bound"


def test_a_file_with_very_many_faults_is_read_at_each_check(sound, read, monkeypatch):
    monkeypatch.setattr(seen, "MOST_KEPT", 5)
    spoiled(sound, FIRST, 1, 6, "faulty")
    check(sound, "features")
    faulty = sound.lake.relative(sound.path("feature_binned", FIRST))
    assert faulty not in {row["path"] for row in rows_of(sound, "expectation_seen")}
    read.clear()
    sound.study(FOURTH, f"P{4:016x}", 4)
    assert check(sound, "features")["held_back"] == 1
    assert len(read) == 3
    assert faulty in read


def test_a_table_that_was_at_fault_is_read_again(sound, read):
    check(sound, "features")
    path = sound.path("feature_binned", FIRST)
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(LakeCorruptError):
        check(sound, "features")
    path.write_bytes(whole)
    read.clear()
    assert check(sound, "features")["held_back"] == 0
    assert len(read) == len(KEYS)


def test_a_nightly_check_looks_for_what_is_read_and_a_whole_one_for_every_file(sound):
    sound.study(FOURTH, f"P{4:016x}", 4)
    check(sound, "features")
    join(sound)
    sound.path("feature_binned", FIRST).unlink()  # a batch repeats it: nothing reads it
    assert check(sound, "features")["stops"] == 0
    with pytest.raises(LakeCorruptError, match=r"feature_binned is at fault.*is there"):
        stage.check(sound.lake, sound.config, suites=["features"], force=True)


def test_a_nightly_check_does_not_lift_what_a_whole_one_had_stopped(sound):
    sound.study(FOURTH, f"P{4:016x}", 4)
    check(sound, "features")
    join(sound)
    path = sound.path("feature_binned", FIRST)
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(LakeCorruptError):
        stage.check(sound.lake, sound.config, suites=["features"], force=True)
    for _ in range(2):
        with pytest.raises(LakeCorruptError, match=r"feature_binned is at fault.*is there"):
            check(sound, "features")
    path.write_bytes(whole)
    assert check(sound, "features")["stops"] == 0
    path.unlink()
    assert check(sound, "features")["stops"] == 0  # a nightly check again


def test_a_whole_check_finds_what_was_altered_behind_its_size_and_time(sound, read):
    path = sound.path("feature_binned", KEYS[1])
    edit(path, lambda data: set_value(data, "ngt_busyness", 20, 4.0))
    assert check(sound, "features")["held_back"] == 0
    before = path.stat()
    edit(path, lambda data: set_value(data, "ngt_busyness", 20, -4.0))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    sound.study(FOURTH, f"P{4:016x}", 4)
    read.clear()
    assert check(sound, "features")["held_back"] == 0
    assert sound.lake.relative(path) not in read
    counts = stage.check(sound.lake, sound.config, suites=["features"], force=True)
    assert counts["held_back"] == 1
