"""The suites: what is expected of studies, clinical rows, features and predictions.

Limits of clinical values are those of ``mpss_lib.contract``, by which the import refuses rows. What
the stages promise beside them is said in words of its own: a suite that imported the code which
writes the rows would agree with its mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpss_lib import contract
from mpss_lib.sections import SEGMENTS, WarehouseSettings
from mpss_lib.warehouse.expectations.rules import (
    Frame,
    Rule,
    between,
    grain,
    holds,
    in_set,
    matches,
    not_null,
)  # fmt: skip

SUITES: tuple[str, ...] = ("study", "clinical", "features", "predictions")
"""Names of the suites, in the order in which they are run."""

TABLES_OF: Mapping[str, tuple[str, ...]] = {
    "study": ("study", "instance", "volume", "segmentation", "quality_verdict"),
    "clinical": ("clinical",),
    "features": ("feature_catalogue", "feature_once", "feature_binned"),
    "predictions": ("prediction",),
}
"""Lake tables of which a suite also checks files, columns and rows."""

ASPECTS: Mapping[str, str] = {
    "finite_or_flagged": "values are finite, or absent and named in undefined_features",
    "in_range": "values lie in the range of the dictionary",
    "identical": "values that the definition makes equal are equal",
    "twin": "no two studies have the same features: one image under two keys",
}
"""What is asked of all feature columns at once."""

STUDY_KEY, PATIENT_KEY = "^S[0-9a-f]{16}$", "^P[0-9a-f]{16}$"
CONFIGURATIONS = ("radiomics", "clinical", "combined")
COVARIATES = ("sex", "race", "age", "bmi", "lvef", "smoking", "diabetes", "hypertension")

FILE_RULES: tuple[Rule, ...] = (
    holds("files_there", "is_there", "every file that the manifest names is there", "stop"),
    holds("files_readable", "is_readable", "every file is whole Parquet", "stop"),
    matches("columns_known", "unknown", "^$", "no file has a column that nobody declared", "stop"),
    matches(
        "columns_there", "missing", "^$", "no file lacks a column, or has another type", "stop"
    ),
    holds("rows_as_recorded", "is_as_recorded", "a study's file has as many rows as recorded"),
    holds("all_rows_as_recorded", "is_whole_as_recorded", "so has every other file", "stop"),
)
"""Of the files of every table of a suite."""


def study_frames() -> tuple[Frame, ...]:
    """Studies as the archive named and delivered them, up to their verdict."""
    return (_studies(), _instances(), _volumes(), _segmentations(), _verdicts())


def _studies() -> Frame:
    return Frame(
        "study",
        """
        select
            *,
            len(modalities) > 0 as has_modality,
            nullif(acquired_period, '') as period,
            nullif(accession_key, '') as accession
        from raw.study
        """,
        ("study_key",),
        (
            grain(("study_key",)),
            matches("study_key_is_pseudonym", "study_key", STUDY_KEY, "study keys are pseudonyms"),
            matches(
                "patient_key_is_pseudonym",
                "patient_key",
                PATIENT_KEY,
                "patient keys are pseudonyms",
            ),
            not_null("patient_known", "patient_key", "every study belongs to a patient"),
            holds("modality_named", "has_modality", "the archive named a modality"),
            matches(
                "period_form", "period", r"^\d{4}(?:-?Q[1-4])?$", "a period is a year or quarter"
            ),
            between("series_announced", "n_series_announced", 0, 1000, "0 to 1000 series"),
            between("objects_announced", "n_objects_announced", 0, 100000, "0 to 100,000 objects"),
            not_null("study_dated", "study_date_shifted", "studies have a (shifted) date"),
            not_null("accession_told", "accession", "studies have an accession", "warn", 0.8),
        ),
    )


def _instances() -> Frame:
    return Frame(
        "instance",
        """
        select
            i.study_key,
            i.series_key,
            i.object_key,
            i.n_objects,
            i.study_key in (select study_key from raw.study) as is_known,
            not i.is_stored or (i.path != '' and i.n_bytes > 0) as has_file,
            not i.is_stored or regexp_full_match(i.content_sha256, '[0-9a-f]{64}') as has_digest,
            i.is_stored or i.reason != '' as has_reason
        from raw.instance as i
        """,
        ("study_key", "series_key", "object_key"),
        (
            grain(("study_key", "series_key", "object_key")),
            holds("object_of_known_study", "is_known", "objects belong to a study that was found"),
            holds("stored_object_has_file", "has_file", "stored objects name a file with bytes"),
            holds("stored_object_has_digest", "has_digest", "stored objects have a SHA-256"),
            holds("left_object_has_reason", "has_reason", "objects that were left say why"),
            between("objects_counted", "n_objects", 1, 100000, "a row stands for 1 object or more"),
        ),
        ("study",),
    )


def _volumes() -> Frame:
    return Frame(
        "volume",
        """
        select
            *,
            is_chosen or len(reasons) > 0 as has_reason,
            not is_chosen or (nz > 0 and ny > 0 and nx > 0) as has_size,
            not is_chosen or (dz_mm > 0 and dy_mm > 0 and dx_mm > 0) as has_spacing,
            not is_chosen or (stress = 'stress' and attenuation = 'AC') as is_right_kind,
            count(*) filter (is_chosen) over (partition by study_key) <= 1 as is_one_chosen
        from raw.volume
        """,
        ("study_key", "object_key"),
        (
            grain(("study_key", "object_key")),
            holds("one_volume_chosen", "is_one_chosen", "at most one volume of a study is chosen"),
            holds("left_volume_has_reason", "has_reason", "volumes that were left say why"),
            holds("chosen_volume_has_size", "has_size", "the chosen volume has voxels"),
            holds("chosen_volume_has_spacing", "has_spacing", "its voxels have a size"),
            holds("chosen_volume_is_right_kind", "is_right_kind", "it is corrected stress"),
        ),
    )


def _segmentations() -> Frame:
    return Frame(
        "segmentation",
        """
        select
            *,
            mask_path != '' as has_masks,
            isfinite(myocardium_ml) and isfinite(cavity_ml) as has_sizes
        from raw.segmentation
        """,
        ("study_key",),
        (
            grain(("study_key",)),
            holds("masks_named", "has_masks", "a segmentation names its masks"),
            holds("sizes_finite", "has_sizes", "wall and cavity have a volume"),
            between("myocardium_size", "myocardium_ml", 10, 600, "10 to 600 ml of wall"),
            between("cavity_size", "cavity_ml", 1, 800, "1 to 800 ml of cavity"),
        ),
    )


def _verdicts() -> Frame:
    return Frame(
        "quality_verdict",
        "select * from raw.quality_verdict",
        ("study_key",),
        (
            grain(("study_key",)),
            in_set("verdict_known", "verdict", ("pass", "review", "hold"), "a verdict is known"),
            in_set(
                "most_pass", "verdict", ("pass",), "half or more verdicts are pass", "warn", 0.5
            ),
        ),
    )


def clinical_frames(settings: WarehouseSettings) -> tuple[Frame, ...]:
    """Registry rows that the import accepted, and how many it did not."""
    whole = Frame(
        "clinical",
        """
        select
            record_key,
            is_accepted,
            is_accepted = (len(reasons) = 0) as is_explained
        from raw.clinical
        """,
        ("record_key",),
        (
            grain(("record_key",)),
            holds("refusal_explained", "is_explained", "rows have reasons if and only if refused"),
            in_set(
                "most_accepted",
                "is_accepted",
                (True,),
                "the import accepted at least 80 % of the rows",
                "warn",
                0.8,
            ),
        ),
    )
    share = settings.complete_share
    complete = tuple(
        not_null(f"{name}_complete", name, f"{name} is known of most patients", "warn", share)
        for name in COVARIATES
    )
    return whole, Frame("clinical", _ACCEPTED, ("record_key",), _accepted_rules() + complete)


_ACCEPTED = """
    select
        * exclude (sex, race),
        nullif(sex, '') as sex,
        nullif(race, '') as race,
        coalesce(cac_lm, 0) + coalesce(cac_lad, 0) + coalesce(cac_lcx, 0) + coalesce(cac_rca, 0)
            - cac_total as cac_excess,
        cac_total is null or cac_date_shifted is not null as has_cac_date,
        coalesce(isfinite(age), true)
            and coalesce(isfinite(bmi), true)
            and coalesce(isfinite(lvef), true)
            and coalesce(isfinite(cac_total), true)
            and isfinite(coalesce(cac_lm, 0) + coalesce(cac_lad, 0) + coalesce(cac_lcx, 0)
                + coalesce(cac_rca, 0)) as is_finite
    from raw.clinical
    where is_accepted
