"""A study as arrays, for notebooks: its volume, its masks, its axes, as the snapshot names them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mpss_lib import config as settings
from mpss_lib.dicom import read_volume
from mpss_lib.errors import WrongArgumentError
from mpss_lib.masks import read_masks
from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake
from mpss_lib.volume import FloatArray, Mask, Volume

_FILES = """
    select volume.path, segmentation.mask_path
    from raw.volume as volume
    inner join raw.segmentation as segmentation on volume.study_key = segmentation.study_key
    where volume.is_chosen and volume.study_key = ?
"""


@dataclass(frozen=True)
class StudyImages:
    """What the published version of a study was measured in.

    Parameters
    ----------
    study_key : str
    volume : Volume
        ``array`` (z, y, x) float64, counts; ``affine`` maps (z, y, x, 1) to LPS mm.
    masks : mapping of name to Mask
        ``ENDO EPI MYO LAD3 LCX3 RCA3 S01 .. S17 LAD17 LCX17 RCA17``, on the volume's grid.
    axes : mapping of name to array
        ``axis`` (3,) long axis in LPS, ``ridge_mm`` and ``ridge_counts`` (rows, angles) radius and
        counts of the wall's middle on each ray, and what else the mask file holds.
    """

    study_key: str
    volume: Volume
    masks: Mapping[str, Mask]
    axes: Mapping[str, FloatArray]


def read_study(study_key: str, *, home: Path | str | None = None) -> StudyImages:
    """Read volume, masks and axes of a study.

    Parameters
    ----------
    study_key : str
    home : Path or str, optional
        The home; ``$MPSS_HOME``, else ``.mpss``, by default. Its settings are not read.

    Returns
    -------
    StudyImages
        Volume (z, y, x) with unit and affine, masks on its grid by name, axes by name (LPS).

    Raises
    ------
    WrongArgumentError
        The snapshot has no such study with a segmentation.
    PlatformFaultError
        Nothing has been published there.
    """
    root = settings.home() if home is None else Path(home).resolve()
    lake = Lake(root / "lake")
    with closing(open_snapshot(lake.snapshot)) as snapshot:
        found = snapshot.execute(_FILES, [study_key]).fetchall()
    if not found:
        raise WrongArgumentError(
            f"the snapshot has no segmented study {study_key!r}",
            way_out="core.study_state says how far each study came",
        )
    [(volume_path, mask_path)] = found
    masks, axes = read_masks(lake.root / str(mask_path))
    return StudyImages(study_key, read_volume(lake.root / str(volume_path)), masks, axes)
