"""A disk that is full while a snapshot is published: told in our words, nothing is left behind."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import pytest

from mpss_lib import whole_files
from mpss_lib.errors import PlatformFaultError
from mpss_lib.warehouse import publisher, snapshot, stage
from mpss_lib.warehouse.pointers import read_pointers

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def rubbish(lake):
    return sorted(path.name for path in lake.root.rglob(".tmp-*"))


def raises(error):
    def refuse(*_, **__):
        raise error

    return refuse


BREAKS = {
    "temporary name": (whole_files.tempfile, "mkstemp", FULL),
    "snapshot": (snapshot, "_fill", duckdb.IOException("IO Error: Could not write: No space left")),
    "sync": (whole_files, "sync", FULL),
    "number": (publisher.os, "pwrite", FULL),
}


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_each_place_that_writes_says_so(filled, name, monkeypatch):
    stage.run(filled.lake, filled.config)
    before = filled.lake.snapshot.read_bytes(), read_pointers(filled.lake)
    place, function, error = BREAKS[name]
    with monkeypatch.context() as patch:
        patch.setattr(place, function, raises(error))
        with pytest.raises(PlatformFaultError, match=r"No space left.*free disk space"):
            stage.run(filled.lake, filled.config)
    assert (filled.lake.snapshot.read_bytes(), read_pointers(filled.lake)) == before
    assert rubbish(filled.lake) == []
    stage.run(filled.lake, filled.config)


def test_what_duckdb_writes_beside_the_file_goes_with_it(filled, monkeypatch):
    fill = snapshot._fill

    def breaks(path, *arguments):
        fill(path, *arguments)
        path.with_name(f"{path.name}.wal").write_bytes(b"x")
        spill = path.with_name(f"{path.name}.tmp")
        spill.mkdir()
        (spill / "duckdb_temp_block").write_bytes(b"x")
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(snapshot, "_fill", breaks)
    with pytest.raises(PlatformFaultError, match="No space left on device"):
        stage.run(filled.lake, filled.config)
    assert rubbish(filled.lake) == []


def test_what_a_killed_publisher_left_goes_with_the_next_publish(filled):
    root = filled.lake.root
    (root / f"{publisher.UNFINISHED}abc").write_bytes(b"half")
    (root / f"{publisher.UNFINISHED}abc.wal").write_bytes(b"half")
    (root / f"{publisher.UNFINISHED}abc.tmp").mkdir()
    (root / f"{publisher.UNFINISHED}abc.tmp" / "block").write_bytes(b"half")
    (root / ".tmp-of-another-writer").write_bytes(b"at work")
    stage.run(filled.lake, filled.config)
    assert rubbish(filled.lake) == [".tmp-of-another-writer"]


@pytest.mark.parametrize("kilobytes", [64, 256, 512, 1024])
def test_a_file_that_may_not_grow(filled, kilobytes):
    """The system's own limit, met inside DuckDB: it answers as it does on a full disk."""
    program = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        from fabricated_lake import settings
        from mpss_lib.errors import PlatformFaultError
        from mpss_lib.tables import Lake
        from mpss_lib.warehouse import stage
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = int(sys.argv[2]) * 1024
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            stage.run(Lake(Path(sys.argv[1])), settings())
        except PlatformFaultError as error:
            print(error)
            sys.exit(9)
        """
    )
    command = [sys.executable, "-c", program, str(filled.lake.root), str(kilobytes)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 9, done.stderr
    assert "free disk space" in done.stdout
    assert not filled.lake.snapshot.exists()
    assert rubbish(filled.lake) == []
    assert read_pointers(filled.lake) == {}
    stage.run(filled.lake, filled.config)
    assert rubbish(filled.lake) == []
