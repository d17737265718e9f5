"""Schema of every lake table: its stage, the unit that one file holds, its grain and columns.

Feature columns are not listed here: ``radiomics.catalogue`` makes them, and a table with
``has_features`` accepts float64 columns beside its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

TEXT = pa.string()
FLAG = pa.bool_()
REAL = pa.float64()
WHOLE = pa.int64()
DATE = pa.date32()
TEXTS = pa.list_(pa.string())
REALS = pa.list_(pa.float64())


@dataclass(frozen=True)
class LakeTable:
    """One lake table.

    Parameters
    ----------
    name : str
    stage : str
        The stage that writes it; its ENGINE and config hash are the address.
    unit : str
        What one file holds: ``study``, ``cohort``, ``window``, ``registry``, ``suite`` or
        ``engine``.
    grain : tuple of str
        Columns that together name a row once.
    columns : mapping of str to pyarrow.DataType
        In the order of the file.
    has_features : bool
        Whether float64 feature columns follow.
    later : frozenset of str
        Columns that came when there were files already and changed no number in them: a file
        that lacks one is read as having null there.
    """

    name: str
    stage: str
    unit: str
    grain: tuple[str, ...]
    columns: Mapping[str, pa.DataType]
    has_features: bool = False
    later: frozenset[str] = frozenset()

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the listed columns."""
        return pa.schema(list(self.columns.items()))


def _table(
    name: str,
    stage: str,
    unit: str,
    grain: str,
    /,
    *,
    has_features: bool = False,
    later: str = "",
    **columns: pa.DataType,
) -> LakeTable:
    return LakeTable(
        name, stage, unit, tuple(grain.split()), MappingProxyType(columns), has_features,
        frozenset(later.split()),
    )  # fmt: skip


_PULL = (
    _table(
        "query_window",
        "pull",
        "window",
        "window_key",
        window_key=TEXT,
        n_days=WHOLE,
        n_returned=WHOLE,
        n_new=WHOLE,
        n_grown=WHOLE,
        n_requests=WHOLE,  # more than 1 where the archive cut a list short and it was split
        n_unusable=WHOLE,  # answers without a valid UID, not in n_returned
    ),
    _table(
        "study",
        "pull",
        "study",
        "study_key",
        study_key=TEXT,
        patient_key=TEXT,
        accession_key=TEXT,
        study_date_shifted=DATE,
        acquired_period=TEXT,
        modalities=TEXTS,
        n_series_announced=WHOLE,
        n_objects_announced=WHOLE,
    ),
    _table(
        "instance",
        "pull",
        "study",
        "study_key series_key object_key",
        later="detail series_order said",  # since engine 2
        study_key=TEXT,
        series_key=TEXT,
        object_key=TEXT,  # "" where a whole series was left at the archive
        modality=TEXT,
        sop_class=TEXT,
        n_objects=WHOLE,
        is_stored=FLAG,
        reason=TEXT,
        detail=TEXT,  # the reason with figures or names, "" where it says all
        path=TEXT,  # below the lake, "" where not stored
        n_bytes=WHOLE,
        content_sha256=TEXT,
        series_order=WHOLE,  # place of SeriesNumber in the study, from 1; 0 where there is none
        said=TEXT,  # JSON: what an image says of itself as received; "" for other objects
    ),
    _table(
        "clinical",
        "pull",
        "registry",
        "record_key",
        record_key=TEXT,
        patient_key=TEXT,
        accession_key=TEXT,
        study_date_shifted=DATE,
        cac_date_shifted=DATE,
        reading=TEXT,
        sex=TEXT,
        race=TEXT,
        age=REAL,
        bmi=REAL,
        lvef=REAL,
        smoking=FLAG,
        diabetes=FLAG,
        hypertension=FLAG,
        hyperlipidemia=FLAG,
        family_history=FLAG,
        stress_agent=TEXT,
        cac_total=REAL,
        cac_lm=REAL,
        cac_lad=REAL,
        cac_lcx=REAL,
        cac_rca=REAL,
        is_accepted=FLAG,
        reasons=TEXTS,
        flags=TEXTS,  # what is missing, was computed from other values or converted
    ),
)

