"""The files behind a published study: the volume that was chosen and the masks that were judged.

Of the snapshot, not of the settings in force: a picture shows what the verdict is about.
"""

from __future__ import annotations

from pathlib import Path

from mpss_lib.config import Config
from mpss_lib.errors import StudyRejectedError
from mpss_lib.quality.gallery import drawn
from mpss_lib.study_inputs import NO_VOLUME_CHOSEN, NOT_SEGMENTED, lake_file
from mpss_lib.tables import Lake, check_key
from mpss_lib.viewing.published import Published
from mpss_lib.viewing.slices import Around, around
from mpss_lib.warehouse.query_rows import rows_of

_FILES = """\
select
    (select mask_path from raw.segmentation where study_key = $1) as masks,
    (select min(path) from core.volume where study_key = $1 and is_chosen) as volume,
    (
        select min(volume.path)
        from core.ejection as ejection
        inner join core.volume as volume
            on ejection.study_key = volume.study_key and ejection.object_key = volume.object_key
        where ejection.study_key = $1 and ejection.state <> 'unusable'
    ) as gates,
"""


def picture(snapshot: Published, study_key: str, kind: str, lake: Lake, config: Config) -> Path:
    """Give a picture of a published study; it is drawn where it is not there yet.

    Raises
    ------
    StudyRejectedError
        ``no_volume_chosen`` or ``not_segmented``.
    LakeCorruptError
        A file that the snapshot names is not there.
    """
    volume_at, masks_at, _ = _files(snapshot, study_key, lake)
    return drawn(study_key, (kind,), volume_at, masks_at, lake, config)[kind]


def slices(snapshot: Published, study_key: str, lake: Lake, config: Config) -> Around:
    """Give the volume of a published study around its heart, with its gates; see ``picture``.

    The gates are those that its ejection fraction was measured in, else the chosen object's own.
    """
    volume_at, masks_at, gates_at = _files(snapshot, study_key, lake)
    return around(volume_at, masks_at, gates_at, gated=config.intake.gated)


def _files(snapshot: Published, study_key: str, lake: Lake) -> tuple[Path, Path, Path]:
    """Files of the volume, the masks and the gates (the volume's where no others are)."""
    found = rows_of(snapshot.connection, _FILES, [check_key(study_key)])[0]
    for name, reason in (("volume", NO_VOLUME_CHOSEN), ("masks", NOT_SEGMENTED)):
        if not found[name]:
            raise StudyRejectedError(
                f"the published snapshot has no {name} of a study {study_key}",
                way_out="meta.ingest_ledger says how far it came, and why no further",
                reasons=(reason,),
            )
    volume_at = lake_file(lake, str(found["volume"]), "intake")
    gates = found["gates"]
    return (
        volume_at,
        lake_file(lake, str(found["masks"]), "segmentation"),
        lake_file(lake, str(gates), "gated") if gates else volume_at,
    )
