"""Memory of services that may be added up."""

import subprocess
import sys

import pytest

from mpss_lib.runtime.cluster.memory import pss_mb

HOLDS_40_MB = "x = b'1' * 40_000_000; print('ready', flush=True); input()"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", {HOLDS_40_MB!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
input()
child.communicate(b"\\n")
"""


def test_children_count_but_not_those_of_another_service():
    command = [sys.executable, "-S", "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        child = int(process.stdout.readline())
        both, child_alone = pss_mb(process.pid), pss_mb(child)
        parent_alone = pss_mb(process.pid, {process.pid, child})
        assert 40 < child_alone < 70
        assert parent_alone < 30
        assert both == pytest.approx(child_alone + parent_alone, rel=0.1)
        process.communicate(b"\n")


def test_a_process_that_ended_holds_nothing():
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    assert pss_mb(process.pid) == 0.0
