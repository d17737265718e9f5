"""A worker of the role ``compute`` in the name of an account without rights, in a night.

What ``docs/how-to/cluster.md`` says of a host that only computes: a home of its own with the lake
and the settings, no vault, no key, no audit log, no address of PACS or registry, none of Airflow's
keys; rights in the lake by an access control list (POSIX.1e, as ``setfacl`` writes it).
"""

import os
import re
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from killed_cluster import POLL_S, Cluster, running
from other_account import NOBODY, in_nobodys_name, is_root

from mpss_lib.runtime.services import Program
from mpss_lib.schemas import tables_of

STAGES = ("intake", "segmentation", "quality", "radiomics")
CLOSED = ("vault.sqlite", "vault.sqlite.key", "audit", "mpss.toml", "airflow/secrets.json")
SECRETS = ("FERNET_KEY", "SECRET_KEY", "JWT_SECRET", "PASSWORDS_FILE")
SETTINGS = """\
[cohort]
accept = "pass"
[batch]
min_batch = 9
[site]
timezone = "UTC"
"""
WORKER = "worker-compute-1"
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


def share(lake: Path) -> None:
    """Let the account write in the lake, and in what is made there: ``setfacl -R -m`` and ``-d``.

    Version 2 of the format; each entry has a tag (1 owner, 2 account, 4 group, 16 mask, 32 others),
    rights and a number (``linux/posix_acl_xattr.h``).
    """
    lake.mkdir(exist_ok=True)
    nobody = 0xFFFFFFFF
    entries = [(1, 7, nobody), (2, 7, NOBODY), (4, 5, nobody), (16, 7, nobody), (32, 5, nobody)]
    text = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    for path in (lake, *lake.rglob("*")):
        os.setxattr(path, "system.posix_acl_access", text)
        if path.is_dir():
            os.setxattr(path, "system.posix_acl_default", text)


def make_host(root: Path, cluster: Cluster) -> dict[str, str]:
    """Make the home of a host that computes; gives the environment of its worker."""
    root.mkdir()
    (root / "lake").symlink_to(cluster.lake.root)
    (root / "mpss.toml").write_text(SETTINGS)
    (root / "airflow").mkdir()
    for path in (root, root / "airflow"):
        os.chown(path, NOBODY, NOBODY)
    given = cluster.airflow.environment(cluster.config)
    kept = {name: text for name, text in given.items() if not name.endswith(SECRETS)}
    folders = map(os.path.abspath, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return kept | {
        "AIRFLOW_HOME": str(root / "airflow"),
        "MPSS_HOME": str(root),
        "HOME": str(root),
        "NUMBA_CACHE_DIR": str(root / "numba"),
        "PYTHONPATH": os.pathsep.join(folders),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "airflow" / "plugins"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(root / "airflow" / "logs"),
    }


def in_their_name(command: Sequence[str], folder: Path) -> list[str]:
    """Give a command that runs another one as ``nobody``.

    Where an interpreter lies below a folder that is closed to others (a home of root), it gets a
    view of the file system of its own, in which this folder is open and has only the interpreter.
    """
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--"]
    python = Path(sys.executable).resolve()
    closed = [path for path in python.parents if not path.stat().st_mode & 0o001]
    if not closed:
        return [*become, *command]
    inside = closed[-1] / python.relative_to(closed[-1]).parts[0]
    kept = folder / "interpreter"
    kept.mkdir()
    script = (
        f"set -e; mount --bind {inside} {kept}; mount -t tmpfs -o mode=755 none {closed[-1]};"
        f' mkdir {inside}; mount --bind {kept} {inside}; umount {kept}; exec "$@"'
    )
    return ["unshare", "--mount", "sh", "-c", script, "sh", *become, *command]


def failed(cluster: Cluster, host: Path) -> list[str]:
    """Name the tasks that failed, with what their logs say last of an error."""
    sql = "select distinct task_id from task_instance where state = 'failed'"
    logs = [path for root in (cluster.root, host) for path in root.glob("airflow/logs/**/*.log")]
    return [
        f"{task}: {text[-1]}"
        for (task,) in cluster.ask(sql)
        for path in logs
        if f"task_id={task}/" in str(path)
        and (text := re.findall(r'"exc_value":"(.*?)"', path.read_text()))
    ]


def night(cluster: Cluster) -> str:
    run_id = cluster.trigger("mpss_ingest", cluster.window)
    while (state := cluster.state(run_id)) not in ("success", "failed"):
        time.sleep(POLL_S)
    return state


def landed(cluster: Cluster, stage: str) -> list[Path]:
    names = [table.name for table in tables_of(stage)]
    folders = (cluster.lake.root / "landing" / name for name in names)
    return [path for folder in folders for path in folder.rglob("*.parquet")]


@is_root
@pytest.mark.kills
def test_a_host_without_vault_and_keys_computes_a_night(installed):
    installed("redis-server")
    installed("initdb")
    folder = Path(tempfile.mkdtemp(prefix="mpss-host-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        with running(folder / "home", 3) as cluster:
            cluster.ask("create database mpss_results", database="postgres")
            share(cluster.lake.root)
            program = cluster.airflow.programs(cluster.config)[WORKER]
            environ = make_host(folder / "host", cluster)
            cluster.services.end({"supervisor"})
            cluster.services.end({WORKER})
            command = in_their_name(program.command, folder)
            cluster.services.launch(WORKER, Program(command, environ))
            assert night(cluster) == "success", failed(cluster, folder / "host")
            for stage in STAGES:
                owners = {path.owner() for path in landed(cluster, stage)}
                assert owners == {"nobody"}, stage
            assert {path.owner() for path in landed(cluster, "pull")} == {"root"}
            for name in CLOSED:
                path = cluster.root / name
                assert path.exists(), name
                told = in_nobodys_name(lambda path=path: path.open())
                assert told.startswith("PermissionError"), name
            found = {path.name for path in (folder / "host").iterdir()}
            assert found <= {"lake", "mpss.toml", "airflow", "numba", ".config", ".cache"}
    finally:
        shutil.rmtree(folder)