_IMAGE = (
    _table(
        "volume",
        "intake",
        "study",
        "study_key object_key",
        later="flags",  # since engine 3
        study_key=TEXT,
        series_key=TEXT,
        object_key=TEXT,
        is_chosen=FLAG,
        reasons=TEXTS,  # every rule that refused it; "not_best" where another one was chosen
        flags=TEXTS,  # of the chosen one: what a person has to look at
        stress=TEXT,  # stress | rest | unknown
        attenuation=TEXT,  # AC | NAC | unknown
        reconstruction=TEXT,  # iterative | FBP | unknown
        orientation=TEXT,  # transaxial | short_axis | oblique | unknown
        n_time_slots=WHOLE,
        nz=WHOLE,
        ny=WHOLE,
        nx=WHOLE,
        dz_mm=REAL,
        dy_mm=REAL,
        dx_mm=REAL,
        manufacturer=TEXT,
        model=TEXT,
        evidence=TEXT,  # JSON: question -> {answer, rule, keyword, value}
        path=TEXT,
    ),
    _table(
        "segmentation",
        "segmentation",
        "study",
        "study_key",
        study_key=TEXT,
        object_key=TEXT,
        is_sure=FLAG,
        flags=TEXTS,
        masks_from=TEXT,  # automatic | contours
        contours_key=TEXT,  # object that gave the masks, "" where they are automatic
        wall_mode=TEXT,  # anatomical | thick | given (wall_mm is then measured)
        wall_mm=REAL,
        axis_x=REAL,
        axis_y=REAL,
        axis_z=REAL,
        myocardium_ml=REAL,
        cavity_ml=REAL,
        length_mm=REAL,
        check=TEXT,  # JSON: name of a self-check value -> number
        voxels=TEXT,  # JSON: name of a mask -> number of voxels
        mask_path=TEXT,
    ),
    _table(
        "contour_object",
        "segmentation",
        "study",
        "study_key object_key",
        study_key=TEXT,
        object_key=TEXT,
        kind=TEXT,  # RTSTRUCT | SEG, "" where it cannot be read
        origin=TEXT,  # archive | import
        is_usable=FLAG,
        is_used=FLAG,
        reasons=TEXTS,  # why it cannot be or was not used
        problem=TEXT,
        regions=TEXTS,
        n_unknown=WHOLE,  # regions whose name nobody knows
        path=TEXT,
    ),
    _table(
        "segmentation_agreement",
        "segmentation",
        "study",
        "study_key segment",
        study_key=TEXT,
        segment=TEXT,  # of the 26 masks
        dice=REAL,
        given_ml=REAL,
        automatic_ml=REAL,
        volume_ratio=REAL,  # given over automatic
        distance_mm=REAL,  # of the centroids
    ),
    _table(
        "quality_metric",
        "quality",
        "study",
        "study_key metric",
        study_key=TEXT,
        metric=TEXT,
        value=REAL,
        review_low=REAL,
        review_high=REAL,
        hold_low=REAL,
        hold_high=REAL,
        flag=TEXT,  # ok | review | hold | not_assessable
        limits_version=TEXT,
    ),
    _table(
        "quality_verdict",
        "quality",
        "study",
        "study_key",
        study_key=TEXT,
        verdict=TEXT,  # pass | review | hold
        flags=TEXTS,
        not_assessable=TEXTS,
    ),
    _table(
        "review",
        "quality",
        "study",
        "study_key decided_at",
        study_key=TEXT,
        decision=TEXT,  # accept | reject | unsure
        reason=TEXT,
        reviewer=TEXT,
        decided_at=TEXT,  # ISO 8601, UTC: time is what a review states
    ),
    _table(
        "feature_catalogue",
        "radiomics",
        "engine",
        "sera_name",
        position=WHOLE,
        sera_name=TEXT,
        ibsi_code=TEXT,
        family=TEXT,
        family_code=TEXT,
        aggregation=TEXT,
        aggregation_code=TEXT,
        human_name=TEXT,
        unit=TEXT,
        depends_on_bins=FLAG,
    ),
    _table(
        "feature_once",
        "radiomics",
        "study",
        "study_key segment",
        has_features=True,
        study_key=TEXT,
        segment=TEXT,
        n_voxels=WHOLE,
        undefined_features=TEXTS,
    ),
    _table(
        "feature_binned",
        "radiomics",
        "study",
        "study_key segment bins",
        has_features=True,
        study_key=TEXT,
        segment=TEXT,
        bins=WHOLE,
        undefined_features=TEXTS,
    ),
)

