"""The suites: what is expected of the columns of studies, clinical rows, features, predictions.

Rules are the standard expectations of Great Expectations; what concerns several columns, rows or
tables is a query of ``sql/checks`` that names its suite. Limits of clinical values are those of
``mpss_lib.contract``, by which the import refuses rows. What the stages promise beside them is said
in words of its own: a suite that imported the code which writes the rows would agree with its
mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpss_lib.config import CONFIGURATIONS
from mpss_lib.contract import CODES, HIGHEST_SCORE, SCORES, stored_range
from mpss_lib.sections import SEGMENTS, WarehouseSettings
from mpss_lib.warehouse.expectations.rules import (
    Consequence,
    Frame,
    Rule,
    between,
    grain,
    in_set,
    matches,
)
from mpss_lib.warehouse.expectations.rules import not_null as known

SUITES: tuple[str, ...] = ("study", "clinical", "features", "predictions")
"""Names of the suites, in the order in which they are run."""

TABLES_OF: Mapping[str, tuple[str, ...]] = {
    "study": (
        *("study", "instance", "volume", "segmentation", "quality_verdict", "ejection"),
        *("companion", "calcium_source", "calcium_lesion"),
    ),
    "clinical": ("clinical",),
    "features": ("feature_catalogue", "feature_once", "feature_binned", "scanner_effect"),
    "predictions": ("prediction",),
}
"""Lake tables of which a suite also checks files, columns and rows."""

BESIDE: Mapping[str, tuple[str, ...]] = {
    "clinical": ("ejection", "calcium_source", "calcium_lesion", "calcium_correction")
}
"""Lake tables of other suites that a suite's queries read too."""

ASPECTS: Mapping[str, str] = {
    "finite_or_flagged": "values are finite, or absent and named in undefined_features",
    "in_range": "values lie in the range of the dictionary",
    "identical": "values that the definition makes equal are equal",
    "twin": "no two studies have the same features: one image under two keys",
}
"""What is asked of all feature columns at once."""

STUDY_KEY, PATIENT_KEY = "^S[0-9a-f]{16}$", "^P[0-9a-f]{16}$"
PERIOD, SHA256 = r"^(?:\d{4}(?:-?Q[1-4])?)?$", "^[0-9a-f]{64}$"
COVARIATES = ("sex", "race", "age", "bmi", "lvef", "smoking", "diabetes", "hypertension")

TRUE = (True,)
FILE_RULES: tuple[Rule, ...] = (
    in_set("files_there", "is_there", TRUE, "every file that the manifest names is there", "stop"),
    in_set("files_readable", "is_readable", TRUE, "every file is whole Parquet", "stop"),
    matches("columns_known", "unknown", "^$", "no file has a column that nobody declared", "stop"),
    matches(
        "columns_there", "missing", "^$", "no file lacks a column, or has another type", "stop"
    ),
    in_set(
        "rows_as_recorded", "is_as_recorded", TRUE, "a study's file has as many rows as recorded"
    ),
    in_set(
        "all_rows_as_recorded",
        "is_whole_as_recorded",
        TRUE,
        "a file of many studies has as many rows as recorded",
        "stop",
    ),
)
"""Of the files of every table of a suite: what is seen without reading their rows."""


def frames_of(suite: str, settings: WarehouseSettings) -> tuple[Frame, ...]:
    """Rules about the columns of a suite's tables."""
    if suite == "clinical":
        return _clinical(settings.complete_share)
    if suite == "predictions":
        return _predictions(settings.prediction_limit)
    return {"study": STUDY, "features": FEATURES}[suite]


_BESIDE = ("", "report", "calcium_ct", "attenuation_ct")

