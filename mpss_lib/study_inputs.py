"""What the stages after intake read of a study: its chosen volume, its masks, and their files.

One reader, so that one fact has one reason: ``no_volume_chosen`` where intake accepted no series,
``not_segmented`` where segmentation has no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpss_lib.config import Config
from mpss_lib.errors import IncompleteStudyError, LakeCorruptError, StudyRejectedError
from mpss_lib.tables import Lake, check_key

NO_VOLUME_CHOSEN = "no_volume_chosen"
NOT_SEGMENTED = "not_segmented"
UNKNOWN = "unknown"
"""What stands for a manufacturer or model that the object does not name."""


def volume_rows(lake: Lake, config: Config, study_key: str) -> list[dict[str, Any]]:
    """Rows of table ``volume``: the chosen object first, then the others as they stand.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen``: intake accepted no series of the study.
    IncompleteStudyError
        If intake did not see it: what was never looked at is not rejected.
    """
    address = config.address("intake")
    if lake.current_path("volume", address, check_key(study_key)) is None:
        raise IncompleteStudyError(
            f"study {study_key} was not looked at by intake at this address",
            way_out="`mpss run pull` and `mpss run intake` with its key; if it stands in"
            " quarantine there, mend that first",
        )
    rows = lake.rows("volume", address, study_key)
    chosen = [row for row in rows if row["is_chosen"]]
    if not chosen:
        raise StudyRejectedError(
            f"study {study_key} has no chosen volume ({len(rows)} were looked at)",
            way_out="see the reasons in table volume; nothing is to be done for a rejected study",
            reasons=(NO_VOLUME_CHOSEN,),
        )
    return [*chosen[:1], *(row for row in rows if not row["is_chosen"])]


def chosen_volume(lake: Lake, config: Config, study_key: str) -> dict[str, Any]:
    """Row of table ``volume`` that intake chose for the study; see ``volume_rows``."""
    return volume_rows(lake, config, study_key)[0]


def scanner_of(study_key: str, lake: Lake, config: Config) -> str:
    """Manufacturer and model of the chosen volume; each ``unknown`` where it does not say."""
    return " ".join(named_scanner(chosen_volume(lake, config, study_key)))


def named_scanner(volume: Mapping[str, Any]) -> tuple[str, str]:
    """Manufacturer and model that a row of ``volume`` names."""
    maker, model = (str(volume[name] or "").strip() for name in ("manufacturer", "model"))
    return maker or UNKNOWN, model or UNKNOWN


def segmentation_row(lake: Lake, config: Config, study_key: str) -> dict[str, Any]:
    """Row of table ``segmentation``.

    Raises
    ------
    StudyRejectedError
        ``not_segmented``: segmentation refused the study, or did not see it.
    """
    rows = lake.rows("segmentation", config.address("segmentation"), check_key(study_key))
    if not rows:
        raise StudyRejectedError(
            f"study {study_key} has no row in table segmentation",
            way_out="run segmentation first; if it refused the study, nothing is to be done",
            reasons=(NOT_SEGMENTED,),
        )
    return rows[0]


def lake_file(lake: Lake, relative: str, made_by: str) -> Path:
    """Path of a file that a table names.

    Parameters
    ----------
    lake : Lake
    relative : str
        Path below the lake, as the row has it.
    made_by : str
        Stage that wrote it.

    Raises
    ------
    LakeCorruptError
        If it is not there.
    """
    path = lake.root / relative
    if not path.is_file():
        raise LakeCorruptError(
            f"{path.name} is named by a table and is not on the lake",
            way_out=f"run {made_by} for this study again",
        )
    return path
