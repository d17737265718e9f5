"""Sections of the settings: one for each stage, one for the site, one for the maintenance."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mpss_lib.contract import HIGHEST_SCORE

SEGMENTS = ("MYO", "LAD3", "LCX3", "RCA3", "LAD17", "LCX17", "RCA17")
BINS = (4, 8, 16, 32, 64, 128, 256, 512)


class Section(BaseModel):
    """Base of the settings sections. Fields named in ``unhashed`` do not change any number."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    unhashed: ClassVar[frozenset[str]] = frozenset()


class SeriesRule(Section):
    """A habit of a site: regular expression ``pattern`` found in ``keyword`` means ``answer``."""

    question: Literal["stress", "attenuation", "reconstruction"]
    keyword: str = Field(min_length=1)
    pattern: str = Field(min_length=1)
    answer: Literal["stress", "rest", "AC", "NAC", "iterative", "FBP"]

    @field_validator("pattern")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _answers_its_question(self) -> SeriesRule:
        allowed = {
            "stress": ("stress", "rest"),
            "attenuation": ("AC", "NAC"),
            "reconstruction": ("iterative", "FBP"),
        }[self.question]
        if self.answer not in allowed:
            raise ValueError(f"{self.question} is answered by {' or '.join(allowed)}")
        return self


UNITS: Mapping[str, Mapping[str, float]] = {
    "height_m": {"m": 1.0, "cm": 0.01, "in": 0.0254},
    "weight_kg": {"kg": 1.0, "g": 0.001, "lb": 0.45359237},
    "lvef": {"percent": 1.0, "fraction": 100.0},
}
"""Units that a registry may use for a column, and the factor to ours (the first of each)."""


class RegistryFormat(Section):
    """How a registry writes: a CSV file, and dates and numbers that come as text."""

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"  # a byte order mark is read over
    decimal: Literal[".", ","] = "."
    date: str = ""  # as strptime reads it, "%d.%m.%Y"; empty: ISO 8601
    units: Mapping[str, str] = Field(default_factory=dict)  # our column -> the registry's unit

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError as error:
            raise ValueError(f"{value!r} is no encoding such as utf-8 or cp1252") from error
        return value

    @field_validator("date")
    @classmethod
    def _names_a_day(cls, value: str) -> str:
        if value and not ("%Y" in value and "%m" in value and "%d" in value):
            raise ValueError(f"{value!r} must hold %Y, %m and %d, as in %d.%m.%Y")
        plain = re.sub(r"%-?[A-Za-z%]", "", value)  # strptime does not understand these as zones
        if "%Z" in value or re.search(r"Z|UTC|GMT|[+-]\d|C?E[SD]T|CES?T", plain):
            raise ValueError(f"{value!r} names a time zone in letters; write %z, which reads Z too")
        return value

    @field_validator("units")
    @classmethod
    def _are_units(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, unit in value.items():
            if unit not in UNITS.get(name, {}):
                known = {column: list(units) for column, units in UNITS.items()}
                raise ValueError(f"{name} in {unit!r}: known are {known}")
        return value

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> RegistryFormat:
        if self.delimiter == self.decimal:
            raise ValueError(f"delimiter and decimal are both {self.decimal!r}")
        return self


class SiteSettings(Section):
    """Where things are: in no hash."""

    timezone: str = "UTC"
    registry_url: str = Field(default="", repr=False)  # may hold a password
    results_url: str = Field(default="", repr=False)
    results_schema: str = Field(default="mpss", pattern="^[a-z][a-z0-9_]{0,62}$")
    accounts: Literal["persons", "shared"] = "persons"  # one for each, or one for everybody

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no IANA time zone such as 'Europe/Zurich'") from error
        return value


class BatchSettings(Section):
    """How many studies a batch has, and when it fails, in every stage: in no hash."""

    min_batch: int = Field(default=25, ge=1)  # studies in a batch at least
    fault_share: float = Field(default=0.2, gt=0, le=1)  # of a batch in quarantine: it fails ...
    fault_least: int = Field(default=2, ge=1)  # ... if there are so many, or if it is all of them


class PullSettings(Section):
    """What is asked for and what is kept."""

    unhashed: ClassVar[frozenset[str]] = frozenset(
        {
            *("lookback_days", "fetch_attempts", "other_patient_id", "counts", "corrections"),
            # In the digest of the rows instead:
            *("registry_table", "registry_columns", "registry_codes", "registry_format"),
        }
    )

    modality: str = "NM"
    acquired_period: Literal["quarter", "year", "none"] = "quarter"
    own_issuer: str = ""  # IssuerOfPatientID that means the same as none at this site
    extra_words: tuple[str, ...] = ()  # kept in descriptions beside the shipped words
    broken_objects: Literal["review", "quarantine"] = "review"  # beside a sound volume
    max_object_mb: float = Field(default=128.0, gt=0)  # as received, and decoded
    pictures: Literal["leave", "store"] = "leave"  # NM objects to look at: screens, static views
    site_rules: tuple[SeriesRule, ...] = ()  # asked of the object as received
    contours: bool = True  # fetch RTSTRUCT and SEG objects of the study too
    contour_names: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)  # ours -> the site's
    max_shift_days: int = Field(default=365, ge=1, le=3650)
    lookback_days: int = Field(default=7, ge=0, le=90)
    fetch_attempts: int = Field(default=3, ge=1, le=10)
    corrections: Literal["ask", "accept"] = "ask"  # other pixels or words under the same UID
    registry_table: str = Field(default="mpss_clinical", min_length=1)
    registry_columns: Mapping[str, str] = Field(default_factory=dict)  # our name -> the site's
    registry_codes: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    """Our column name -> the site's code -> ours, as in ``{"sex": {"W": "F"}}``."""
    registry_format: RegistryFormat = RegistryFormat()
    other_patient_id: Literal["follow", "refuse"] = "follow"  # the archive's, if objects differ
    counts: Literal["agree", "ignore"] = "agree"  # of the archive, and its lists


