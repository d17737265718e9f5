"""docker/compose.yaml run without Docker: its services as processes in the image's own files.

``docker/build`` first (Debian, as root), then ``python tests/bench/composed.py --folder DIR``: from
empty volumes each service starts as compose says (its command, environment, order, secrets by file,
health), as the image's user, with a root that is read-only, no capability and no way to new rights.
A synthetic hospital's PACS stands beside it; ingest and evaluation run up to published predictions.
Everything runs in a network of its own, with loopback only. PostgreSQL and Redis are Debian's, for
their images come from a registry.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import yaml

COMPOSE = Path(__file__).resolve().parents[2] / "docker" / "compose.yaml"
HOSPITAL = Path(__file__).with_name("composed_hospital.py")
POSTGRES = "/usr/lib/postgresql/15/bin"
PACS = "pacs"
HEALTHY_S = 400.0
CONTAINER = r"""
set -eu
mount --make-rprivate /
mount --rbind "$ROOT" "$ROOT"
cd "$ROOT"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs run
mkdir run/secrets
for name in $SECRETS; do
    touch run/secrets/$name
    mount --bind "$PLACE/secrets/$name" run/secrets/$name
done
for pair in $VOLUMES; do mount --bind "$PLACE/volumes/${pair%%:*}" ".${pair#*:}"; done
mount --bind "$PLACE/hosts" etc/hosts
mount -o remount,bind,ro "$ROOT"
exec chroot "$ROOT" setpriv --reuid "$ID" --regid "$ID" --clear-groups --bounding-set=-all \
    --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"
