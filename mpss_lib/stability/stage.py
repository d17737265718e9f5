"""Stage stability: each study is measured under perturbations, and then the cohort is summed up.

After Zwanenburg et al. 2019 (Sci. Rep. 9:614); ICC: McGraw and Wong 1996.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from mpss_lib.batch import lake_only
from mpss_lib.config import Config
from mpss_lib.errors import StudyRejectedError
from mpss_lib.masks import read_masks
from mpss_lib.radiomics.stage import settings_of
from mpss_lib.records import Unit
from mpss_lib.stability.cohort_table import sum_up
from mpss_lib.stability.heart import Heart
from mpss_lib.stability.measure import Perturbed, Ruler, measure
from mpss_lib.stability.perturbation import plan
from mpss_lib.stability.picture import draw
from mpss_lib.stability.values_file import values_path, write_values
from mpss_lib.steps import members_of
from mpss_lib.study_inputs import chosen_volume, lake_file, segmentation_row
from mpss_lib.tables import Lake, Outcome, digest_of, read_parquet, sha256_of

log = logging.getLogger(__name__)

STUDY_TABLE, COHORT_TABLE = "perturbation", "feature_stability"
OBJECTS_REMOVED = "objects_removed"
FEWEST_STUDIES = 10
"""With fewer studies an interval of an intraclass correlation covers most of its range."""


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Measure the features of a study under every perturbation.

    Reads ``volume`` and the DICOM object that it names, ``segmentation`` and its mask file; writes
    ``perturbation`` and the file of the values that it names.

    Parameters
    ----------
    study_key : str
    lake : Lake
    config : Config
    force : bool
        Work again although the same output is there.

    Returns
    -------
    Outcome
        ``done`` or ``skipped``, and the files.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen`` or ``not_segmented``: an earlier stage refused the study;
        ``objects_removed``: its object or masks are not on the lake any more.
    """
    from mpss_lib.dicom import read_volume

    image_at, masks_at, wall_mm = _inputs(study_key, lake, config)
    address = config.address("stability")
    digest = digest_of([sha256_of(image_at), sha256_of(masks_at)])
    path = values_path(lake, address, study_key, digest)
    there = lake.existing("stability", address, study_key, digest, tables=(STUDY_TABLE,))
    if there and path.exists() and not force:
        return Outcome("skipped", there)
    volume = read_volume(image_at, gated=config.intake.gated)
    heart = Heart.read(read_masks(masks_at)[1], wall_mm)
    settings = config.stability
    found = measure(volume, heart, plan(settings), ruler_of(config), study_key, settings.seed)
    write_values(path, np.array([one.values for one in found], np.float32))
    rows = [_row(study_key, k, one, lake.relative(path)) for k, one in enumerate(found, start=1)]
    return Outcome("done", (lake.write(STUDY_TABLE, address, study_key, digest, rows),))


opened = lake_only(run)


def ruler_of(config: Config) -> Ruler:
    """How features are measured with these settings, from the coarsest grey level on."""
    return Ruler(tuple(sorted(config.radiomics.bins)), settings_of(config).ivh)


def summarise(cohort: str, lake: Lake, config: Config, *, force: bool = False) -> dict[str, Any]:
    """Write the intraclass correlations of a frozen cohort, of the studies that were measured.

    Parameters
    ----------
    cohort : str
        Cohort hash.
    lake : Lake
        Has ``cohort_member`` and ``perturbation``.
    config : Config
    force : bool
        Do it again even if identical output is there.

    Returns
    -------
    dict
        ``n_studies`` that were measured, ``is_measured`` (ten of them at least, else nothing is
        written), ``picture`` below the lake, and ``units`` for the record.

    Raises
    ------
    WrongArgumentError
        The cohort is not frozen.
    LakeCorruptError
        A file of values cannot be read.
    """
    address = config.address("stability")
    paths = lake.current_paths(STUDY_TABLE, address, members_of(cohort, lake, config))
    told: dict[str, Any] = {"cohort": cohort, "n_studies": len(paths), "is_measured": True}
    if len(paths) < FEWEST_STUDIES:
        log.warning(
            "stability: %d studies of cohort %s were measured, %d are needed",
            *(len(paths), cohort, FEWEST_STUDIES),
        )
        return {**told, "is_measured": False, "units": []}
    digest = digest_of([path.name for path in paths.values()])
    written = lake.existing("stability", address, cohort, digest, tables=(COHORT_TABLE,))
    picture = picture_path(cohort, lake, config)
    is_new = force or not written or not picture.is_file()
    if is_new:
        values = [_values_of(path, lake) for path in paths.values()]
        rows = sum_up(cohort, values, plan(config.stability), ruler_of(config))
        written = (lake.write(COHORT_TABLE, address, cohort, digest, rows),)
        draw(rows, picture, f"Stability under perturbation: cohort {cohort}, {len(paths)} studies")
    told["picture"] = lake.relative(picture)
    return {**told, "units": [Unit.of(cohort, written, is_new=is_new)]}


def picture_path(cohort: str, lake: Lake, config: Config) -> Path:
    """File of the picture of a cohort."""
    address = config.address("stability")
    return lake.root / "reports" / f"{cohort}.{address.engine}.{address.config}.stability.png"


def _values_of(path: Path, lake: Lake) -> Path:
    """File of the values that a study's rows name."""
    named = read_parquet(path, STUDY_TABLE)["values_path"][0].as_py()
    return lake_file(lake, str(named), "stability")


def _inputs(study_key: str, lake: Lake, config: Config) -> tuple[Path, Path, float]:
    volume = chosen_volume(lake, config, study_key)
    segmented = segmentation_row(lake, config, study_key)
    paths = [lake.root / str(row) for row in (volume["path"], segmented["mask_path"])]
    for path in paths:
        if not path.is_file():
            raise StudyRejectedError(
                f"{path.name} of study {study_key} is not on the lake any more",
                way_out="`mpss run pull` and `mpss run segmentation` bring it back, if"
                " maintenance.dicom_days removed it",
                reasons=(OBJECTS_REMOVED,),
            )
    return paths[0], paths[1], float(segmented["wall_mm"])


def _row(study_key: str, position: int, one: Perturbed, path: str) -> dict[str, Any]:
    return {
        "study_key": study_key,
        "perturbation": one.perturbation.name,
        "family": one.perturbation.family,
        "position": position,
        "thinning": one.thinning,
        "n_voxels": one.n_voxels,
        "values_path": path,
    }


DOORS = {"summarise": summarise}
"""Steps of a cohort by name, as ``steps.cohort_step`` calls them."""