STUDY: tuple[Frame, ...] = (
    Frame(
        "study",
        (
            grain("study"),
            matches("study_key_is_pseudonym", "study_key", STUDY_KEY, "study keys are pseudonyms"),
            matches(
                "patient_key_is_pseudonym",
                "patient_key",
                PATIENT_KEY,
                "patient keys are pseudonyms",
            ),
            known("patient_known", "patient_key", "every study belongs to a patient"),
            matches("period_form", "acquired_period", PERIOD, "a period is a year or quarter"),
            between(
                "series_announced", "n_series_announced", 0, 1000, "a study has 0 to 1000 series"
            ),
            between(
                "objects_announced",
                "n_objects_announced",
                0,
                100000,
                "a study has 0 to 100,000 objects",
            ),
            known("study_dated", "study_date_shifted", "studies have a (shifted) date"),
            known("accession_told", "accession_key", "studies have an accession", "warn", 0.8),
        ),
    ),
    Frame(
        "instance",
        (
            grain("instance"),
            between("objects_counted", "n_objects", 1, 100000, "a row stands for 1 object or more"),
        ),
    ),
    Frame(
        "instance",
        (
            known("stored_object_has_file", "path", "stored objects name a file"),
            between("stored_object_has_bytes", "n_bytes", 1, None, "stored objects have bytes"),
            matches(
                "stored_object_has_digest",
                "content_sha256",
                SHA256,
                "stored objects have a SHA-256",
            ),
        ),
        where="is_stored",
    ),
    Frame(
        "instance",
        (known("left_object_has_reason", "reason", "objects that were left say why"),),
        where="not is_stored",
    ),
    Frame("volume", (grain("volume"),)),
    Frame(
        "volume",
        (
            in_set("chosen_volume_is_stress", "stress", ("stress",), "the chosen volume is stress"),
            in_set(
                "chosen_volume_is_corrected",
                "attenuation",
                ("AC",),
                "the chosen volume is corrected",
            ),
        ),
        where="is_chosen",
    ),
    Frame(
        "segmentation",
        (
            grain("segmentation"),
            known("masks_named", "mask_path", "a segmentation names its masks"),
            known("myocardium_known", "myocardium_ml", "the wall has a volume"),
            known("cavity_known", "cavity_ml", "the cavity has a volume"),
            between("myocardium_size", "myocardium_ml", 10, 600, "the wall has 10 to 600 ml"),
            between("cavity_size", "cavity_ml", 1, 800, "the cavity has 1 to 800 ml"),
        ),
    ),
    Frame(
        "quality_verdict",
        (
            grain("quality_verdict"),
            in_set("verdict_known", "verdict", ("pass", "review", "hold"), "a verdict is known"),
            in_set(
                "most_pass",
                "verdict",
                ("pass",),
                "at least half of the verdicts are pass",
                "warn",
                0.5,
            ),
        ),
    ),
    Frame(
        "ejection",
        (
            grain("ejection"),
            in_set(
                "state_known",
                "state",
                ("measured", "no_gates", "unusable", "too_few_gates", "no_ventricle"),
                "what became of the gates is known",
            ),
        ),
    ),
    Frame(
        "ejection",
        (
            between("lvef_range", "lvef", *stored_range("lvef"), "a sure LVEF is possible", "warn"),
            between("edv_size", "edv_ml", 20, 500, "a sure EDV is 20 to 500 ml", "warn"),
        ),
        where="is_sure",
    ),
    Frame(
        "companion",
        (grain("companion"), in_set("kind_known", "kind", _BESIDE, "a companion's kind is known")),
    ),
    Frame(
        "calcium_source",
        (
            grain("calcium_source"),
            in_set("kind_known", "kind", _BESIDE[1:], "a source's kind is known"),
            in_set(
                "state_known",
                "state",
                ("read", "scored", "unusable"),
                "what became of a source of calcium is known",
            ),
            between("total_range", "total", *stored_range("cac_total"), "a total is possible"),
        ),
    ),
    Frame(
        "calcium_lesion",
        (
            grain("calcium_lesion"),
            between("probability_range", "probability", 0, 1, "a probability is 0 to 1"),
        ),
    ),
)
"""Studies as the archive named and delivered them, up to their verdict, gates and calcium."""

