"""Whether one service answers for itself: exit 0 or 1 (for health checks).

``python healthy.py scheduler``: asks the API server's health page, which knows the last heartbeat
of each of Airflow's components. ``python healthy.py metadatabase`` is the check of the API server
itself; ``watch`` reads when the watch last looked, ``receiver`` whether its port is open.
"""

import json
import os
import socket
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

PAGE = os.environ.get("HEALTH_PAGE", "http://api-server:8080/api/v2/monitor/health")
RECEIVER = ("127.0.0.1", int(os.environ.get("MPSS_RECEIVER__PORT", "11113")))
TIMEOUT_S = 5
LOOK_S = 900.0
"""The watch looks once a minute by default; a look at a large home takes its time."""


def main(name: str) -> int:
    """Ask for one service; what cannot be read, or does not name it, is no health."""
    try:
        status = {"watch": watch, "receiver": receiver}.get(name, lambda: component(name))()
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{name} does not tell: {error!r}\n")
        return 1
    sys.stdout.write(f"{name}: {status}\n")
    return 0 if status == "healthy" else 1


def component(name: str) -> str:
    """State of a component of Airflow, as the API server knows it."""
    with urllib.request.urlopen(PAGE, timeout=TIMEOUT_S) as answer:  # noqa: S310 -- http by us
        return str(json.load(answer)[name]["status"])


def watch() -> str:
    """State of the watch: its last look is young, and nothing kept it from looking."""
    told = json.loads((Path(os.environ["MPSS_HOME"]) / "watch.json").read_text())
    age = datetime.now(UTC) - datetime.fromisoformat(told["at"])
    return told["problem"] or ("healthy" if age.total_seconds() < LOOK_S else f"silent for {age}")


def receiver() -> str:
    """State of the receiver: its port takes connections."""
    socket.create_connection(RECEIVER, timeout=TIMEOUT_S).close()
    return "healthy"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
