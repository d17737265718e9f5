"""Whether the patients of a cohort exist: what their images say of themselves."""

from __future__ import annotations

from collections.abc import Sequence

from mpss_lib.config import Config
from mpss_lib.dicom.said import Said
from mpss_lib.tables import Lake, read_parquet


def count_invented(lake: Lake, config: Config, studies: Sequence[str]) -> int:
    """Count the studies of which an image says that it shows no patient.

    The fact is DICOM's own (QualityControlImage, SyntheticData); pull records it in column ``said``
    of ``instance``.
    """
    paths = lake.current_paths("instance", config.address("pull"), studies)
    return sum(
        any(
            Said.from_json(said).is_phantom
            for said in read_parquet(path, "instance")["said"].to_pylist()
            if said
        )
        for path in paths.values()
    )
