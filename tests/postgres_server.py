"""A PostgreSQL server of the test's own: Debian's package, a Unix socket, ended afterwards."""

import os
import secrets
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

OWNER = "owner"


def _as_postgres():
    """PostgreSQL refuses to run as root: then it runs as the package's own user."""
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _run(*command):
    answer = subprocess.run(
        [*_as_postgres(), *command], capture_output=True, text=True, check=False, cwd="/"
    )
    assert answer.returncode == 0, f"{command[0]}: {answer.stdout}{answer.stderr}"


class Postgres:
    """A running server; ``url(user, password)`` is the address of one database."""

    def __init__(self, folder, initdb, pg_ctl):
        self.folder, self.initdb, self.pg_ctl = folder, initdb, pg_ctl
        self.password = secrets.token_hex(8)

    def make(self):
        file = self.folder / "password"
        file.write_text(self.password)
        shutil.chown(file, "postgres") if os.geteuid() == 0 else None
        _run(
            self.initdb,
            *("-D", str(self.folder / "data"), "-U", OWNER, "--no-sync", "--locale=C"),
            *("-E", "UTF8", "-A", "scram-sha-256", f"--pwfile={file}"),
        )

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        log = str(self.folder / "log")
        _run(self.pg_ctl, "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self):
        data = str(self.folder / "data")
        _run(self.pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")

    def url(self, database="postgres", user=OWNER, password=None):
        secret = self.password if password is None else password
        return f"postgresql://{user}:{secret}@/{database}?host={self.folder}"

    def connect(self, database="postgres", **who):
        import psycopg

        return psycopg.connect(self.url(database, **who), autocommit=True)

    @contextmanager
    def database(self):
        """Make an empty database, dropped afterwards; gives its name."""
        name = f"d{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(f"create database {name}")
            try:
                yield name
            finally:
                connection.execute(f"drop database {name} with (force)")


@contextmanager
def running(initdb, pg_ctl):
    """Make and start a server; whatever happens, it is ended and its files are removed."""
    folder = Path(tempfile.mkdtemp(prefix="mpss-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Postgres(folder, initdb, pg_ctl)
    try:
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