_GATED = (
    _table(
        "ejection",
        "gated",
        "study",
        "study_key",
        study_key=TEXT,
        object_key=TEXT,  # the gated series, "" where there is none
        state=TEXT,  # measured | no_gates | unusable | too_few_gates | no_ventricle
        reasons=TEXTS,  # why a gated series is unusable, as intake names them
        problem=TEXT,  # what the reader said of it
        is_sure=FLAG,  # measured, and nothing out of order
        flags=TEXTS,
        doubts=TEXTS,  # self-check values of the summed gates that are out of range
        n_gates=WHOLE,
        n_gates_used=WHOLE,
        lvef=REAL,  # percent
        lvef_sd=REAL,  # points, a lower bound
        lvef_gates=REAL,  # percent, of the largest and smallest gate: not corrected
        edv_ml=REAL,
        esv_ml=REAL,
        stroke_ml=REAL,
        wall_ml=REAL,
        wall_mm=REAL,
        fwhm_mm=REAL,
        phase_mean_deg=REAL,
        phase_sd_deg=REAL,
        phase_bandwidth_deg=REAL,
        curve_ml=REALS,  # volume in each gate, NaN where one is missing
        count_share=REALS,  # counts of each gate over their median
    ),
    _table(
        "ejection_segment",
        "gated",
        "study",
        "study_key segment",
        study_key=TEXT,
        segment=TEXT,  # S01 to S17
        thickening=REAL,  # percent
    ),
)

_CALCIUM = (
    _table(
        "companion",
        "companions",
        "study",
        "study_key source_key",
        study_key=TEXT,
        source_key=TEXT,  # pseudonym of the series of a CT, of the object of a report
        kind=TEXT,  # calcium_ct | attenuation_ct | report
        series_key=TEXT,
        is_stored=FLAG,
        reason=TEXT,  # why not; "" where it is
        detail=TEXT,  # the same with figures, without identifiers
        days=WHOLE,  # from the study to it; none where either has no date
        n_objects=WHOLE,
        n_bytes=WHOLE,
        paths=TEXTS,  # of its objects, below the lake
        content_sha256=TEXT,  # of all of them
        notes=TEXTS,  # how the figures of a report were read
    ),
    _table(
        "calcium_source",
        "calcium",
        "study",
        "study_key source_key",
        study_key=TEXT,
        source_key=TEXT,
        kind=TEXT,  # calcium_ct | attenuation_ct | report
        state=TEXT,  # read | scored | unusable
        reason=TEXT,  # why it is unusable, or why its figures do not count; "" where they do
        is_counted=FLAG,  # the one of its kind whose figures count
        days=WHOLE,
        total=REAL,  # Agatston units
        lm=REAL,
        lad=REAL,
        lcx=REAL,
        rca=REAL,
        left_open=REAL,  # units of the left main or the anterior artery, not told apart
        volume_mm3=REAL,
        mass_mg=REAL,
        method=TEXT,  # agatston | unstated
        status=TEXT,  # final | amended | preliminary; "" of a CT
        is_verified=FLAG,
        has_surface=FLAG,  # the ventricle's surface told the arteries
        n_lesions=WHOLE,
        n_waiting=WHOLE,  # lesions that a person should look at
        kvp=REAL,
        thickness_mm=REAL,
        spacing_mm=REAL,
        noise_hu=REAL,
        flags=TEXTS,
        made_from=TEXT,  # digest of engine and content: what a correction is made for
        later="made_from",
    ),
    _table(
        "calcium_lesion",
        "calcium",
        "study",
        "study_key source_key lesion",
        study_key=TEXT,
        source_key=TEXT,
        lesion=WHOLE,  # from 1, the largest score first
        place=TEXT,
        probability=REAL,
        reason=TEXT,
        waits=FLAG,
        score=REAL,  # Agatston units
        volume_mm3=REAL,
        mass_mg=REAL,
        area_mm2=REAL,  # the largest in a slice
        peak_hu=REAL,
        first_slice=WHOLE,  # from 0, the most inferior
        last_slice=WHOLE,
        x_mm=REAL,  # of its middle, LPS
        y_mm=REAL,
        z_mm=REAL,
    ),
    _table(
        "calcium_correction",
        "calcium",
        "study",
        "study_key source_key lesion_key corrected_at",
        study_key=TEXT,
        source_key=TEXT,
        lesion_key=TEXT,  # L and its number in calcium_lesion; A and a digest where it was added
        action=TEXT,  # relabel | remove | add | confirm | undo
        place=TEXT,  # what the person says; "" of an undo
        reason=TEXT,
        corrector=TEXT,
        corrected_at=TEXT,  # ISO 8601, UTC: time is what a correction states
        made_from=TEXT,  # as in calcium_source, of the CT that the person saw
        algorithm_place=TEXT,  # as in calcium_lesion then; "" of a lesion that was added
        score=REAL,  # Agatston units
        volume_mm3=REAL,
        mass_mg=REAL,
        area_mm2=REAL,
        peak_hu=REAL,
        first_slice=WHOLE,
        last_slice=WHOLE,
        x_mm=REAL,
        y_mm=REAL,
        z_mm=REAL,
    ),
)

