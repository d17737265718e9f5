"""A few cells of the fault matrix (all of them: ``tests/bench/fault_matrix.py``)."""

from __future__ import annotations

from pathlib import Path

import orthanc
import pytest
from bench.fault_matrix import matrix, rows

pytestmark = pytest.mark.pacs

CELLS = {
    "archive: cut after 20000 bytes, twice": ("c-get orthanc", "dicomweb orthanc"),
    "receiver: cut after 20000 bytes, twice": ("c-move dcmqrscp", "c-move orthanc-tls"),
    "receiver: ended and started in mid-transfer": ("c-move orthanc",),
    "archive: killed in mid-transfer, back later": ("c-get dcmqrscp",),
}


def test_rows_are_as_many_as_the_matrix_must_have():
    names = [row.name for row in rows()]
    assert len(names) == len(set(names)) >= 40
    assert set(CELLS) <= set(names)


@pytest.mark.parametrize("name", CELLS)
def test_in_the_end_everything_is_there(name, installed):
    for program in ("Orthanc", "dcmqrscp", "storescu", "echoscu"):
        installed(program)
    if not Path(orthanc.PLUGIN).exists():
        installed("the DICOMweb plugin of Orthanc")
    chosen = [row for row in rows() if row.name == name]
    answers = matrix(chosen, CELLS[name], lambda line: None)
    assert answers == {(name, way): "" for way in CELLS[name]}
