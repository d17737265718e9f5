"""What pull asks of the archive of a site, be it one or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Protocol, TypeVar

from mpss_lib.pull.archive.answers import ObjectAnswer, SeriesAnswer, StudyAnswer, WindowAnswer
from mpss_lib.pull.archive.contents import Contents
from mpss_lib.pull.archive.habits import NOTHING_KNOWN, Habits
from mpss_lib.pull.retrieve.delivery import Delivery

T = TypeVar("T")


class AskedArchive(Protocol):
    """Lists and objects; each method as in ``ArchiveSession``, which says what it raises."""

    def find_studies(
        self, date_from: date, date_to: date, modality: str, known: Habits = NOTHING_KNOWN
    ) -> WindowAnswer:
        """List the studies of a window."""

    def find_undated(self, modality: str, known: Habits = NOTHING_KNOWN) -> WindowAnswer:
        """List the studies without a date."""

    def find_study(self, study_uid: str) -> StudyAnswer | None:
        """Ask for one study."""

    def find_listed(self, study_uids: Sequence[str]) -> dict[str, StudyAnswer]:
        """Ask for several studies at once; what lacks is asked for alone."""

    def find_named(self, name: str) -> list[StudyAnswer]:
        """Ask for studies by UID or accession number."""

    def find_patient(self, patient_id: str) -> list[StudyAnswer]:
        """Ask for all studies of a patient."""

    def of_modality(self, studies: Iterable[StudyAnswer], modality: str) -> list[StudyAnswer]:
        """Keep the studies that hold a modality."""

    def find_series(self, study_uid: str) -> list[SeriesAnswer]:
        """List the series of a study."""

    def find_objects(self, study_uid: str, series_uid: str) -> list[ObjectAnswer]:
        """List the objects of a series."""

    def find_contents(
        self, rows: Sequence[StudyAnswer], modalities: Collection[str]
    ) -> dict[str, Contents]:
        """List series and objects of several studies at once; what lacks is asked for alone."""

    def persistently(self, what: str, operation: Callable[[], T], attempts: int) -> T:
        """Repeat a question."""

    def offers(self, sop_class: str) -> bool:
        """Whether objects of a class can be had."""

    @property
    def takes_several(self) -> bool:
        """Whether objects of several studies may be fetched ahead, by one request."""

    def fetch_ahead(self, wanted: Mapping[str, Sequence[ObjectAnswer]], folder: Path) -> None:
        """Fetch whole studies by one request: what comes is there when each of them is fetched."""

    def fetch(
        self,
        study_uid: str,
        wanted: Sequence[ObjectAnswer],
        whole_series: frozenset[str],
        folder: Path,
        attempts: int,
        spared: frozenset[str] = frozenset(),
    ) -> Mapping[str, Delivery]:
        """Fetch objects."""