_STABILITY = (
    _table(
        "perturbation",
        "stability",
        "study",
        "study_key perturbation",
        study_key=TEXT,
        perturbation=TEXT,
        family=TEXT,  # shift | rotation | counts | wall | base
        position=WHOLE,
        thinning=TEXT,  # pixels | noise: what was thinned; "" where nothing was
        n_voxels=WHOLE,  # of the perturbed myocardium
        values_path=TEXT,  # below the lake: values by perturbation, segment, bins and feature
    ),
    _table(
        "feature_stability",
        "stability",
        "cohort",
        "cohort_hash family segment bins feature",
        cohort_hash=TEXT,
        family=TEXT,  # all | shift | rotation | counts | wall | base
        segment=TEXT,
        bins=WHOLE,
        feature=TEXT,
        n_studies=WHOLE,  # with a value under every perturbation of the family
        n_perturbations=WHOLE,
        icc1=REAL,
        icc1_low=REAL,  # 95 % interval
        icc1_high=REAL,
        icc3=REAL,
        icc3_low=REAL,
        icc3_high=REAL,
        mean=REAL,
        sd_between=REAL,  # of the studies' means
        sd_within=REAL,  # of the perturbed values of a study
    ),
)

_CHECKED = (
    _table(
        "expectation_result",
        "warehouse",
        "suite",
        "suite expectation",
        suite=TEXT,
        expectation=TEXT,
        position=WHOLE,
        table_name=TEXT,
        consequence=TEXT,  # stop | quarantine | warn
        says=TEXT,
        kind=TEXT,  # class of the expectation
        column_name=TEXT,  # "" where it is about whole rows or the table
        is_met=FLAG,
        n_rows=WHOLE,
        n_unexpected=WHOLE,
        n_units=WHOLE,  # studies (registry: records) with a row that breaks it
        examples=TEXT,  # JSON: list of keys with the value, numbers only
    ),
    _table(
        "expectation_failure",
        "warehouse",
        "suite",
        "suite expectation study_key record_key content_sha256",
        suite=TEXT,
        expectation=TEXT,
        table_name=TEXT,
        unit_key=TEXT,
        content_sha256=TEXT,  # of the file that was checked, as the manifest names it
        study_key=TEXT,  # "" where the row is of the registry
        record_key=TEXT,  # "" where the row is of a study
        n_rows=WHOLE,
        example=TEXT,
    ),
    _table(
        "expectation_seen",
        "warehouse",
        "suite",
        "suite path",
        later="counts",  # of the rules that are judged file by file
        suite=TEXT,
        table_name=TEXT,
        path=TEXT,  # file whose rows were checked, below the lake
        state=TEXT,  # its size and time of change
        rules_digest=TEXT,  # of the rules, and of what the dictionary says of the columns
        broken=TEXT,  # JSON: list of [rule, row that breaks it]
        counts=TEXT,  # JSON: studies and rows of the file, and of rules that allow a share; or ""
    ),
)