KnownDifference: TypeAlias = Literal[
    "attenuation_said_twice",
    "bits_said_twice",
    "direction_of_slices_not_stated",
    "gating_said_twice",
    "image_type_not_listed",
    "pixel_aspect_said_twice",
    "reconstruction_said_twice",
    "spacing_said_twice",
    "stress_said_twice",
    "unit_said_twice",
    "view_code_unknown",
    "view_said_twice",
]
"""Differences in a header that a station may write into every object without being wrong."""


class IntakeSettings(Section):
    """Header and geometry gate."""

    voxel_mm: float = Field(default=4.8, gt=0)
    voxel_tolerance_mm: float = Field(default=0.05, gt=0)
    gated: Literal["sum", "refuse"] = "sum"
    whole_share: float = Field(default=0.9, gt=0, le=1)  # of the fullest volume's extent
    orientations: tuple[Literal["transaxial", "short_axis"], ...] = ("transaxial", "short_axis")
    known_differences: tuple[KnownDifference, ...] = ()  # habits of the site's stations: no flag

    @model_validator(mode="before")
    @classmethod
    def _names_the_new_place(cls, values: object) -> object:
        if isinstance(values, Mapping) and "site_rules" in values:
            raise ValueError(
                "site_rules moved to [pull]: write [[pull.site_rules]], they are asked before"
                " descriptions are cleaned"
            )
        return values


class SegmentationSettings(Section):
    """The wall is a convention at 4.8 mm, so it is a setting that every mask carries."""

    masks_from: Literal["automatic", "contours", "contours_else_automatic"] = "automatic"
    wall_mode: Literal["anatomical", "thick"] = "anatomical"
    wall_mm: float = Field(default=10.4, gt=2, lt=30)
    seed: int = Field(default=20210201, ge=0)


class QualitySettings(Section):
    """Limits of the artefact metrics; ``limits`` replaces single entries of the shipped table."""

    limits_version: str = "phantom-4"
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


class GatedSettings(Section):
    """The left ventricle through the beat, in studies that have a gated series."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"measure"})

    measure: bool = False  # volumes, ejection fraction, phase and thickening of every study


class CohortSettings(Section):
    """Who is in the cohort: read by SQL when the snapshot is built."""

    accept: Literal["reviewed", "pass"] = "reviewed"
    reading: Literal["normal", "any"] = "normal"
    cac_max_days: int = Field(default=90, ge=0)
    gone: Literal["keep", "leave"] = "keep"  # a study that the archive no longer has
    corrected: Literal["keep", "leave"] = "keep"  # a study whose correction waits for an answer
    lvef_source: Literal["registry", "gated", "registry_else_gated", "gated_else_registry"] = (
        "registry"  # whose ejection fraction is the covariate
    )
    lvef_difference: float = Field(default=15.0, gt=0)  # points between the two, else a warning
    cac_source: tuple[Literal["registry", "report", "ct"], ...] = ("registry",)  # of outcome
    cac_difference: float = Field(default=0.25, gt=0)  # of the larger of two totals, else a warning

    @field_validator("cac_source")
    @classmethod
    def _are_sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError(f"cac_source {value}: name one source at least, and each once")
        return value


class ReviewSettings(Section):
    """Who decides about a study that waits: read when the snapshot is built, and by the pages."""

    readers: Literal[1, 2] = 1  # accounts that must agree
    blind: bool = True  # with two: nobody reads the first answer before the second is given
    assigned: tuple[str, ...] = ()  # accounts among which the studies are dealt

    @model_validator(mode="after")
    def _has_enough_readers(self) -> ReviewSettings:
        if len(set(self.assigned)) != len(self.assigned) or not all(map(str.strip, self.assigned)):
            raise ValueError(f"assigned {self.assigned}: name each account once")
        if 0 < len(self.assigned) < self.readers:
            raise ValueError(f"{self.readers} readers need as many assigned accounts at least")
        return self


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
    prediction_limit: float = Field(default=HIGHEST_SCORE, gt=0)  # Agatston, either side of 0
    complete_share: float = Field(default=0.9, ge=0, le=1)  # known covariates, else a warning


class StabilitySettings(Section):
    """Perturbations of each study, by which the stability of its features is measured."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"before_selection"})

    before_selection: bool = False  # measure new studies whenever features are chosen
    shifts: int = Field(default=6, ge=2)
    rotations: int = Field(default=6, ge=2)
    rotation_deg: float = Field(default=3.0, gt=0, le=15)
    count_pairs: int = Field(default=2, ge=1)  # of halves of the counts
    wall_voxels: float = Field(default=0.5, gt=0, le=1)
    base_slices: float = Field(default=1.0, gt=0, le=2)
    seed: int = Field(default=20190124, ge=0)


