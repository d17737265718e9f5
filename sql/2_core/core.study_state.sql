-- One row is one study that the archive named: all that the cohort rules ask about it.
-- grain: study_key
-- by: study_key
with stages as (
    select
        study_key,
        any_value(status) filter (where stage = 'pull') as pull_status,
        any_value(status) filter (where stage = 'intake') as intake_status,
        any_value(status) filter (where stage = 'segmentation') as segmentation_status,
        any_value(status) filter (where stage = 'quality') as quality_status,
        any_value(status) filter (where stage = 'radiomics') as radiomics_status,
        any_value(reasons) filter (where stage = 'pull') as pull_reasons,
        any_value(reasons) filter (where stage = 'intake') as intake_reasons,
        any_value(reasons) filter (where stage = 'segmentation') as segmentation_reasons,
        -- The earliest stage at which it stands still says why.
        arg_min(
            problem,
            list_position(['pull', 'intake', 'segmentation', 'quality', 'radiomics'], stage)
        ) filter (where status = 'quarantined') as problem,
    from meta.study_stage
    group by study_key
),

volumes as (
    select
        study_key,
        bool_or(is_chosen) as has_volume,
        list_sort(list_distinct(flatten(list(reasons)))) as reasons,
    from raw.volume
    group by study_key
),

upstream as (
    select
        study_key,
        bool_or(kind = 'deleted') as is_gone,
        bool_or(kind = 'corrected') as is_corrected,
    from meta.upstream
    group by study_key
),

feature_files as (
    select file.unit_key as study_key,
    from meta.manifest as file
    inner join meta.pointer as pointer
        on
            file.stage = pointer.stage
            and file.engine = pointer.engine
            and file.config = pointer.config
    where
        file.is_current
        and file.table_name in ('feature_once', 'feature_binned')
        and file.n_rows > 0
    group by file.unit_key
    having count(distinct file.table_name) = 2
),

candidates as (
    select
        candidate.study_key,
        count(*) filter (where record.is_accepted) as n_accepted,
        count(*) as n_records,
        list_sort(
            list_distinct(flatten(list(record.reasons) filter (where not record.is_accepted)))
        ) as reasons,
    from core.clinical_candidate as candidate
    inner join raw.clinical as record
        on candidate.record_key = record.record_key
    group by candidate.study_key
)

select
    study.study_key,
    study.patient_key,
    study.is_fetched,
    coalesce(upstream.is_gone, false) as is_gone,
    coalesce(upstream.is_corrected, false) as is_corrected,
    coalesce(stages.pull_status, 'missing') as pull_status,
    coalesce(stages.pull_reasons, []) as pull_reasons,
    coalesce(stages.intake_status, 'missing') as intake_status,
    coalesce(stages.segmentation_status, 'missing') as segmentation_status,
    coalesce(stages.quality_status, 'missing') as quality_status,
    coalesce(stages.radiomics_status, 'missing') as radiomics_status,
    coalesce(stages.problem, '') as problem,
    coalesce(volumes.has_volume, false) as has_volume,
    case
        when len(stages.intake_reasons) > 0 then stages.intake_reasons
        else coalesce(volumes.reasons, [])
    end as intake_reasons,
    segmentation.study_key is not null as has_segmentation,
    coalesce(stages.segmentation_reasons, []) as segmentation_reasons,
    verdict.verdict,
    coalesce(verdict.flags, []) as quality_flags,
    decision.decision as last_decision,
    coalesce(decision.has_reject, false) as has_reject,
    feature_files.study_key is not null as has_features,
    coalesce(held_back.is_study_held_back, false) as is_held_back,
    coalesce(held_back.problem, '') as held_back_because,
    clinical.record_key,
    coalesce(candidates.n_records, 0) as n_records,
    coalesce(candidates.n_accepted, 0) as n_accepted_records,
    coalesce(candidates.reasons, []) as registry_reasons,
    clinical.reading,
    clinical.cac_total,
    clinical.cac_lm,
    clinical.cac_lad,
    clinical.cac_lcx,
    clinical.cac_rca,
    abs(date_diff('day', study.study_date_shifted, clinical.cac_date_shifted)) as cac_days,
    study.study_date_shifted,
from core.study as study
left join stages
    on study.study_key = stages.study_key
left join volumes
    on study.study_key = volumes.study_key
left join raw.segmentation as segmentation
    on study.study_key = segmentation.study_key
left join raw.quality_verdict as verdict
    on study.study_key = verdict.study_key
left join quality.decision as decision
    on study.study_key = decision.study_key
left join feature_files
    on study.study_key = feature_files.study_key
left join quality.held_back as held_back
    on study.study_key = held_back.study_key
left join core.clinical as clinical
    on study.study_key = clinical.study_key
left join candidates
    on study.study_key = candidates.study_key
left join upstream
    on study.study_key = upstream.study_key
