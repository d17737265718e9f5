import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mpss_lib.columns import conform
from mpss_lib.config import Address
from mpss_lib.errors import LakeCorruptError, PlatformFaultError, WrongArgumentError
from mpss_lib.parquet import FEW, read_whole, table_bytes
from mpss_lib.schemas import REAL, TABLES
from mpss_lib.tables import check_key, digest_of, read_parquet
from mpss_lib.whole_files import replacing, write_bytes

HERE = Address("1", "abc")


def verdict(key="S1", verdict="pass"):
    return {"study_key": key, "verdict": verdict, "flags": ["a", "b"], "not_assessable": []}


def test_rows_come_back_as_they_were_written(lake):
    lake.write("quality_verdict", HERE, "S1", "d1", [verdict()])
    assert lake.rows("quality_verdict", HERE, "S1") == [verdict()]
    assert lake.rows("quality_verdict", HERE, "S2") == []


def test_the_same_rows_give_the_same_bytes(lake):
    first = lake.write("quality_verdict", HERE, "S1", "d1", [verdict()])
    second = lake.write("quality_verdict", HERE, "S1", "d2", [verdict()])
    assert first.content_sha256 == second.content_sha256
    assert first.path != second.path


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([{"study_key": "S1"}], "verdict"),
        ([verdict() | {"mood": "good"}], "mood"),
        ([verdict(), verdict()], "repeat the grain"),
    ],
)
def test_rows_that_break_the_schema_or_the_grain_write_nothing(lake, rows, named):
    with pytest.raises(LakeCorruptError, match=named):
        lake.write("quality_verdict", HERE, "S1", "d1", rows)
    assert not list(lake.root.rglob("*.parquet"))


def test_a_file_with_a_foreign_schema_is_refused_by_name(lake):
    path = lake.landing_path("quality_verdict", HERE, "S1", "d1")
    path.parent.mkdir(parents=True)
    pa.parquet.write_table(pa.table({"study_key": [1]}), path)
    with pytest.raises(LakeCorruptError, match=r"quality_verdict S1|quality_verdict study=S1"):
        read_parquet(path, "quality_verdict")


def test_current_files_come_in_the_order_that_was_asked_for_else_sorted(lake):
    """Digests of inputs hang on it: in another order an evaluation would be made again."""
    keys = [f"S{i * 7919 % 1000:03d}" for i in range(60)]
    for key in keys:
        lake.write("quality_verdict", HERE, key, "d1", [verdict(key)])
    assert list(lake.current_paths("quality_verdict", HERE, keys)) == keys
    assert list(lake.current_paths("quality_verdict", HERE)) == sorted(keys)


def test_the_manifest_names_the_current_file_when_there_are_several(lake):
    old = lake.write("quality_verdict", HERE, "S1", "d1", [verdict()])
    lake.write("quality_verdict", HERE, "S1", "d2", [verdict(verdict="hold")])
    record = {
        "record": "r1", "engine": "1", "config": "abc", "written_at": "2026-01-01T00:00:00",
        "units": [{"key": "S1", "files": [{"table": "quality_verdict", "path": old.path}]}],
    }  # fmt: skip
    lake.record("quality", "r1", record)
    assert lake.rows("quality_verdict", HERE, "S1")[0]["verdict"] == "pass"
    assert lake.current_paths("quality_verdict", HERE)["S1"] == lake.root / old.path


def test_existing_wants_every_table_of_the_stage(lake):
    lake.write("quality_verdict", HERE, "S1", "d1", [verdict()])
    assert lake.existing("quality", HERE, "S1", "d1") == ()
    assert len(lake.existing("quality", HERE, "S1", "d1", tables=("quality_verdict",))) == 1


def test_quarantine_counts_the_tries_and_release_ends_it(lake):
    for _ in range(2):
        lake.quarantine("intake", "S1", error="X", problem="p", way_out="w")
    assert lake.quarantined() == [
        {"stage": "intake", "study_key": "S1", "error": "X", "problem": "p", "way_out": "w",
         "tries": 2}
    ]  # fmt: skip
    lake.release("intake", "S1")
    assert lake.quarantined() == []