"""
"""What a container's runtime does; "$@" is the program, ROOT the image's files."""


@dataclass
class Composed:
    """The services of a compose file.

    Parameters
    ----------
    place : Path
        Folder of volumes, secrets and logs; empty at first.
    root : Path
        The image's files, mounted.
    image : dict
        Its settings (``Env``, ``User``, ``WorkingDir``).
    """

    place: Path
    root: Path
    image: dict
    running: dict = field(default_factory=dict)

    def __post_init__(self):
        self.whole = yaml.safe_load(COMPOSE.read_text())
        self.services = self.whole["services"]
        self.account = int(self.image["User"])

    # ------------------------------------------------------------------ before

    def make_volumes(self):
        """Empty volumes; what the image has at their place comes into them, as Docker does it."""
        for name in self.whole["volumes"]:
            (self.place / "volumes" / name).mkdir(parents=True)
        for pair in self.services["worker"]["volumes"]:
            name, where = pair.split(":")
            source, to = f"{self.root}{where}/.", self.place / "volumes" / name
            subprocess.run(["cp", "--archive", source, str(to)], check=True)
        for name in ("postgres", "redis"):
            shutil.chown(self.place / "volumes" / name, name if name == "redis" else "postgres")

    def make_secrets(self):
        """Write a value of its own into each file, and the names of the hosts."""
        from cryptography.fernet import Fernet

        folder = self.place / "secrets"
        folder.mkdir()
        for name in self.whole["secrets"]:
            value = Fernet.generate_key().decode() if name == "fernet_key" else os.urandom(16).hex()
            (folder / name).write_text(value + "\n")
            (folder / name).chmod(0o644)
        names = " ".join([*self.services, PACS])
        (self.place / "hosts").write_text(f"127.0.0.1 localhost {names}\n")
        (self.place / "logs").mkdir()

    # ------------------------------------------------------------------ one service

    def environment(self, name):
        """The image's environment with that of the service."""
        own = self.services.get(name, self.services["worker"]).get("environment") or {}
        values = dict(line.split("=", 1) for line in self.image["Env"])
        values |= {key: self._filled(value) for key, value in own.items()}
        return values | {"HOME": "/tmp", "LC_ALL": "C.UTF-8"}

    def _filled(self, text):
        """A value as compose gives it to the container."""
        text = str(text).replace("$$", "$")
        return "Europe/Zurich" if text.startswith("${MPSS_TIMEZONE") else text

    def _inside(self, name, command):
        """Words and environment that run a command in a container of a service's kind."""
        service = self.services.get(name, self.services["worker"])
        told = {
            "ROOT": str(self.root),
            "PLACE": str(self.place),
            "ID": str(self.account),
            "SECRETS": " ".join(service["secrets"]),
            "VOLUMES": " ".join(service["volumes"]),
        }
        words = [f"{key}={value}" for key, value in self.environment(name).items()]
        script = shlex.join(["env", "-C", self.image["WorkingDir"], "-i", *words, *command])
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]
        inner = ["bash", "-c", CONTAINER, "container", "sh", "-c", f"exec {script}"]
        return [*apart, *inner], {"PATH": os.environ["PATH"], **told}

    def _outside(self, name, command):
        """Words that run one of the two servers as Debian has it, with the service's command."""
        secrets = str(self.place / "secrets")
        words = [self._filled(word).replace("/run/secrets", secrets) for word in command]
        return ["setpriv", "--reuid", name, "--regid", name, "--clear-groups", *words]

    def run(self, name, command, asks=None):
        """Run a command beside a service to its end; gives its exit status and output."""
        if name in {"postgres", "redis"}:
            words, environ = self._outside(name, command), dict(os.environ)
        else:
            words, environ = self._inside(name, [self._filled(word) for word in command])
        done = subprocess.run(
            words, env=environ, input=asks, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def start(self, name, command=None):
        """Start a service once those that it waits for are there."""
        service = self.services.get(name, {})
        for other, state in (service.get("depends_on") or {}).items():
            self._wait(other, state["condition"])
        command = [self._filled(word) for word in command or self._command_of(name)]
        if name in {"postgres", "redis"}:
            words, environ = self._outside(name, command), dict(os.environ)
        else:
            words, environ = self._inside(name, command)
        with (self.place / "logs" / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                words,
                env=environ,
                cwd=self.place / "volumes" / name if name == "redis" else "/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _command_of(self, name):
        if name != "postgres":
            return self.services[name]["command"]
        folder = self.place / "volumes" / "postgres"
        folder.chmod(0o700)
        secret = self.place / "secrets" / "postgres_password"
        user = self.services["postgres"]["environment"]["POSTGRES_USER"]
        words = [f"{POSTGRES}/initdb", "-D", str(folder), "-U", user, "-A", "scram-sha-256"]
        made = self._outside("postgres", [*words, f"--pwfile={secret}", "-E", "UTF8"])
        subprocess.run(made, check=True, capture_output=True, cwd="/")
        # Its image makes the database before it listens.
        single = [f"{POSTGRES}/postgres", "--single", "-D", str(folder), "postgres"]
        subprocess.run(
            self._outside("postgres", single),
            input="create database airflow\n",
            text=True,
            check=True,
            capture_output=True,
            cwd="/",
        )
        return [f"{POSTGRES}/postgres", "-D", str(folder), "-c", "unix_socket_directories=/tmp"]

    # ------------------------------------------------------------------ health

    def is_healthy(self, name):
        """Ask as the service's health check does; gives whether, and what it said."""
        test = list(self.services[name]["healthcheck"]["test"])
        if test[0] == "CMD-SHELL":
            test = ["CMD", "sh", "-c", test[1]]
        if test[1] == "pg_isready":
            test += ["-h", "/tmp"]
        status, told = self.run(name, test[1:])
        return status == 0, told.strip()

    def _wait(self, name, condition):
        end = time.monotonic() + HEALTHY_S
        while time.monotonic() < end:
            ended = self.running[name].poll()
            if condition == "service_completed_successfully":
                if ended == 0:
                    return
            elif ended is None and self.is_healthy(name)[0]:
                return
            if ended is not None:
                break
            time.sleep(1.0)
        log = (self.place / "logs" / f"{name}.log").read_text()[-3000:]
        raise SystemExit(f"{name} did not become what others wait for ({condition}):\n{log}")

    def wait_until_healthy(self):
        """Wait for every service that runs and has a health check; gives the seconds."""
        begun = time.monotonic()
        for name in self.running:
            if "healthcheck" in self.services.get(name, {}):
                self._wait(name, "service_healthy")
        return time.monotonic() - begun

    def end(self):
        """End everything, the two servers last; what runs in a container ends with its first."""
        last = [name for name in ("redis", "postgres") if name in self.running]
        for name in [*(set(self.running) - set(last)), *last]:
            process = self.running[name]
            how = signal.SIGINT if name == "postgres" else signal.SIGTERM
            if process.poll() is None:
                os.killpg(process.pid, how)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)


def rights_of(account):
    """Processes of the image's user: how many, and those with a capability or a way to rights."""
    found, wrong = 0, []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            told = dict(
                line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line
            )
        except OSError:
            continue
        if told["Uid"].split()[0] != str(account):
            continue
        found += 1
        if int(told["CapEff"], 16) or int(told["CapBnd"], 16) or told["NoNewPrivs"] != "1":
            wrong.append(told["Name"])
    return found, wrong


def judge(composed, patients):
    """Run the hospital's night; gives what was found, and what is wrong."""
    status, told = composed.run("worker", ["python", "-", str(patients)], asks=HOSPITAL.read_text())
    say(told)
    wrong = [] if status == 0 else ["the night did not end green"]
    wrong += [
        f"{name} is not healthy at the end"
        for name in composed.running
        if "healthcheck" in composed.services.get(name, {}) and not composed.is_healthy(name)[0]
    ]
    processes, strong = rights_of(composed.account)
    wrong += [f"{name} has rights" for name in strong]
    wrong += [] if processes else ["nothing runs as the image's user"]
    for where in ("/opt/mpss/x", "/etc/x", "/home/x"):
        if composed.run("worker", ["touch", where])[0] == 0:
            wrong.append(f"{where} could be written")
    version = composed.run("worker", ["cat", "COMMIT"])[1].strip()
    say(f"{processes} processes of uid {composed.account}, no rights; code version {version}")
    return wrong


def compose(place, root, image, patients):
    """Start everything in the file's order, run the night; gives the exit status."""
    composed = Composed(place, root, image)
    composed.make_secrets()
    composed.make_volumes()
    wrong = []
    try:
        for name in composed.services:  # the receiver is of a profile: this PACS answers C-GET
            if "profiles" not in composed.services[name]:
                composed.start(name)
        say(f"every health check green after {composed.wait_until_healthy():.0f} s more")
        serve = ["mpss", "archive", "serve", "/var/lib/mpss/archive", "--port", "11112"]
        composed.start(PACS, serve)
        wrong = judge(composed, patients)
    finally:
        composed.end()
    say("wrong: " + ("; ".join(wrong) or "nothing"))
    return 1 if wrong else 0


def main():
    """Mount the image, go into a network of its own, run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", default="mpss-platform:0.1.0")
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--folder", type=Path, required=True, help="made; must be absent")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        told = json.loads(asked.inside)
        return compose(asked.folder, Path(told["root"]), told["image"], asked.patients)
    asked.folder.mkdir(parents=True)
    asked.folder.chmod(0o755)
    if asked.folder.resolve().is_relative_to("/root"):
        parser.error("--folder must be where other accounts may pass")
    buildah = ["buildah"]
    container = _told([*buildah, "from", "--pull-never", asked.image])
    try:
        told = json.loads(_told([*buildah, "inspect", "--type", "image", asked.image]))
        root = _told([*buildah, "mount", container])
        inside = json.dumps({"root": root, "image": told["OCIv1"]["config"]})
        again = [sys.executable, *sys.argv, "--inside", inside]
        up = "ip link set lo up && exec " + shlex.join(again)
        begun = time.monotonic()
        done = subprocess.run(["unshare", "--net", "sh", "-c", up], check=False)
        say(f"{time.monotonic() - begun:.0f} s from empty volumes to here")
        return done.returncode
    finally:
        _told([*buildah, "rm", container])


def say(line):
    """Tell it now: the run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _told(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
