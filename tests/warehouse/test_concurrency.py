"""Readers during publishes, and writers that are killed: bounded in number, counted by phase."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fabricated_lake import Builder, settings

from mpss_lib.tables import Lake
from mpss_lib.warehouse import snapshot, stage
from mpss_lib.warehouse.maintenance import RUBBISH_AGE_S, remove_orphans
from mpss_lib.warehouse.reader import rows

HERE = Path(__file__).parent
N_READERS = 2
N_PUBLISHES = 8
N_KILLS = 12
N_PHASES = 5
POINTS = (
    "landing_temporary",
    "landing_unrecorded",
    "record_temporary",
    "plan",
    "batch_temporary",
    "batch_unrecorded",
    "build",
    "check",
    "swap",
    "done",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def three_studies(tmp_path_factory):
    build = Builder(Lake(tmp_path_factory.mktemp("three") / "lake"), settings())
    build.catalogue()
    for i in range(3):
        build.through(f"s{i}", f"p{i}", seed=i)
    build.flush()
    stage.run(build.lake, build.config)
    return build.lake.root


def child(script: str, *arguments: str) -> subprocess.Popen:
    paths = (str(HERE.parent), str(HERE.parent.parent))
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bench(name: str, *arguments: str) -> tuple[int, dict]:
    """Run a script of ``tests/bench`` on a smaller number: its exit status and what it told."""
    tests = HERE.parent
    paths = os.pathsep.join((str(tests), str(tests.parent)))
    answer = subprocess.run(
        [sys.executable, str(tests / "bench" / name), *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout.splitlines()[-1])


def test_readers_see_whole_snapshots_that_never_go_back():
    status, told = bench(
        "warehouse_readers.py", "--readers", str(N_READERS), "--publishes", str(N_PUBLISHES)
    )
    assert (told["torn"], told["backward"], told["errors"]) == (0, 0, [])
    assert told["publishes"] == N_PUBLISHES
    assert min(told["snapshots_seen"]) >= 2
    assert told["queries"] >= 8
    assert status == 0


def state(lake) -> dict:
    (found,) = rows(
        lake,
        "select (select count(*) from feature.radiomics) as n,"
        " (select count(distinct (study_key, segment, bins)) from feature.radiomics) as n_distinct,"
        " (select count(*) from core.study) as studies",
    )
    return found


def check_whole(lake, n_studies: int) -> None:
    assert state(lake) == {"n": 56 * n_studies, "n_distinct": 56 * n_studies, "studies": n_studies}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_each_point_loses_nothing(build, home, three_studies, point):
    shutil.copytree(three_studies, build.lake.root)
    build.catalogue()
    stage.rebuild(build.lake, build.config)  # the copy's own snapshot
    writer = child("writer_child.py", str(home), point, "7")
    out, err = writer.communicate(timeout=120)
    assert writer.returncode == -signal.SIGKILL, err
    is_recorded = not point.startswith(("landing", "record"))
    assert ("plan" in out) == is_recorded
    check_whole(build.lake, 4 if point == "done" else 3)  # the published snapshot is whole
    build.through("k7", "p7", seed=7)  # the task again: the same files, now recorded
    build.flush("again")
    stage.run(build.lake, build.config)
    check_whole(build.lake, 4)
    remove_orphans(build.lake, build.config, now=time.time() + 2 * RUBBISH_AGE_S)
    assert not list(build.lake.root.rglob(".tmp-*"))
    check_whole(build.lake, 4)


def test_kills_at_random_moments_of_every_phase():
    status, told = bench("warehouse_kills.py", "--kills", str(N_KILLS), "--seed", "3")
    assert told["kills"] == N_KILLS
    assert (told["corrupt"], told["lost"], told["duplicated"]) == ([], [], [])
    assert len([phase for phase, n in told["hit"].items() if n]) >= N_PHASES, told["hit"]
    assert status in (0, 1)  # 1: on a busy machine a kill aimed at a short phase meets the next


def test_one_publisher_waits_for_the_other(build):
    build.catalogue()
    build.through("s0", "p0")
    build.flush()
    stage.run(build.lake, build.config)
    with snapshot.one_publisher(build.lake) as sequence:
        second = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from pathlib import Path; from mpss_lib.config import Config;"
                "from mpss_lib.tables import Lake; from mpss_lib.warehouse import stage;"
                "print(stage.run(Lake(Path(sys.argv[1])), Config())['sequence'])",
                str(build.lake.root),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=4)
    out, _ = second.communicate(timeout=60)
    assert int(out) == sequence + 1
