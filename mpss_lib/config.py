"""Settings: frozen, typed, complete, read once; one section for each stage, with its hash.

Sources, the later wins: defaults, ``$MPSS_HOME/mpss.toml``, environment variables
``MPSS_<SECTION>__<FIELD>`` (values are read as TOML would read them). An unknown key, an
unknown ``MPSS_*`` variable or a value out of range stops at start and is named.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mpss_lib.errors import SettingsError
from mpss_lib.sections import RegistryFormat, Section, SeriesRule
from mpss_lib.sections import UpkeepSettings as UpkeepSettings

STAGES = (
    "pull",
    "intake",
    "segmentation",
    "quality",
    "radiomics",
    "warehouse",
    "selection",
    "evaluation",
    "publication",
)
"""The stages in the order of the chain: package, task group, asset, tag and test folder."""

SEGMENTS = ("MYO", "LAD3", "LCX3", "RCA3", "LAD17", "LCX17", "RCA17")
BINS = (4, 8, 16, 32, 64, 128, 256, 512)

AS_PUBLISHED, CORRECTED, ELASTIC_NET = "as_published", "corrected", "elastic_net"
PROFILES = (AS_PUBLISHED, CORRECTED)
"""Selection and evaluation are done in both: the paper to the letter, and what can be defended.

``elastic_net`` names the fold models of the better model, which use the corrected selection."""

CLINICAL = (
    "sex",
    "race",
    "age",
    "smoking",
    "diabetes",
    "hypertension",
    "hyperlipidemia",
    "family_history",
    "bmi",
    "lvef",
)
"""The ten clinical terms; sex and race are factors, yes or no counts as 1 or 0."""

ENGINES: Mapping[str, str] = dict.fromkeys(STAGES, "1") | {
    "intake": "2",
    "segmentation": "3",
    "quality": "3",
}
"""Raised by hand, one stage at a time, when the numbers that it writes can change."""

READS: Mapping[str, tuple[str, ...]] = {
    "pull": (),
    "intake": ("pull",),
    "segmentation": ("intake",),
    "quality": ("intake", "segmentation"),
    "radiomics": ("intake", "segmentation"),
    "warehouse": (),
    "selection": ("radiomics",),
    "evaluation": ("radiomics", "selection"),
    "publication": ("evaluation",),
}
"""Stages whose (engine, config) enter the config hash of the key."""


class SiteSettings(Section):
    """Where things are: in no hash."""

    timezone: str = "UTC"
    archive_host: str = "127.0.0.1"
    archive_port: int = Field(default=11112, ge=1, le=65535)
    called_aet: str = Field(default="ARCHIVE", min_length=1, max_length=16)
    calling_aet: str = Field(default="MPSS", min_length=1, max_length=16)
    uids_per_request: int = Field(default=20, ge=1, le=500)
    find_limit: int = Field(default=0, ge=0)  # most answers that C-FIND gives; 0: no limit
    connection_timeout_s: float = Field(default=10.0, gt=0)
    acse_timeout_s: float = Field(default=15.0, gt=0)
    dimse_timeout_s: float = Field(default=120.0, gt=0)
    registry_url: str = ""
    results_url: str = ""
    results_schema: str = Field(default="mpss", pattern="^[a-z][a-z0-9_]{0,62}$")

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone such as 'Europe/Zurich'") from error
        return value


class PullSettings(Section):
    """What is asked for and what is kept."""

    unhashed: ClassVar[frozenset[str]] = frozenset(
        {
            *("lookback_days", "fault_share", "min_batch", "fetch_attempts"),
            # In the digest of the rows instead:
            *("registry_table", "registry_columns", "registry_codes", "registry_format"),
        }
    )

    modality: str = "NM"
    acquired_period: Literal["quarter", "year", "none"] = "quarter"
    own_issuer: str = ""  # IssuerOfPatientID that means the same as none at this site
    extra_words: tuple[str, ...] = ()  # kept in descriptions beside the shipped words
    contours: bool = True  # fetch RTSTRUCT and SEG objects of the study too
    contour_names: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)  # ours -> the site's
    max_shift_days: int = Field(default=365, ge=1, le=3650)
    lookback_days: int = Field(default=7, ge=0, le=90)
    min_batch: int = Field(default=25, ge=1)
    fetch_attempts: int = Field(default=3, ge=1, le=10)
    registry_table: str = Field(default="mpss_clinical", min_length=1)
    registry_columns: Mapping[str, str] = Field(default_factory=dict)  # our name -> the site's
    registry_codes: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    """Our column name -> the site's code -> ours, as in ``{"sex": {"W": "F"}}``."""
    registry_format: RegistryFormat = RegistryFormat()
    fault_share: float = Field(default=0.2, gt=0, le=1)