_SEGMENT = in_set("segment_known", "segment", SEGMENTS, "features are of the seven segments")

FEATURES: tuple[Frame, ...] = (
    Frame(
        "feature_once",
        (
            grain("feature_once"),
            _SEGMENT,
            between("voxels_there", "n_voxels", 1, None, "every segment has a voxel"),
        ),
    ),
    Frame("feature_binned", (grain("feature_binned"), _SEGMENT)),
)
"""Keys of the feature tables: the grain, and known segments."""


def _clinical(share: float) -> tuple[Frame, ...]:
    """Registry rows that the import accepted, and how many it did not."""
    says = "the import accepted at least 80 % of the rows"
    return (
        Frame(
            "clinical",
            (grain("clinical"), in_set("most_accepted", "is_accepted", TRUE, says, "warn", 0.8)),
        ),
        Frame(
            "clinical",
            (
                matches(
                    "patient_known",
                    "patient_key",
                    PATIENT_KEY,
                    "a row names its patient by pseudonym",
                ),
                in_set("reading_code", "reading", CODES["reading"], "reading is a code"),
                in_set("sex_code", "sex", CODES["sex"], "sex is F or M"),
                _limited("age", "age is {} to {} (older is stored as 90)"),
                _limited("bmi", "BMI is {} to {} kg/m2"),
                _limited("lvef", "LVEF is {} to {} %"),
                *(_limited(name, f"{name} is {{}} to {{}}") for name in SCORES),
                known("study_dated", "study_date_shifted", "a row has the date of its study"),
                *(
                    known(f"{c}_complete", c, f"{c} is known of most patients", "warn", share)
                    for c in COVARIATES
                ),
            ),
            where="is_accepted",
        ),
        Frame(
            "clinical",
            (known("cac_dated", "cac_date_shifted", "a score has the date of its CT"),),
            where="is_accepted and cac_total is not null",
        ),
    )


def _limited(name: str, says: str) -> Rule:
    """Values of a clinical column lie in the range of the contract."""
    low, high = stored_range(name)
    return between(f"{name}_range", name, low, high, says.format(f"{low:g}", f"{high:g}"))


def _predictions(limit: float) -> tuple[Frame, ...]:
    """Newest prediction of each study."""
    highest = f"corrected values are at most {HIGHEST_SCORE:.0f}"
    return (
        Frame(
            "prediction",
            (
                grain("prediction"),
                in_set(
                    "segment_known", "segment", SEGMENTS, "predictions are of the seven segments"
                ),
                in_set(
                    "configuration_known",
                    "configuration",
                    CONFIGURATIONS,
                    "configurations are known",
                ),
                between("value_range", "value", -limit, limit, f"values are within ±{limit:.0f}"),
                between(
                    "corrected_range", "corrected_value", 0, None, "corrected ones are from 0 on"
                ),
                between(
                    "corrected_believable", "corrected_value", None, HIGHEST_SCORE, highest, "warn"
                ),
                known("most_have_values", "value", "most predictions have a value", "warn", 0.5),
            ),
        ),
        Frame(
            "prediction",
            (between("models_counted", "n_models", 1, None, "a value has at least one model"),),
            where='"value" is not null',
        ),
    )


def _of_values(aspect: str, consequence: Consequence = "quarantine") -> Rule:
    arguments = {"aspect": aspect}
    return Rule(aspect, ASPECTS[aspect], consequence, "ExpectFeatureRowsToPass", arguments)


VALUES: tuple[Rule, ...] = tuple(map(_of_values, ("finite_or_flagged", "in_range", "identical")))
"""Of all feature columns of one row."""

TWIN = _of_values("twin", "warn")
"""Of the rows of all studies in ``feature_once``."""
