"""Whether one of Airflow's components answers for itself: exit 0 or 1 (for health checks).

``python healthy.py scheduler``: asks the API server's health page, which knows the last heartbeat
of each component. ``python healthy.py metadatabase`` is the check of the API server itself.
"""

import json
import os
import sys
import urllib.request

PAGE = os.environ.get("HEALTH_PAGE", "http://api-server:8080/api/v2/monitor/health")
TIMEOUT_S = 5


def main(component: str) -> int:
    """Ask for one component; a page that cannot be read, or does not name it, is no health."""
    try:
        with urllib.request.urlopen(PAGE, timeout=TIMEOUT_S) as answer:  # noqa: S310 -- http by us
            status = json.load(answer)[component]["status"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{component}: {PAGE} does not tell: {error!r}\n")
        return 1
    sys.stdout.write(f"{component}: {status}\n")
    return 0 if status == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
