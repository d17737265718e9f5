"""Studies with one poisonous object beside a good volume: each is stored and published.

An embedded archive serves them; pull, intake, segmentation, quality and radiomics run as a night
runs them, then the snapshot is published. Each kind of poison comes in turn.

    PYTHONPATH=.:tests python tests/bench/poison_studies.py --studies 100
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from importlib import import_module
from pathlib import Path

STAGES = ("pull", "intake", "segmentation", "quality", "radiomics")
WINDOW = (date(2026, 3, 2), date(2026, 3, 2))


@dataclass
class Report:
    """What became of the studies.

    Parameters
    ----------
    kinds : mapping of study key to str
        Its poison.
    published : set of str
        Keys of studies whose features are in the snapshot.
    reasons : Counter
        Kind and reason of the poisonous object in ``core.series_flow``.
    flags : mapping of study key to list of str
        Of the quality verdict.
    """

    kinds: dict[str, str]
    published: set[str]
    reasons: Counter[tuple[str, str]]
    flags: dict[str, list[str]]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> list[str]:
        return sorted(self.kinds[key] for key in self.kinds.keys() - self.published)


def kinds() -> dict[str, Callable]:
    """Kind -> makes the poisonous object of a study, from a sound NM object of it."""
    from poison_objects import POISONS
    from pydicom.uid import RTStructureSetStorage, SecondaryCaptureImageStorage, SegmentationStorage

    def spoilt(spoil: Callable) -> Callable:
        def make(dataset):
            spoil(dataset)
            return dataset

        return make

    def of_class(modality: str, sop_class: str, kind: str) -> Callable:
        def make(dataset):
            dataset.Modality, dataset.SOPClassUID = modality, sop_class
            dataset.file_meta.MediaStorageSOPClassUID = sop_class
            POISONS[kind](dataset)
            return dataset

        return make

    return {kind: spoilt(spoil) for kind, spoil in POISONS.items()} | {
        "capture": of_class("NM", SecondaryCaptureImageStorage, "lossy"),
        "segmentation": of_class("SEG", SegmentationStorage, "jpegls_garbage"),
        "structure set": of_class("RTSTRUCT", RTStructureSetStorage, "nested"),
    }


def fill(archive, studies: int) -> dict[str, str]:
    """Put the studies into the archive; Study Instance UID -> kind."""
    from imaging_objects import HABITS, SUBJECT, phantom
    from pacs_objects import make_nm, series_uid, sop_uid, study_uid
    from poison_objects import file_bytes

    from mpss_lib.demo.nm_modules import SeriesText
    from mpss_lib.demo.nm_writing import nm_dataset

    makers = kinds()
    found = {}
    for number in range(1, studies + 1):
        kind = sorted(makers)[(number - 1) % len(makers)]
        subject = replace(
            SUBJECT,
            patient_id=f"HOSP-{number:05d}",
            study=study_uid(number),
            study_date="20260302",
            frame_of_reference=f"{study_uid(number)}.4",
        )
        text = SeriesText(
            series_uid(number), sop_uid(number), 1, "STRESS AC OSEM", corrected=("ATTN", "SCAT"),
            reconstruction="OSEM", state="stress", view="transaxial",
        )  # fmt: skip
        archive.add(nm_dataset(phantom(31).volume, subject, text, HABITS))
        spoilt = makers[kind](make_nm(number, series=2, shape=(6, 32, 32)))
        archive.add_bytes(file_bytes(spoilt))
        found[study_uid(number)] = kind
    return found


def run(studies: int, folder: Path) -> Report:
    """Fill an archive, do a night, publish, and look at what is there."""
    from mpss_lib.archive_sections import ArchiveSettings
    from mpss_lib.batch import run_stage
    from mpss_lib.config import Config, Sites
    from mpss_lib.demo.archive import Archive
    from mpss_lib.pull import stage as pull
    from mpss_lib.pull.vault import Vault
    from mpss_lib.sections import CohortSettings
    from mpss_lib.tables import Lake

    archive, lake = Archive(folder / "pacs"), Lake(folder / "lake")
    by_uid = fill(archive, studies)
    config = Config(cohort=CohortSettings(accept="pass"))
    seconds = {}
    with archive.serve(aet="HOSPITAL") as server:
        settings = ArchiveSettings(port=server.port, called_aet="HOSPITAL", dimse_timeout_s=30)
        sites = Sites(folder / "vault.sqlite", folder / "staging", settings)
        keys = pull.find(WINDOW, lake, config, sites)
        for name in STAGES:
            began = time.perf_counter()
            keys = list(run_stage(name, keys, lake, config, sites).keys)
            seconds[name] = time.perf_counter() - began
    import_module("mpss_lib.warehouse.stage").run(lake, config)
    vault = Vault(sites.vault)
    return _look(lake, {vault.study_key(uid): kind for uid, kind in by_uid.items()}, seconds)


def _look(lake, by_key: dict[str, str], seconds: dict[str, float]) -> Report:
    from mpss_lib.warehouse.reader import rows

    featured = rows(lake, "select distinct study_key from feature.radiomics")
    flow = rows(lake, "select study_key, reason, is_chosen from core.series_flow")
    verdicts = rows(lake, "select study_key, flags from raw.quality_verdict")
    reasons = Counter(
        (by_key[row["study_key"]], str(row["reason"])) for row in flow if not row["is_chosen"]
    )
    return Report(
        by_key,
        {row["study_key"] for row in featured},
        reasons,
        {row["study_key"]: list(row["flags"]) for row in verdicts},
        seconds,
    )


def main() -> None:
    sys.path[:0] = [str(Path(__file__).parents[1])]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report = run(arguments.studies, Path(name))
    for (kind, reason), n in sorted(report.reasons.items()):
        sys.stdout.write(f"{n:5} {kind:22} {reason}\n")
    sys.stdout.write(
        f"{len(report.published)} of {len(report.kinds)} studies published, of"
        f" {len(set(report.kinds.values()))} kinds; lost: {report.lost or 'none'};"
        f" { ({name: round(s) for name, s in report.seconds.items()}) } s\n"
    )
    sys.exit(1 if report.lost else 0)


if __name__ == "__main__":
    main()