def test_an_error_inside_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail_halfway():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_refusing_disk_is_the_platforms_fault(tmp_path):
    (tmp_path / "lake").write_text("a file where a folder should be")
    with pytest.raises(PlatformFaultError, match="cannot write"):
        write_bytes(tmp_path / "lake" / "x", b"")


KILLED = """
    import sys
    from pathlib import Path
    from mpss_lib import whole_files

    target, phase = Path(sys.argv[1]), sys.argv[2]

    def stop(name):
        if name == phase:
            print("here", flush=True)
            import time; time.sleep(60)

    with whole_files.replacing(target) as temporary:
        stop("before")
        temporary.write_bytes(b"n" * 50_000)
        stop("written")
    stop("replaced")
"""


@pytest.mark.parametrize(
    ("phase", "content"), [("before", b"old"), ("written", b"old"), ("replaced", b"n" * 50_000)]
)
def test_a_kill_leaves_nothing_or_the_whole_file(tmp_path, phase, content):
    target = tmp_path / "file.json"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(target), phase]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == "here"  # the kill hits this very phase
        os.kill(process.pid, signal.SIGKILL)
    assert target.read_bytes() == content
    rubbish = [p for p in tmp_path.iterdir() if p.name.startswith(".tmp-")]
    assert len(rubbish) == (0 if phase == "replaced" else 1)
    assert list(tmp_path.glob("*.json")) == [target], "a file that is not whole is met by a list"


def test_digests_mark_where_parts_end():
    assert digest_of(["ab", "c"]) != digest_of(["a", "bc"])
    assert digest_of(["ab"]) == digest_of([b"ab"])


@pytest.mark.parametrize("key", ["", "../x", "a/b", "a b", "a=b"])
def test_a_key_that_could_leave_its_folder_is_refused(key):
    with pytest.raises(WrongArgumentError):
        check_key(key)


def test_every_table_names_its_grain_and_a_stage():
    from mpss_lib.config import STAGES

    for table in TABLES.values():
        assert table.stage in STAGES
        assert set(table.grain) <= set(table.columns)


def test_records_are_read_in_the_order_of_their_time(lake):
    for name, at in (("b", "2026-01-01T00:00:00"), ("a", "2026-01-02T00:00:00")):
        lake.record("quality", name, {"record": name, "written_at": at})
    assert [record["record"] for record in lake.records("quality")] == ["b", "a"]
    path = lake.root / "manifest" / "quality" / "a.json"
    assert json.loads(path.read_text())["record"] == "a"
    assert time.time() - path.stat().st_mtime < 60


@pytest.mark.parametrize(
    ("n_rows", "packed"), [(1, "UNCOMPRESSED"), (FEW - 1, "UNCOMPRESSED"), (FEW, "ZSTD")]
)
def test_a_file_of_few_rows_without_doubles_is_not_packed(tmp_path, n_rows, packed):
    spec = TABLES["instance"]
    nothing = {pa.string(): "", pa.bool_(): True}
    row = {name: nothing.get(kind, 0) for name, kind in spec.columns.items()}
    data = conform(spec, [row | {"object_key": str(n)} for n in range(n_rows)])
    path = tmp_path / "file.parquet"
    path.write_bytes(table_bytes(data, spec))
    assert compressions(path) == {packed}
    assert read_whole(path).to_pylist() == data.to_pylist()


def test_doubles_are_packed_however_few_rows_there_are(tmp_path):
    spec = next(one for one in TABLES.values() if REAL in one.columns.values())
    path = tmp_path / "file.parquet"
    data = pa.Table.from_pylist([dict.fromkeys(spec.columns)], schema=spec.schema)
    path.write_bytes(table_bytes(data, spec))
    assert compressions(path) == {"ZSTD"}


def compressions(path):
    group = pq.read_metadata(path).row_group(0)
    return {group.column(n).compression for n in range(group.num_columns)}
