"""Which scanner a study comes from: Manufacturer and ManufacturerModelName as the object says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mpss_lib.config import Config
from mpss_lib.study_inputs import UNKNOWN, named_scanner
from mpss_lib.tables import Lake, read_parquet

POOLED = "small scanners"


@dataclass(frozen=True, order=True)
class Scanner:
    """Manufacturer and model; ``unknown`` where the object does not say."""

    manufacturer: str = UNKNOWN
    model: str = UNKNOWN

    @property
    def name(self) -> str:
        """Both in one text."""
        return f"{self.manufacturer} {self.model}"


def scanners_of(lake: Lake, config: Config, studies: Sequence[str]) -> tuple[Scanner, ...]:
    """Give the scanner of each study's chosen volume."""
    paths = lake.current_paths("volume", config.address("intake"), studies)
    found: dict[str, Scanner] = {}
    for key, path in paths.items():
        for row in read_parquet(path, "volume").to_pylist():
            if row["is_chosen"]:
                found[key] = Scanner(*named_scanner(row))
    return tuple(found.get(key, Scanner()) for key in studies)


def pooled(names: Sequence[str], least: int) -> tuple[str, ...]:
    """Give each name, or ``small scanners`` where fewer than ``least`` patients have it."""
    count = Counter(names)
    return tuple(name if count[name] >= least else POOLED for name in names)