class IntakeSettings(Section):
    """Header and geometry gate."""

    voxel_mm: float = Field(default=4.8, gt=0)
    voxel_tolerance_mm: float = Field(default=0.05, gt=0)
    gated: Literal["sum", "refuse"] = "sum"
    orientations: tuple[Literal["transaxial", "short_axis"], ...] = ("transaxial", "short_axis")
    site_rules: tuple[SeriesRule, ...] = ()


class SegmentationSettings(Section):
    """The wall is a convention at 4.8 mm, so it is a setting that every mask carries."""

    masks_from: Literal["automatic", "contours", "contours_else_automatic"] = "automatic"
    wall_mode: Literal["anatomical", "thick"] = "anatomical"
    wall_mm: float = Field(default=10.4, gt=2, lt=30)
    seed: int = Field(default=20210201, ge=0)


class QualitySettings(Section):
    """Limits of the artefact metrics; ``limits`` replaces single entries of the shipped table."""

    limits_version: str = "phantom-3"
    limits: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)


class RadiomicsSettings(Section):
    """What of the IBSI chain the platform uses; the paper's choice by default."""

    bins: tuple[int, ...] = BINS
    ivh_bins: int = Field(default=1000, ge=2)
    slice_axis: Literal[0, 1, 2] = 0

    @field_validator("bins")
    @classmethod
    def _are_bin_numbers(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 2 or len(set(value)) != len(value):
            raise ValueError(f"bins {value} must be distinct whole numbers of at least 2")
        return value


class CohortSettings(Section):
    """Who is in the cohort: read by SQL when the snapshot is built."""

    accept: Literal["reviewed", "pass"] = "reviewed"
    reading: Literal["normal", "any"] = "normal"
    cac_max_days: int = Field(default=90, ge=0)


class WarehouseSettings(Section):
    """The published snapshot."""

    unhashed: ClassVar[frozenset[str]] = frozenset(
        {"threads", "retention_days", "compact_from", "compact_studies", "merge_studies"}
        | {"prediction_limit", "complete_share"}  # in the digest of a check
    )

    threads: int = Field(default=2, ge=1)
    retention_days: float = Field(default=7.0, ge=0)
    compact_from: int = Field(default=100, ge=2)  # files that stand alone before they are joined
    compact_studies: int = Field(default=500, ge=2)  # in one batch file at most
    merge_studies: int = Field(default=5000, ge=2)  # in one batch file after the maintenance
    prediction_limit: float = Field(default=20000.0, gt=0)  # Agatston, either side of 0
    complete_share: float = Field(default=0.9, ge=0, le=1)  # known covariates, else a warning


class SelectionSettings(Section):
    """Choice of features, blind to the outcome: steps S0-S7."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"bootstrap"})

    max_nan_share: float = Field(default=0.0, ge=0, le=1)
    min_variety_rho: float = Field(default=0.98, ge=0, le=1)
    dynamic_range: Literal["signed", "abs_mean"] = "signed"
    min_dynamic_range: float = Field(default=1e-5, ge=0)
    correlation: float = Field(default=0.95, gt=0, le=1)
    closure: Literal["transitive", "direct"] = "transitive"
    rows: Literal["per_segment", "pooled"] = "per_segment"
    preferred_bins: int = Field(default=64, ge=0)
    bootstrap: int = Field(default=25, ge=0)
    seed: int = Field(default=20210129, ge=0)


class EvaluationSettings(Section):
    """The randomised evaluation: every contradiction of the paper is a named setting."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"permutations", "permutation_chunk"})

    n_outer: int = Field(default=50, ge=1)
    n_inner: int = Field(default=20, ge=1)
    test_fraction: float = Field(default=0.15, gt=0, lt=1)
    dev_fraction: float = Field(default=0.25, gt=0, lt=1)
    criterion: Literal["aic", "sse"] = "aic"
    p_enter: float = 0.05
    p_remove: float = 0.2
    screen_p: float = Field(default=0.3, gt=0, le=1)
    categorical_screen: Literal["codes", "kruskal"] = "codes"
    max_steps: int = Field(default=1000, ge=1)
    final_coef: Literal["dev", "train", "train+dev"] = "dev"
    winner: Literal["max_loglik", "max_aic", "min_aic", "dev_r2", "common_aic"] = "max_loglik"
    intercept_only: Literal["skip", "keep"] = "skip"
    invalid_run: Literal["p1", "drop"] = "p1"
    p_side: Literal["two", "one"] = "two"
    rank_tol: float = Field(default=1e-10, gt=0)
    loglik_variance: Literal["ml", "mse"] = "ml"
    outcome_transform: Literal["none", "log1p"] = "none"
    missing: Literal["error", "complete_case"] = "complete_case"
    permutations: int = Field(default=199, ge=0)
    permutation_chunk: int = Field(default=50, ge=1)
    min_test: int = Field(default=30, ge=1)
    seed: int = Field(default=20210129, ge=0)


class PublicationSettings(Section):
    """Predictions and their export."""


@dataclass(frozen=True)
class Address:
    """What made an output: the stage's engine and the hash of its settings (design rule 2)."""

    engine: str
    config: str

    @property
    def folder(self) -> str:
        """Relative path of what these made."""
        return f"engine={self.engine}/config={self.config}"


class Config(BaseModel):
    """All settings of a home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: SiteSettings = SiteSettings()
    pull: PullSettings = PullSettings()
    intake: IntakeSettings = IntakeSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    quality: QualitySettings = QualitySettings()
    radiomics: RadiomicsSettings = RadiomicsSettings()
    cohort: CohortSettings = CohortSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    selection: SelectionSettings = SelectionSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    publication: PublicationSettings = PublicationSettings()
    upkeep: UpkeepSettings = UpkeepSettings()

    def address(self, stage: str) -> Address:
        """Engine and config hash of a stage.

        The hash covers the stage's own section and the address of every stage that it reads, so
        that a thicker wall makes new radiomics.
        """
        section: Section = getattr(self, stage)
        upstream = {name: _plain(self.address(name)) for name in READS[stage]}
        payload = {
            "section": section.model_dump(mode="json", exclude=set(section.unhashed)),
            "reads": upstream,
        }
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        return Address(ENGINES[stage], hashlib.sha256(text.encode()).hexdigest()[:12])


@dataclass(frozen=True)
class Sites:
    """Addresses of what lies outside the lake; in no hash.

    The command line fills it from the settings file, a DAG from Airflow's connections.
    """

    vault: Path
    staging: Path
    archive: SiteSettings
    registry_url: str = ""
    results_url: str = ""


def home() -> Path:
    """Folder of this installation's data: ``$MPSS_HOME``, else ``.mpss`` in the working folder."""
    return Path(os.environ.get("MPSS_HOME", ".mpss")).resolve()


def sites_of(config: Config, root: Path) -> Sites:
    """Sites of a home as its settings file names them."""
    return Sites(
        vault=root / "vault.sqlite",
        staging=root / "staging",
        archive=config.site,
        registry_url=config.site.registry_url,
        results_url=config.site.results_url,
    )


def load(root: Path | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings of a home.

    Parameters
    ----------
    root : Path, optional
        The home; ``home()`` by default. Its ``mpss.toml`` may be absent.
    environ : mapping, optional
        Environment variables; ``os.environ`` by default.

    Raises
    ------
    SettingsError
        Names the unknown key or variable, or the bad value and what is allowed.
    """
    root = home() if root is None else root
    environ = os.environ if environ is None else environ
    path = root / "mpss.toml"
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{path.name} is not TOML: {error}", way_out="correct the line that is named"
            ) from error
    for section, field, text in _environment(environ):
        values.setdefault(section, {})[field] = _toml_value(text)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting {where} = {first.get('input')!r}: {first['msg']}",
            way_out=f"correct {path.name} or the MPSS_* variable;"
            f" sections: {', '.join(sorted(Config.model_fields))}",
        ) from error


def _environment(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    found = []
    for name, text in sorted(environ.items()):
        if not name.startswith("MPSS_") or name == "MPSS_HOME":
            continue
        section, _, field = name.removeprefix("MPSS_").lower().partition("__")
        known = Config.model_fields.get(section)
        if known is None or field not in type(known.default).model_fields:
            raise SettingsError(
                f"environment variable {name} names no setting",
                way_out="write MPSS_<SECTION>__<FIELD> as in MPSS_COHORT__ACCEPT, or unset it",
            )
        found.append((section, field, text))
    return found


def _toml_value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _plain(address: Address) -> list[str]:
    return [address.engine, address.config]
