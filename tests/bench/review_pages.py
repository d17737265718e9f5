"""Fifty studies reviewed by keyboard in a real browser: key presses, and time to the next picture.

Run it as ``PYTHONPATH=.:plugins:tests python tests/bench/review_pages.py``; some two minutes. The
studies are one phantom under fifty keys; Airflow's API server and Chromium run on this machine. Two
of three are accepted (one key), one of six rejected (``R`` and a digit), one of six unsure (one
key). A picture counts as there when the montage of the next study has its pixels. Then one publish,
as ``mpss_answers`` does it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from browser import chromium
from pages_server import running
from shown_home import make_home

KEYS = (("a",), ("a",), ("r", "5"), ("a",), ("a",), ("u",))
MOST_KEYS, MOST_MS = 150, 300.0
READY = (
    "document.readyState === 'complete' && document.getElementById('montage').complete"
    " && !document.getElementById('accept').disabled"
)
THERE = """new Promise((done) => { const look = () => {
  const study = document.getElementById('study'), picture = document.getElementById('montage');
  const end = !study && document.getElementById('main') && !location.pathname.includes('/studies/');
  if (end || (study && study.dataset.key !== '%s' && picture.complete && picture.naturalWidth > 1))
    done(performance.now()); else setTimeout(look, 2); }; look(); })"""


def review(page, n_studies):
    """Work the list off; returns presses and the milliseconds from the key to the next picture."""
    presses, waits, seen = 1, [], []
    page.press("n")
    page.wait("document.getElementById('study')")
    for number in range(n_studies):
        key = page.run("document.getElementById('study')?.dataset.key")
        page.wait(READY)
        seen.append(key)
        time.sleep(0.5)  # nobody decides at once
        keys = KEYS[number % len(KEYS)]
        page.press(*keys[:-1])
        begun = time.perf_counter()
        page.press(keys[-1])
        presses += len(keys)
        if number < n_studies - 1:
            page.run(THERE % key)
            waits.append((time.perf_counter() - begun) * 1000.0)
    page.wait("!location.pathname.includes('/studies/')")
    return presses, waits, seen


def main():
    """Print the figures and what was missed; exit status 1 where something was."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--studies", type=int, default=50)
    told = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = make_home(root / "home", n_waiting=told.studies + 1)
        with running(root / "airflow", home.root) as server, chromium(root) as page:
            page.look(1280)
            page.log_in(server, "reader")
            page.open(f"{server.pages}/worklist")
            presses, waits, seen = review(page, told.studies)
            left = page.run("document.body.textContent")
        published_s = publish(home)
    waits.sort()
    say(f"{len(set(seen))} studies by {presses} key presses (at most {MOST_KEYS})")
    say(
        f"key to next picture: median {statistics.median(waits):.0f} ms, 95 %"
        f" {waits[int(0.95 * len(waits))]:.0f} ms, most {waits[-1]:.0f} ms (at most {MOST_MS:.0f})"
    )
    say(f"all answers in core.cohort_flow after one publish of {published_s:.1f} s")
    missed = [
        what
        for what, is_missed in (
            ("studies", len(set(seen)) != told.studies),
            ("presses", presses > MOST_KEYS),
            ("time", statistics.median(waits) > MOST_MS),
            ("unsure ones wait for another reader", "another reader" not in left),
        )
        if is_missed
    ]
    say(f"missed: {', '.join(missed) or 'nothing'}")
    return 1 if missed else 0


def say(line):
    sys.stdout.write(line + "\n")


def publish(home):
    """Publish as ``mpss_answers`` does; returns the seconds."""
    from mpss_lib.warehouse import stage
    from mpss_lib.warehouse.reader import rows

    begun = time.perf_counter()
    stage.run(home.lake, home.config)
    seconds = time.perf_counter() - begun
    (told,) = rows(
        home.lake,
        "select count(*) filter (reason = 'review_rejected') as n from core.cohort_flow",
    )
    if not told["n"]:
        raise RuntimeError("no reject is in the snapshot")
    return seconds


if __name__ == "__main__":
    raise SystemExit(main())
