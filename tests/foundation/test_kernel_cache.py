"""A kernel whose callee in another file has changed is compiled anew."""

import os
import subprocess
import sys

import pytest

from mpss_lib import kernel_cache

CALLED = "from numba import njit\n\n@njit(cache=True)\ndef called(x):\n    return x + {number}\n"
CALLER = (
    "from numba import njit\nfrom called_kernels import called\n\n"
    "@njit(cache=True)\ndef caller(x):\n    return called(x)\n"
)
ASK = "from caller_kernels import caller; print(caller(10))"


def answer(folder, cache):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.slow
def test_a_changed_callee_is_seen_by_its_caller(tmp_path):
    folder, base = tmp_path / "code", tmp_path / "cache"
    folder.mkdir()
    (folder / "caller_kernels.py").write_text(CALLER)
    (folder / "called_kernels.py").write_text(CALLED.format(number=1))
    first = kernel_cache(folder, base)
    assert answer(folder, base) == answer(folder, first) == 11
    (folder / "called_kernels.py").write_text(CALLED.format(number=2))
    assert answer(folder, base) == 11, "numba sees it now: this rule can go"
    assert kernel_cache(folder, base) != first
    assert answer(folder, kernel_cache(folder, base)) == 12


def test_the_folder_of_an_outer_process_is_replaced(tmp_path):
    (tmp_path / "a_kernels.py").write_text("1")
    inner = kernel_cache(tmp_path, tmp_path / "base")
    assert kernel_cache(tmp_path, inner) == inner


def test_every_process_of_the_platform_uses_it():
    ask = "import mpss_lib, numba; print(numba.config.CACHE_DIR)"
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True
    )
    assert "/mpss_lib/__pycache__/kernels-" in done.stdout
