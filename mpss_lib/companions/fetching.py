"""Objects of companions by the retriever of pull, whichever way it goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mpss_lib.companions.search import Listed
from mpss_lib.companions.taking import LeftError
from mpss_lib.config import Config
from mpss_lib.dicom.faults import NOT_DELIVERED
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.asked import AskedArchive
from mpss_lib.pull.manifest import NOT_OFFERED
from mpss_lib.pull.retrieve.delivery import Delivery

__all__ = ["NOT_OFFERED", "arrived", "fetch"]


def fetch(
    archive: AskedArchive,
    one: Listed,
    wanted: Sequence[ObjectAnswer],
    folder: Path,
    config: Config,
) -> dict[str, Delivery]:
    """Fetch objects of a series; what does not come carries its problem, and stops nothing."""
    every = frozenset(x.sop_uid for x in wanted)
    is_whole = len(wanted) == len(one.objects)
    whole = frozenset({one.series.series_uid}) if is_whole else frozenset()
    study, attempts = one.study.study_uid, config.pull.fetch_attempts
    return dict(archive.fetch(study, wanted, whole, folder, attempts, every)) if wanted else {}


def arrived(one: Delivery) -> Path:
    """File of an object that came, once.

    Raises
    ------
    LeftError
    """
    if one.problem or one.has_twin:
        raise LeftError(NOT_DELIVERED, one.problem or "it came twice, with other bytes")
    return one.path