_COHORT = (
    _table(
        "cohort_member",
        "warehouse",
        "cohort",
        "study_key",
        cohort_hash=TEXT,
        study_key=TEXT,
        patient_key=TEXT,
    ),
    _table(
        "cohort_outcome",
        "warehouse",
        "cohort",
        "study_key",
        cohort_hash=TEXT,
        study_key=TEXT,
        sex=TEXT,
        race=TEXT,
        age=REAL,
        bmi=REAL,
        lvef=REAL,
        smoking=FLAG,
        diabetes=FLAG,
        hypertension=FLAG,
        hyperlipidemia=FLAG,
        family_history=FLAG,
        cac_total=REAL,
        cac_lad=REAL,
        cac_lcx=REAL,
        cac_rca=REAL,
    ),
    _table(
        "selection_step",
        "selection",
        "cohort",
        "cohort_hash profile step feature partner",
        cohort_hash=TEXT,
        profile=TEXT,
        step=TEXT,
        position=WHOLE,
        feature=TEXT,
        reason=TEXT,
        statistic=REAL,
        partner=TEXT,
    ),
    _table(
        "selection_count",
        "selection",
        "cohort",
        "cohort_hash profile step",
        cohort_hash=TEXT,
        profile=TEXT,
        step=TEXT,
        position=WHOLE,
        n_patients=WHOLE,
        n_before=WHOLE,
        n_removed=WHOLE,
        n_after=WHOLE,
        n_paper=WHOLE,
        note=TEXT,
    ),
    _table(
        "selected_feature",
        "selection",
        "cohort",
        "cohort_hash profile feature",
        cohort_hash=TEXT,
        profile=TEXT,
        feature=TEXT,
        bins=WHOLE,
        position=WHOLE,
    ),
    _table(
        "grey_level",
        "selection",
        "cohort",
        "cohort_hash profile bins",
        cohort_hash=TEXT,
        profile=TEXT,
        bins=WHOLE,
        n_features=WHOLE,
        n_identical=WHOLE,
        n_low_range=WHOLE,
        low_range_change=REAL,  # of their share, against the mean share at 64 and 128
        rank_stability=REAL,
        n_correlated_pairs=WHOLE,
        pairs_change=REAL,  # against the mean of 64 and 128
        n_stable=WHOLE,  # features with an ICC of 0.75; null where it was not measured
        n_distinct=WHOLE,  # of these, what S5 and S6 leave; null where the rule does not ask
        mean_icc=REAL,
        bootstrap_share=REAL,
        rule=TEXT,  # published | stable | ranks (where stability was not measured)
        removed_by=TEXT,  # identical | low_range | pairs | ranks | fewer, "" for a survivor
        is_survivor=FLAG,
        is_chosen=FLAG,
        is_runner_up=FLAG,
        why=TEXT,  # of the chosen level: a sentence; "" for the others
    ),
    _table(
        "variety_correlation",
        "selection",
        "cohort",
        "cohort_hash profile averaged merged",
        cohort_hash=TEXT,
        profile=TEXT,
        family=TEXT,
        averaged=TEXT,
        merged=TEXT,
        rho=REAL,
    ),
    _table(
        "univariate",
        "evaluation",
        "cohort",
        "cohort_hash profile segment outcome feature",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        outcome=TEXT,  # raw | class5
        feature=TEXT,
        n=WHOLE,
        rho=REAL,
        p_value=REAL,
        p_adjusted=REAL,
        is_discovery=FLAG,
    ),
    _table(
        "scanner_effect",
        "evaluation",
        "cohort",
        "cohort_hash profile segment feature",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        feature=TEXT,
        bins=WHOLE,
        n=WHOLE,
        n_scanners=WHOLE,
        df_scanner=WHOLE,
        df_residual=WHOLE,
        eta_squared=REAL,
        epsilon_squared=REAL,
        omega_squared=REAL,
        f_statistic=REAL,
        p_value=REAL,
        p_adjusted=REAL,  # Benjamini-Hochberg over the features of a segment
    ),
    _table(
        "split_fit",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration outer inner",
        later="coefficient_names coefficients",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        outer=WHOLE,
        inner=WHOLE,
        n_train=WHOLE,
        n_dev=WHOLE,
        n_screened=WHOLE,
        train_terms=TEXTS,
        terms=TEXTS,
        aic=REAL,  # of the dev fit
        llf=REAL,
        state=TEXT,  # valid | intercept_only | degenerate
        is_valid=FLAG,
        is_winner=FLAG,
        coefficient_names=TEXTS,  # of a winner: (intercept), number, factor=level; else empty
        coefficients=REALS,  # on raw columns, of the rows that evaluation.final_coef names
    ),
    _table(
        "split_result",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration outer",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        outer=WHOLE,
        n_test=WHOLE,
        inner=WHOLE,
        n_terms=WHOLE,
        r=REAL,
        p_value=REAL,
        is_valid=FLAG,
        is_underpowered=FLAG,
    ),
    _table(
        "split_prediction",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration outer study_key",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        outer=WHOLE,
        study_key=TEXT,
        value=REAL,  # out of sample, on the scale of the fitted outcome
        outcome=REAL,
    ),
    _table(
        "better_model",
        "evaluation",
        "cohort",
        "cohort_hash segment configuration metric",
        cohort_hash=TEXT,
        segment=TEXT,
        configuration=TEXT,
        metric=TEXT,
        value=REAL,
        low=REAL,
        high=REAL,
        n=WHOLE,
    ),
    _table(
        "held_out_vendor",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration vendor metric",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        vendor=TEXT,  # whose patients were tested; the models are of the other vendors'
        metric=TEXT,
        value=REAL,
        low=REAL,
        high=REAL,
        n_test=WHOLE,
        n_train=WHOLE,
    ),
    _table(
        "combined_test",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration test",
        later="p_adjusted",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        test=TEXT,
        statistic=REAL,
        df=WHOLE,
        threshold=REAL,
        p_value=REAL,
        p_error=REAL,
        p_adjusted=REAL,  # together with the other segments and questions (Westfall and Young)
        n_valid=WHOLE,
        median_r=REAL,
        median_p=REAL,
    ),
    _table(
        "pooled_prediction",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration study_key",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        study_key=TEXT,
        n_runs=WHOLE,  # outer runs in whose test set the patient is: the values are their means
        value=REAL,  # out of sample, on the scale of the fitted outcome
        outcome=REAL,  # on the same scale
        score=REAL,  # calcium of the segment
        p_any=REAL,  # probability that the score is above 0, is at least 100, is above 400
        p_at_least_100=REAL,
        p_above_400=REAL,
    ),
    _table(
        "added_value",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration compared_with measure",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        compared_with=TEXT,  # "" or the configuration that is subtracted
        measure=TEXT,
        value=REAL,
        low=REAL,  # 95 %
        high=REAL,
        std_error=REAL,
        p_value=REAL,  # of a difference of areas (DeLong), else null
        method=TEXT,  # of the interval: bootstrap | delong | wald
        n=WHOLE,
        n_events=WHOLE,
    ),
    _table(
        "group_performance",
        "evaluation",
        "cohort",
        "cohort_hash profile segment grouping group_name configuration compared_with measure",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        grouping=TEXT,  # sex | race | vendor | scanner
        group_name=TEXT,
        configuration=TEXT,
        compared_with=TEXT,  # "" or the configuration that is subtracted
        measure=TEXT,
        value=REAL,  # null where the group is too small
        low=REAL,  # 95 %, of the group alone
        high=REAL,
        std_error=REAL,
        p_value=REAL,  # of a difference of areas (DeLong), else null
        method=TEXT,  # of the interval: bootstrap | delong | fisher_z | t
        n=WHOLE,  # patients of the group
        n_events=WHOLE,  # of them with a score of at least 100
    ),
    _table(
        "calibration_curve",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration event group_number",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        event=TEXT,  # score | any | at_least_100 | above_400
        group_number=WHOLE,
        n=WHOLE,
        predicted=REAL,
        observed=REAL,
        low=REAL,
        high=REAL,
    ),
    _table(
        "decision_curve",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration compared_with event threshold",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,  # of a model, or treat_all
        compared_with=TEXT,
        event=TEXT,
        threshold=REAL,
        net_benefit=REAL,
        low=REAL,
        high=REAL,
    ),
    _table(
        "reclassification",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration compared_with observed reference moved_to",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        compared_with=TEXT,
        observed=WHOLE,
        reference=WHOLE,  # class by the configuration that is compared with
        moved_to=WHOLE,
        n=WHOLE,
    ),
    _table(
        "split_seed",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration seed",
        cohort_hash=TEXT,
        profile=TEXT,  # as_published, and as_published_loglik of the same fits
        segment=TEXT,
        configuration=TEXT,
        seed=WHOLE,  # of the splits
        fisher=REAL,
        mean_r=REAL,
        median_r=REAL,
        n_valid=WHOLE,
    ),
    _table(
        "profile_setting",
        "evaluation",
        "cohort",
        "cohort_hash profile stage setting",
        cohort_hash=TEXT,
        profile=TEXT,  # as_published | corrected | site
        version=TEXT,  # of a frozen profile, "" of the site's
        same_as=TEXT,  # profile whose results stand for it: a site's settings may be a frozen one
        stage=TEXT,  # selection | evaluation
        setting=TEXT,
        value=TEXT,
    ),
    _table(
        "permutation",
        "evaluation",
        "cohort",
        "cohort_hash profile segment configuration kind permutation",
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        kind=TEXT,  # outcome | conditional
        permutation=WHOLE,
        fisher=REAL,
        mean_r=REAL,
        pooled_rho=REAL,
    ),
    _table(
        "model",
        "evaluation",
        "cohort",
        "model_key",
        model_key=TEXT,
        cohort_hash=TEXT,
        profile=TEXT,
        segment=TEXT,
        configuration=TEXT,
        outer=WHOLE,
        inner=WHOLE,
        bins=WHOLE,
        n_train=WHOLE,
        outcome_transform=TEXT,  # none | log1p: a prediction is expm1 of the linear form
        intercept=REAL,
        test_studies=TEXTS,
        residuals=REALS,  # of an elastic net fold: what it left of its test studies, log scale
    ),
    _table(
        "model_term",
        "evaluation",
        "cohort",
        "model_key term level",
        model_key=TEXT,
        term=TEXT,
        source=TEXT,  # feature | clinical
        level=TEXT,  # "" for a number, the category of a dummy otherwise
        is_reference=FLAG,  # the category without a column: coefficient 0
        coefficient=REAL,
        std_error=REAL,
        p_value=REAL,
    ),
    _table(
        "model_harmonisation",
        "evaluation",
        "cohort",
        "model_key scanner term",
        model_key=TEXT,
        scanner=TEXT,  # manufacturer and model; a scanner without rows takes the value as it is
        term=TEXT,  # a feature of the model: factor x value + offset + covariates . weights
        factor=REAL,
        offset=REAL,
        covariates=TEXTS,  # clinical term, or term=level, each level of a factor
        weights=REALS,  # the first level of a factor has 0
    ),
    _table(
        "prediction",
        "publication",
        "study",
        "cohort_hash study_key segment configuration",
        cohort_hash=TEXT,
        study_key=TEXT,
        segment=TEXT,
        configuration=TEXT,
        profile=TEXT,
        value=REAL,
        value_low=REAL,
        value_high=REAL,
        n_models=WHOLE,
        berman_class=WHOLE,
        is_training_study=FLAG,
        is_out_of_sample=FLAG,
        reason=TEXT,  # why there is no value, "" where there is one
        corrected_value=REAL,  # elastic net on log(1 + CAC), with its 90 % interval
        corrected_low=REAL,
        corrected_high=REAL,
    ),
)

TABLES: Mapping[str, LakeTable] = MappingProxyType(
    {
        table.name: table
        for table in (*_PULL, *_IMAGE, *_GATED, *_CALCIUM, *_STABILITY, *_CHECKED, *_COHORT)
    }
)
"""Every lake table by name."""

FEATURE_TABLES = tuple(name for name, table in TABLES.items() if table.has_features)
"""What does not depend on the grey levels, and what does."""


def tables_of(stage: str) -> list[LakeTable]:
    """Tables that a stage writes, in the order of their listing."""
    return [table for table in TABLES.values() if table.stage == stage]
