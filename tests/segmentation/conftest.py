"""A study on a lake, and contours that come with it."""

from __future__ import annotations

import pytest
from contour_objects import contours_of, make_structures
from imaging_objects import STUDY, SUBJECT, phantom, put_study

from mpss_lib.dicom import read_volume, to_bytes
from mpss_lib.whole_files import write_bytes

FRAME = SUBJECT.frame_of_reference


@pytest.fixture
def study(lake, config):
    """A lake with one study whose chosen object is ``object0``."""
    return put_study(lake, config, (phantom(21).volume, "AC"))


@pytest.fixture
def chosen(study):
    """The chosen volume as the stages read it."""
    return read_volume(study.dicom_folder(STUDY) / "object0.dcm")


@pytest.fixture
def put_contours(study, config):
    """Put contour objects on the lake as pull does, with their ``instance`` rows."""
    rows = []

    def put(dataset, *, key: str = "c0"):
        path = study.dicom_folder(STUDY) / f"{key}.dcm"
        write_bytes(path, to_bytes(dataset))
        rows.append(
            {
                "study_key": STUDY,
                "series_key": f"series-{key}",
                "object_key": key,
                "modality": str(dataset.Modality),
                "sop_class": str(dataset.SOPClassUID),
                "n_objects": 1,
                "is_stored": True,
                "reason": "",
                "path": study.relative(path),
                "n_bytes": path.stat().st_size,
                "detail": "",
                "content_sha256": "",
                "series_order": 0,
                "said": "",
            }
        )
        study.write("instance", config.address("pull"), STUDY, "i0", rows)

    return put


@pytest.fixture
def draw(chosen):
    """Draw regions of the phantom (or of masks) as a structure set on the chosen volume."""

    def make(masks=None, names=("ENDO", "EPI"), frame=FRAME, **options):
        masks = masks or phantom(21).truth
        regions = {name: contours_of(masks[name]) for name in names}
        return make_structures(regions, frame=frame, **options)

    return make
