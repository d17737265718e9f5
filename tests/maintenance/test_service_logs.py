"""A service's log is packed under its pen: nothing is lost, nothing else is touched."""

import gzip
import shutil
import stat
from dataclasses import replace

import pytest

from mpss_lib.maintenance import retention, service_logs
from mpss_lib.maintenance.service_logs import pack
from mpss_lib.runtime.services import open_log


def lines(folder, name):
    texts = [gzip.decompress(path.read_bytes()) for path in sorted(folder.glob(f"{name}-*.log.gz"))]
    return (b"".join(texts) + (folder / f"{name}.log").read_bytes()).decode().splitlines()


def test_a_large_log_is_packed_under_the_pen_of_its_service(tmp_path, monkeypatch):
    """Before, between the two copies, and after: every line once."""
    folder, copy = tmp_path / "logs", shutil.copyfileobj
    with open_log(tmp_path, "scheduler") as output:

        def write(*numbers):
            output.writelines(f"line {number}\n".encode() for number in numbers)
            output.flush()

        def interrupted(source, target):
            copy(source, target)
            if not list(folder.glob("*.gz")):
                write(3, 4)

        monkeypatch.setattr(service_logs.shutil, "copyfileobj", interrupted)
        write(1, 2)
        assert pack(folder, 1e-6, 1e9) == 1
        assert (folder / "scheduler.log").stat().st_size == 0
        write(5, 6)
        assert (folder / "scheduler.log").read_bytes() == b"line 5\nline 6\n"
        assert pack(folder, 1e-6, 2e9) == 1
        write(7)
    assert lines(folder, "scheduler") == [f"line {number}" for number in range(1, 8)]
    for path in folder.glob("*.gz"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_small_logs_and_a_limit_of_0_stay(tmp_path):
    with open_log(tmp_path, "triggerer") as output:
        output.write(b"x" * 5000)
    assert pack(tmp_path / "logs", 0.006, 1e9) == 0
    assert pack(tmp_path / "logs", 0.0, 1e9) == 0
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["triggerer.log"]


def test_a_failure_before_the_copy_is_whole_leaves_the_log(tmp_path, monkeypatch):
    with open_log(tmp_path, "triggerer") as output:
        output.write(b"x" * 5000)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service_logs.shutil, "copyfileobj", fail)
    with pytest.raises(Exception, match="No space left"):
        pack(tmp_path / "logs", 0.001, 1e9)
    assert (tmp_path / "logs" / "triggerer.log").stat().st_size == 5000
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["triggerer.log"]


def test_the_retention_packs(invented):
    home = invented.home
    days = home.config.maintenance.model_copy(update={"pack_logs_mb": 1e-6})
    home = replace(home, config=home.config.model_copy(update={"maintenance": days}))
    assert retention.apply(home)["packed"] >= 1
    assert (invented.root / "logs" / "scheduler.log").stat().st_size == 0
