"""Settings that every test needs: no home of a person, one thread, quiet DICOM."""

import os
import tempfile
from pathlib import Path

import pytest

_HOME = Path(tempfile.mkdtemp(prefix="mpss-tests-"))
os.environ["MPSS_HOME"] = str(_HOME / "home")
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture
def lake(tmp_path):
    from mpss_lib.tables import Lake

    return Lake(tmp_path / "lake")


@pytest.fixture
def config(tmp_path):
    from mpss_lib.config import load

    return load(tmp_path, environ={})
