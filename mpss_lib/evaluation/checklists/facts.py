"""What the checklists are answered from: settings, and rows of the lake of one cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpss_lib.config import CORRECTED, Config
from mpss_lib.evaluation.added_value.sample_size import Needed, needed
from mpss_lib.evaluation.findings import Findings
from mpss_lib.evaluation.stability_tables import stable_text
from mpss_lib.profiles import evaluation_profiles, selected_in, selection_profiles
from mpss_lib.sections import EvaluationSettings, SelectionSettings
from mpss_lib.tables import Lake, read_parquet
from mpss_lib.whole_files import read_json_there

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """Facts of an evaluated cohort.

    Parameters
    ----------
    config : Config
    found : Findings
    volumes : sequence of rows of ``volume``
        The chosen one of each study.
    masks : sequence of rows of ``segmentation``
    n_compared : int
        Studies whose masks were compared with given contours.
    sheet : mapping of item to texts
        Of IBSI's reporting sheet, as the extraction wrote it; empty where it is not on the lake.
    n_models, n_features : int
        Registered models; features that are extracted.
    """

    config: Config
    found: Findings
    volumes: Sequence[Row]
    masks: Sequence[Row]
    n_compared: int
    sheet: Mapping[str, tuple[str, ...]]
    n_models: int
    n_features: int

    @property
    def n(self) -> int:
        """Patients that were evaluated."""
        return len(self.found.inputs.studies)

    @property
    def selection(self) -> SelectionSettings:
        """Settings of the selection in the corrected profile."""
        return selection_profiles(self.config.selection)[selected_in(self.config, CORRECTED)]

    @property
    def evaluation(self) -> EvaluationSettings:
        """Settings of the evaluation in the corrected profile."""
        return evaluation_profiles(self.config)[CORRECTED]

    @property
    def stability(self) -> str:
        """How many features are stable, "" where that was not measured."""
        bins = self.found.inputs.selected[CORRECTED].bins
        return stable_text(self.found.stability, bins)

    @property
    def n_events(self) -> int:
        """Patients whose total score is at least 100."""
        return int((self.found.inputs.outcomes["MYO"] >= 100.0).sum())

    @property
    def n_columns(self) -> int:
        """Columns that may enter the combined model."""
        return int(self.found.inputs.design(CORRECTED, "MYO").columns.shape[1])

    @property
    def needed(self) -> Needed | None:
        """Patients that a model of a score of at least 100 needs, all columns candidates."""
        return needed(self.n_columns, self.n_events / self.n)

    def values(self, rows: Sequence[Row], *columns: str) -> str:
        """Name the values of columns together, the most frequent first, with their counts."""
        counted = Counter(
            " ".join(str(row[name] or "") for name in columns).strip() for row in rows
        )
        return ", ".join(f"{value or 'not stated'} ({n})" for value, n in counted.most_common())


def gather_facts(found: Findings, lake: Lake, config: Config) -> Facts:
    """Read the facts of a cohort."""
    studies = found.inputs.studies
    of = {
        name: lake.current_paths(name, config.address(stage), studies)
        for name, stage in (
            ("volume", "intake"),
            ("segmentation", "segmentation"),
            ("segmentation_agreement", "segmentation"),
        )
    }

    def rows(name: str) -> Iterable[Row]:
        for path in of[name].values():
            yield from read_parquet(path, name).to_pylist()

    return Facts(
        config=config,
        found=found,
        volumes=[row for row in rows("volume") if row["is_chosen"]],
        masks=list(rows("segmentation")),
        n_compared=len({row["study_key"] for row in rows("segmentation_agreement")}),
        sheet=_sheet(lake, config),
        n_models=len(lake.rows("model", config.address("evaluation"), found.inputs.cohort)),
        n_features=len(lake.rows("feature_catalogue", config.address("radiomics"), "all")),
    )


def _sheet(lake: Lake, config: Config) -> dict[str, tuple[str, ...]]:
    """Items of the extraction's reporting sheet by their number."""
    address = config.address("radiomics")
    content = read_json_there(lake.root / "reporting" / address.folder / "radiomics.json")
    items: dict[str, tuple[str, ...]] = {}
    for one in (content or {}).get("items", ()):
        code = f" [{one['ibsi_code']}]" if one["ibsi_code"] else ""
        text = f"{one['item']}: {one['value']}{code}"
        items[one["number"]] = (*items.get(one["number"], ()), text)
    return items
