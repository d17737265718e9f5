"""Pictures of a study, made when somebody asks and kept on the lake."""

from __future__ import annotations

from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.dicom import read_volume
from mpss_lib.masks import read_masks
from mpss_lib.quality.pictures import montage
from mpss_lib.quality.polar import polar_map
from mpss_lib.quality.stage import volumes_of
from mpss_lib.study_inputs import lake_file, segmentation_row
from mpss_lib.tables import Lake

KINDS = ("montage", "polar")


def pictures_of(study_key: str, lake: Lake, config: Config) -> dict[str, Path]:
    """Give the pictures of a segmented study; those that are not there yet are drawn.

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config

    Returns
    -------
    dict of kind to Path
        ``montage`` and ``polar``: PNG files under ``pictures/`` of the lake, named by the masks
        that they show. They are a cache: removing them loses nothing.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen`` or ``not_segmented``.
    """
    chosen, _ = volumes_of(lake, config, study_key)
    row = segmentation_row(lake, config, study_key)
    masks_at = lake_file(lake, str(row["mask_path"]), "segmentation")
    address = config.address("quality")
    folder = lake.root / "pictures" / f"engine={address.engine}" / f"config={address.config}"
    paths = {kind: folder / f"{masks_at.stem}.{kind}.png" for kind in KINDS}
    if all(path.is_file() for path in paths.values()):
        return paths
    volume = read_volume(lake.root / str(chosen["path"]), gated=config.intake.gated)
    masks, extras = read_masks(masks_at)
    montage(volume, masks, extras, study_key, paths["montage"])
    polar_map(volume, masks, extras, study_key, paths["polar"])
    return paths