"""


def _accepted_rules() -> tuple[Rule, ...]:
    return (
        matches("patient_known", "patient_key", PATIENT_KEY, "a row names its patient by"
                " pseudonym"),
        in_set("reading_code", "reading", contract.CODES["reading"], "reading is a code"),
        in_set("sex_code", "sex", contract.CODES["sex"], "sex is F or M"),
        _limited("age", "age is {} to {} (older is stored as 90)"),
        _limited("bmi", "BMI is {} to {} kg/m2"),
        _limited("lvef", "LVEF is {} to {} %"),
        *(_limited(name, f"{name} is {{}} to {{}}") for name in contract.SCORES),
        between(
            "arteries_within_total", "cac_excess", None, contract.CAC_TOLERANCE,
            "arteries do not exceed the total",
        ),
        holds("numbers_finite", "is_finite", "numbers are finite, or absent"),
        holds("cac_dated", "has_cac_date", "a score has the date of its CT"),
        not_null("study_dated", "study_date_shifted", "a row has the date of its study"),
    )  # fmt: skip


def _limited(name: str, says: str) -> Rule:
    """Values of a clinical column lie in the range of the contract."""
    low, high = contract.stored_range(name)
    return between(f"{name}_range", name, low, high, says.format(f"{low:g}", f"{high:g}"))


def feature_key_frames() -> tuple[Frame, ...]:
    """Keys of the feature tables: the grain, and known segments."""
    segment = in_set("segment_known", "segment", SEGMENTS, "features are of the seven segments")
    return tuple(
        Frame(
            table,
            f"select {', '.join(keys)} from raw.{table}",  # noqa: S608 - our own names
            keys,
            (grain(keys), segment),
        )
        for table, keys in (
            ("feature_once", ("study_key", "segment")),
            ("feature_binned", ("study_key", "segment", "bins")),
        )
    )


def feature_study_frame(bins: tuple[int, ...]) -> Frame:
    """One row for each study that has features: whole, and known."""
    n_binned = len(SEGMENTS) * len(bins)
    return Frame(
        "feature_binned",
        """
        with once as (
            select study_key, count(*) as n_once, min(n_voxels) as n_voxels
            from raw.feature_once group by study_key
        ),
        binned as (
            select study_key, count(*) as n_binned, list_sort(list_distinct(list(bins))) as levels
            from raw.feature_binned group by study_key
        )
        select
            coalesce(once.study_key, binned.study_key) as study_key,
            coalesce(n_once, 0) as n_once,
            coalesce(n_binned, 0) as n_binned,
            coalesce(array_to_string(levels, ' '), '') as levels,
            n_voxels,
            coalesce(once.study_key, binned.study_key) in (select study_key from raw.study)
                as is_known
        from once full outer join binned on once.study_key = binned.study_key
        """,
        ("study_key",),
        (
            in_set(
                "rows_whole", "n_binned", (n_binned,), f"{n_binned} rows for a study: 7 segments x"
                f" {len(bins)} grey levels"
            ),
            in_set("rows_once_whole", "n_once", (len(SEGMENTS),), "7 rows without grey levels"),
            in_set(
                "grey_levels_known", "levels", (" ".join(map(str, sorted(bins))),),
                "the grey levels are those of the settings",
            ),
            between("voxels_there", "n_voxels", 1, None, "every segment has a voxel"),
            holds("features_of_known_study", "is_known", "their study was found"),
        ),
        ("feature_once", "study"),
    )  # fmt: skip


def feature_value_rules(table: str) -> tuple[Rule, ...]:
    """Rules about all feature columns of a table at once."""
    return tuple(
        Rule(
            aspect,
            says,
            "warn" if aspect == "twin" else "quarantine",
            "ExpectFeatureRowsToPass",
            {"aspect": aspect},
        )
        for aspect, says in ASPECTS.items()
        if aspect != "twin" or table == "feature_once"
    )


def prediction_frames(settings: WarehouseSettings) -> tuple[Frame, ...]:
    """Newest prediction of each study."""
    limit, (low, middle, high) = settings.prediction_limit, contract.CLASS_LIMITS
    rows = Frame(
        "prediction",
        f"""
        select
            *,
            study_key in (select study_key from raw.study) as is_known,
            coalesce(isfinite("value"), false) = (coalesce(reason, '') = '') as has_value_or_reason,
            value_low <= "value" and "value" <= value_high as is_within_bounds,
            corrected_low <= corrected_value and corrected_value <= corrected_high
                as is_within_interval,
            n_models > 0 or "value" is null as has_models,
            berman_class = case
                when "value" < {contract.NO_CALCIUM} then 0 when "value" <= {low} then 1
                when "value" <= {middle} then 2 when "value" <= {high} then 3 else 4
            end as is_right_class
        from raw.prediction
        """,  # noqa: S608 - limits of our own
        ("study_key", "segment", "configuration"),
        (
            grain(("lake_path", "cohort_hash", "study_key", "segment", "configuration")),
            in_set("segment_known", "segment", SEGMENTS, "predictions are of the seven segments"),
            in_set(
                "configuration_known", "configuration", CONFIGURATIONS, "configurations are known"
            ),
            holds("prediction_of_known_study", "is_known", "they belong to a study that was found"),
            holds("value_or_reason", "has_value_or_reason", "there is a value, or a reason"),
            between("value_range", "value", -limit, limit, f"values are within ±{limit:.0f}"),
            between("corrected_range", "corrected_value", 0, None, "corrected ones are from 0 on"),
            holds("value_within_bounds", "is_within_bounds", "the value lies within its bounds"),
            holds("value_within_interval", "is_within_interval", "so does the corrected one"),
            holds("models_counted", "has_models", "a value has at least one model"),
            holds("class_right", "is_right_class", "the Berman class is that of the value"),
            between(
                "corrected_believable", "corrected_value", None, contract.HIGHEST_SCORE,
                f"corrected values are at most {contract.HIGHEST_SCORE:.0f}", "warn",
            ),
            not_null("most_have_values", "value", "most predictions have a value", "warn", 0.5),
        ),
        ("study",),
    )  # fmt: skip
    whole = Frame(
        "prediction",
        "select study_key, count(*) as n_rows from raw.prediction group by study_key, lake_path",
        ("study_key",),
        (
            in_set(
                "prediction_whole",
                "n_rows",
                (len(SEGMENTS) * len(CONFIGURATIONS),),
                "21 rows for a study: 7 segments x 3 configurations",
            ),
        ),
    )
    return rows, whole
