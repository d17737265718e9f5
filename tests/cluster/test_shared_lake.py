"""A lake for several hosts: what its mount says, and whether a lock holds between two of them."""

import fcntl
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mpss_lib import cli
from mpss_lib.config import Config
from mpss_lib.doctor import lake_side
from mpss_lib.doctor.finding import Subject
from mpss_lib.errors import PlatformFaultError, WrongArgumentError
from mpss_lib.runtime.airflow_home import AirflowHome
from mpss_lib.runtime.cluster import shared_lake
from mpss_lib.runtime.cluster.shape import Shape
from mpss_lib.runtime.cluster.shared_lake import TRIAL, faults_of, mount_of, tried

TABLE = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 22 0:40 / /srv/lake rw,relatime shared:9 - nfs4 filer:/lake {options}
41 22 0:41 / /srv/lake\\040of\\040old rw - nfs filer:/old rw,vers=3,acdirmin=0,acdirmax=0
42 22 0:42 / /srv/share rw - cifs //filer/share rw,vers=3.1.1
43 22 0:43 / /srv/s3 rw - fuse.s3fs s3fs rw
44 42 254:2 / /srv/share/disk rw - xfs /dev/vdb rw
"""
GOOD = "rw,vers=4.2,hard,acregmin=0,acregmax=0,acdirmin=0,acdirmax=0,proto=tcp,local_lock=none"


def table(tmp_path, options=GOOD):
    path = tmp_path / "mountinfo"
    path.write_text(TABLE.format(options=options))
    return path


@pytest.mark.parametrize(
    ("path", "point", "kind"),
    [
        ("/srv/lake/landing", "/srv/lake", "nfs4"),
        ("/srv/lake of old/x", "/srv/lake of old", "nfs"),
        ("/srv/lakes", "/", "ext4"),
        ("/srv/share/disk/lake", "/srv/share/disk", "xfs"),
        ("/", "/", "ext4"),
    ],
)
def test_a_path_has_its_nearest_mount(tmp_path, path, point, kind):
    mount = mount_of(type(tmp_path)(path), table(tmp_path))
    assert (str(mount.point), mount.kind) == (point, kind)


def test_this_machine_tells_where_a_path_is_mounted(tmp_path):
    mount = mount_of(tmp_path)
    assert tmp_path.is_relative_to(mount.point)
    assert mount.kind
    assert {"rw"} <= mount.options


def test_a_table_without_the_path_is_an_error(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(PlatformFaultError, match="names no mount"):
        mount_of(tmp_path, tmp_path / "empty")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (GOOD, []),
        (GOOD.replace("local_lock=none", "local_lock=all"), ["locks stay"]),
        (GOOD.replace("local_lock=none", "local_lock=flock"), ["locks stay"]),
        (GOOD.replace("acdirmin=0,acdirmax=0", "noac"), []),
        (GOOD.replace("acdirmax=0", "acdirmax=60"), ["for a minute"]),
        (GOOD.replace("hard", "soft"), ["given up"]),
        (GOOD.replace("hard", "softerr"), ["given up"]),
        (GOOD.replace("vers=4.2", "vers=3") + ",nolock", ["version 4", "locks stay"]),
        ("rw", ["version 4", "for a minute"]),
    ],
)
def test_each_fault_of_an_nfs_mount_is_told(tmp_path, options, words):
    faults = faults_of(mount_of(type(tmp_path)("/srv/lake"), table(tmp_path, options)))
    assert len(faults) == len(words)
    for fault, word in zip(faults, words, strict=True):
        assert word in fault


@pytest.mark.parametrize(
    ("path", "word"),
    [("/srv/share/lake", "cifs"), ("/srv/s3", "fuse.s3fs"), ("/srv/lake of old", "version 4")],
)
def test_what_was_never_tried_says_so(tmp_path, path, word):
    [fault] = faults_of(mount_of(type(tmp_path)(path), table(tmp_path)))
    assert word in fault


def test_a_disk_of_one_host_has_no_faults(tmp_path):
    assert faults_of(mount_of(type(tmp_path)("/srv/share/disk"), table(tmp_path))) == []
    assert faults_of(mount_of(type(tmp_path)("/"), table(tmp_path))) == []


# ------------------------------------------------------------------------- trial


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MPSS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(home):
    """Another process that holds the lock, and says so."""
    command = [sys.executable, "-m", "mpss_lib.cli", "cluster", "lock-trial", "--hold", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = process.stdout.readline()
    assert "holds the lock for 60 s" in told
    yield process
    process.kill()
    process.communicate()


def lock_trial(*more):
    return CliRunner().invoke(cli.app, ["cluster", "lock-trial", *more])


def test_a_lock_that_holds_is_told_and_one_host_proves_nothing(holder, home):
    trial = tried(home / "lake")
    assert (trial.holds, trial.is_other) == (True, False)
    told = lock_trial()
    assert "holds here" in told.output
    assert "proves nothing" in told.output
    assert told.exit_code == 1
    with pytest.raises(WrongArgumentError, match="another trial"):
        shared_lake.hold(home / "lake", 0, print)


def test_two_hosts_between_which_it_holds(holder, home, monkeypatch):
    monkeypatch.setattr(shared_lake, "_boot", lambda: "another boot")
    told = lock_trial()
    assert told.exit_code == 0
    assert "holds here" in told.output


def test_a_mount_that_hosts_must_not_share_is_told_with_it(holder, home, monkeypatch):
    monkeypatch.setattr(shared_lake, "_boot", lambda: "another boot")
    monkeypatch.setattr(shared_lake, "faults_of", lambda _: ["locks stay within each host"])
    told = lock_trial()
    assert "locks stay within each host" in told.output
    assert told.exit_code == 1


def test_a_lock_that_stays_within_its_host_is_found(home, monkeypatch):
    """As NFS with local_lock: the file is seen, its lock is not."""
    (home / "lake").mkdir()
    (home / "lake" / TRIAL).write_text(json.dumps({"host": "far", "boot": "far", "at": ""}))
    told = lock_trial()
    assert "the lock of far does NOT hold here" in " ".join(told.output.split())
    assert told.exit_code == 1


def test_without_a_holder_nothing_is_told(home):
    told = lock_trial()
    assert isinstance(told.exception, WrongArgumentError) or told.exit_code == 2
    with pytest.raises(WrongArgumentError, match="no host holds"):
        tried(home / "lake")


def test_a_trial_that_ended_leaves_nothing(home):
    said = []
    shared_lake.hold(home / "lake", 0, said.append)
    assert len(said) == 1
    assert not (home / "lake" / TRIAL).exists()


def test_the_lock_is_taken_while_it_is_held(holder, home):
    with (home / "lake" / TRIAL).open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


# ------------------------------------------------------------------------- doctor


def test_doctor_warns_of_a_cluster_whose_lake_hosts_must_not_share(home, monkeypatch):
    monkeypatch.setattr(lake_side, "faults_of", lambda _: ["locks stay", "given up"])
    subject = Subject(home, Config(), None)
    assert not [*lake_side.shared(subject)]  # no Airflow, or one of one machine
    for shape, n in ((None, 0), (Shape(), 2)):
        own = type("Own", (), {"shape": shape})()
        monkeypatch.setattr(AirflowHome, "load", lambda _, own=own: own)
        found = [*lake_side.shared(subject)]
        assert [one.level for one in found] == ["warning"] * n
