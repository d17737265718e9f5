"""Stage radiomics: chosen volume and masks of a study in, 487 features x segments x bins out.

Features as in the paper's section 2.3; their definitions: IBSI reference manual.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mpss_lib.batch import lake_only
from mpss_lib.config import Address, Config
from mpss_lib.errors import LakeCorruptError
from mpss_lib.masks import read_masks
from mpss_lib.radiomics.catalogue import BINNED_NAMES, FEATURES, ONCE_NAMES
from mpss_lib.radiomics.discretise import FixedBinNumber
from mpss_lib.radiomics.extraction import RegionFeatures, measure_regions, undefined_of
from mpss_lib.radiomics.reporting import ensure_sheet, reporting_items
from mpss_lib.radiomics.settings import Settings
from mpss_lib.schemas import FEATURE_TABLES, TABLES
from mpss_lib.sections import SEGMENTS
from mpss_lib.study_inputs import chosen_volume, lake_file, segmentation_row
from mpss_lib.tables import Lake, Outcome, Written, digest_of, sha256_of
from mpss_lib.volume import FloatArray, Mask, check_same_grid

log = logging.getLogger(__name__)


def run(study_key: str, lake: Lake, config: Config, *, force: bool = False) -> Outcome:
    """Compute the features of the seven segments of a study.

    Reads ``volume`` and the DICOM object that it names, ``segmentation`` and its mask file; writes
    ``feature_once`` and ``feature_binned``, and where this address has none ``feature_catalogue``
    and the reporting sheet.

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
        ``no_volume_chosen`` or ``not_segmented``: an earlier stage refused the study.
    LakeCorruptError
        A file that a table names is not there, or the mask file lacks a segment.
    """
    from mpss_lib.dicom import read_volume

    address = config.address("radiomics")
    image_at, masks_at = _inputs(study_key, lake, config)
    digest = digest_of([sha256_of(image_at), sha256_of(masks_at)])
    catalogue = ensure_catalogue(lake, address)
    ensure_sheet(lake, address, reporting_items(settings_of(config), config.radiomics.bins))
    there = lake.existing("radiomics", address, study_key, digest, tables=FEATURE_TABLES)
    if there and not force:
        return Outcome("skipped", (*there, catalogue))
    volume = read_volume(image_at, gated=config.intake.gated)
    masks = _seven(masks_at)
    for mask in masks.values():
        check_same_grid(volume, mask)
    regions = measure_regions(
        volume.array,
        {name: mask.array for name, mask in masks.items()},
        volume.spacing_mm,
        settings_of(config),
        config.radiomics.bins,
    )
    for segment, region in regions.items():
        if region.why_undefined:
            what = (study_key, segment, region.why_undefined)
            log.warning("radiomics: %s, segment %s: undefined features: %s", *what)
    return Outcome("done", (*_write(regions, lake, address, study_key, digest), catalogue))


opened = lake_only(run)


def settings_of(config: Config) -> Settings:
    """Give the extraction settings of the platform's configuration."""
    section = config.radiomics
    return Settings(ivh=FixedBinNumber(section.ivh_bins), slice_axis=section.slice_axis)


def ensure_catalogue(lake: Lake, address: Address) -> Written:
    """Put the table of features on the lake at this address, if it is not there."""
    rows = [asdict(feature) for feature in FEATURES]
    digest = digest_of([repr(sorted(row.items())) for row in rows])
    there = lake.existing("radiomics", address, "all", digest, tables=("feature_catalogue",))
    if there:
        return there[0]
    return lake.write("feature_catalogue", address, "all", digest, rows)


def _inputs(study_key: str, lake: Lake, config: Config) -> tuple[Path, Path]:
    volume = chosen_volume(lake, config, study_key)
    segmented = segmentation_row(lake, config, study_key)
    return (
        lake_file(lake, str(volume["path"]), "pull"),
        lake_file(lake, str(segmented["mask_path"]), "segmentation"),
    )


def _seven(path: Path) -> dict[str, Mask]:
    masks, _ = read_masks(path)
    missing = [name for name in SEGMENTS if name not in masks]
    if missing:
        raise LakeCorruptError(
            f"mask file {path.name} lacks {', '.join(missing)}",
            way_out="run segmentation for this study again",
        )
    return {name: masks[name] for name in SEGMENTS}


def _write(
    regions: Mapping[str, RegionFeatures],
    lake: Lake,
    address: Address,
    study_key: str,
    digest: str,
) -> tuple[Written, Written]:
    once_keys: list[dict[str, Any]] = []
    binned_keys: list[dict[str, Any]] = []
    once_rows, binned_rows = [], []
    for segment, region in regions.items():
        key = {"study_key": study_key, "segment": segment}
        undefined = undefined_of(ONCE_NAMES, region.once)
        once_keys.append(key | {"n_voxels": region.n_voxels, "undefined_features": undefined})
        once_rows.append(region.once)
        for bins, values in region.binned.items():
            undefined = undefined_of(BINNED_NAMES, values)
            binned_keys.append(key | {"bins": bins, "undefined_features": undefined})
            binned_rows.append(values)
    once = _table("feature_once", once_keys, ONCE_NAMES, once_rows)
    binned = _table("feature_binned", binned_keys, BINNED_NAMES, binned_rows)
    return (
        lake.write("feature_once", address, study_key, digest, once),
        lake.write("feature_binned", address, study_key, digest, binned),
    )


def _table(
    name: str,
    keys: Sequence[Mapping[str, Any]],
    features: Sequence[str],
    rows: Sequence[FloatArray],
) -> pa.Table:
    """Key columns of the schema, then one float64 column for each feature."""
    table = pa.Table.from_pylist([dict(key) for key in keys], schema=TABLES[name].schema)
    values = np.array(rows)
    columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
    for feature, column in zip(features, columns, strict=True):
        table = table.append_column(feature, column)
    return table
