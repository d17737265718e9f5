"""Pictures of a study, made when somebody asks and kept on the lake."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.dicom import read_volume
from mpss_lib.masks import read_masks
from mpss_lib.quality.pictures import montage
from mpss_lib.quality.polar import polar_map
from mpss_lib.quality.stage import volumes_of
from mpss_lib.study_inputs import lake_file, segmentation_row
from mpss_lib.tables import Lake
from mpss_lib.volume import Volume

KINDS = ("montage", "polar")
"""What ``pictures_of`` gives; ``BARE`` is drawn for whoever wants to see what is below."""
BARE = "bare"
"""The montage without contours."""

_DRAWING = threading.Lock()


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
    volume_at = lake.root / str(chosen["path"])
    return drawn(study_key, KINDS, volume_at, masks_at, lake, config)


def drawn(
    study_key: str,
    kinds: Sequence[str],
    volume_at: Path,
    masks_at: Path,
    lake: Lake,
    config: Config,
) -> dict[str, Path]:
    """Give some pictures of a volume with its masks; see ``pictures_of``.

    Parameters
    ----------
    study_key : str
    kinds : sequence of str
        Of ``montage``, ``polar`` and ``bare``.
    volume_at, masks_at : Path
        Files of the lake: those that the published snapshot names, say.
    lake, config
    """
    address = config.address("quality")
    folder = lake.root / "pictures" / f"engine={address.engine}" / f"config={address.config}"
    paths = {kind: folder / f"{masks_at.stem}.{kind}.png" for kind in kinds}
    if all(path.is_file() for path in paths.values()):
        return paths
    with _DRAWING:  # a server is asked for the same picture twice; one of them draws it
        missing = {kind: path for kind, path in paths.items() if not path.is_file()}
        if missing:
            _draw(missing, read_volume(volume_at, gated=config.intake.gated), masks_at, study_key)
    return paths


def _draw(paths: Mapping[str, Path], volume: Volume, masks_at: Path, study_key: str) -> None:
    masks, extras = read_masks(masks_at)
    for kind, path in paths.items():
        if kind == "polar":
            polar_map(volume, masks, extras, study_key, path)
        else:
            montage(volume, masks, extras, study_key, path, with_contours=kind != BARE)
