"""A lake with the objects of one study on it, as pull leaves them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from mpss_lib.config import Config
from mpss_lib.dicom import read_header, to_bytes
from mpss_lib.dicom.rules import site_rules
from mpss_lib.dicom.said import Said, read_said
from mpss_lib.tables import Lake, sha256_of
from mpss_lib.whole_files import write_bytes

STUDY = "study0001"

Pulled = Callable[..., Lake]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def pulled(lake: Lake) -> Pulled:
    """Put objects (datasets or bytes) on the lake with their ``instance`` rows."""

    def put(
        *objects: Dataset | bytes,
        config: Config | None = None,
        digest: str = "d0",
        said: Said | None = None,
    ) -> Lake:
        rows = []
        for number, given in enumerate(objects):
            path = lake.dicom_folder(STUDY) / f"object{number}.dcm"
            write_bytes(path, given if isinstance(given, bytes) else to_bytes(given))
            header = None if isinstance(given, bytes) else read_header(given)
            own = site_rules((config or Config()).pull)
            dataset = dcmread(BytesIO(given)) if isinstance(given, bytes) else given
            told = read_said(dataset, own) if said is None else said
            rows.append(
                {
                    "study_key": STUDY,
                    "series_key": f"series{number}",
                    "object_key": f"object{number}",
                    "modality": "NM",
                    "sop_class": header.sop_class if header else "",
                    "n_objects": 1,
                    "is_stored": True,
                    "reason": "",
                    "detail": "",
                    "path": lake.relative(path),
                    "n_bytes": path.stat().st_size,
                    "content_sha256": sha256_of(path),
                    "series_order": header.series_number if header else 0,
                    "said": told.as_json(),
                }
            )
        left = {"series_key": "ct", "object_key": "", "modality": "CT", "is_stored": False}
        rows.append(rows[0] | left | {"path": "", "reason": "modality"} if rows else left)
        if objects:
            lake.write("instance", (config or Config()).address("pull"), STUDY, digest, rows)
        return lake

    return put