class SelectionSettings(Section):
    """Choice of features, blind to the outcome: steps S0-S7."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"bootstrap"})

    max_nan_share: float = Field(default=0.0, ge=0, le=1)
    min_icc: float = Field(default=0.0, ge=0, lt=1)  # S2b, where stability was measured; 0: none
    min_variety_rho: float = Field(default=0.98, ge=0, le=1)
    dynamic_range: Literal["signed", "abs_mean"] = "signed"
    min_dynamic_range: float = Field(default=1e-5, ge=0)
    correlation: float = Field(default=0.95, gt=0, le=1)
    closure: Literal["transitive", "direct"] = "transitive"
    rows: Literal["per_segment", "pooled"] = "per_segment"
    grey_level: Literal["published", "stable"] = "published"
    preferred_bins: int = Field(default=64, ge=0)  # where the rule leaves several; 0: none
    bootstrap: int = Field(default=25, ge=0)
    seed: int = Field(default=20210129, ge=0)


class EvaluationSettings(Section):
    """The randomised evaluation: every contradiction of the paper is a named setting."""

    unhashed: ClassVar[frozenset[str]] = frozenset(
        {"permutations", "permutation_chunk", "split_seeds"}
    )

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
    winner: Literal["max_loglik", "max_aic", "min_aic", "dev_r2", "common_aic"] = "max_aic"
    intercept_only: Literal["skip", "keep"] = "skip"
    invalid_run: Literal["p1", "drop"] = "p1"
    p_side: Literal["two", "one"] = "two"
    rank_tol: float = Field(default=1e-10, gt=0)
    loglik_variance: Literal["ml", "mse"] = "ml"
    outcome_transform: Literal["none", "log1p"] = "none"
    arm_knots: Literal[3, 4, 5] = 4  # of the splines of the conditional test's clinical arm
    arm_products: Literal["none", "demographic", "all"] = "demographic"
    missing: Literal["error", "complete_case"] = "complete_case"
    permutations: int = Field(default=199, ge=0)
    permutation_chunk: int = Field(default=50, ge=1)
    split_seeds: int = Field(default=20, ge=1)  # over which Fisher's X is told; decides nothing
    min_test: int = Field(default=30, ge=1)
    harmonise: Literal["none", "combat"] = "none"  # features of several scanners, in each split
    min_scanner: int = Field(default=10, ge=3)  # patients; scanners with fewer are taken together
    seed: int = Field(default=20210129, ge=0)


class MaintenanceSettings(Section):
    """How long each layer is kept, in days (0: for ever), and where backups go."""

    dicom_days: float = Field(default=0.0, ge=0)  # objects of studies that have their features
    versions_days: float = Field(default=0.0, ge=0)  # outputs of versions that nobody publishes
    quarantine_days: float = Field(default=0.0, ge=0)
    logs_days: float = Field(default=180.0, ge=0)
    pack_logs_mb: float = Field(default=20.0, ge=0)  # a larger log of a service is packed weekly
    airflow_days: float = Field(default=180.0, ge=0)  # rows of Airflow's database
    snapshots_days: float = Field(default=7.0, ge=0)  # databases beside the published one
    backups_days: float = Field(default=56.0, ge=0)
    recheck_days: int = Field(default=7, ge=0, le=365)  # fetched again and compared weekly ...
    recheck_studies: int = Field(default=100, ge=0)  # ... and so many older ones, in turn
    reconcile_days: int = Field(default=90, ge=1, le=3650)  # compared with the archive weekly
    backup_target: str = ""  # folder of weekly backups of the whole home; "": the vault only


class AuditSettings(Section):
    """The audit log, and where its messages go beside its files: in no hash."""

    site: str = Field(default="", max_length=64)  # AuditEnterpriseSiteID
    file_mb: float = Field(default=2.0, gt=0)  # a larger file is followed by another one
    syslog_host: str = ""  # a receiver of syslog over TLS (RFC 5425); empty: none
    syslog_port: int = Field(default=6514, ge=1, le=65535)
    syslog_issuers: str = ""  # PEM files: who may sign its certificate; empty: the system's
    syslog_certificate: str = ""  # ours and its key, where it wants one
    syslog_key: str = ""
    syslog_timeout_s: float = Field(default=5.0, gt=0)
