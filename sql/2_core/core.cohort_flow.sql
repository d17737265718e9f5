-- One row is one study that the archive named: included, or the first reason that excluded it.
-- grain: study_key
-- by: study_key
with first_reasons as (
    select
        study_state.study_key,
        study_state.patient_key,
        study_state.study_date_shifted,
        case
            -- A tombstone stands in the place of the key.
            when starts_with(study_state.study_key, 'X') then 'withdrawn'
            when study_state.is_gone and cohort_rule.gone = 'leave' then 'gone_from_archive'
            when study_state.is_corrected and cohort_rule.corrected = 'leave' then 'pull_corrected'
            when
                study_state.pull_status = 'quarantined'
                -- The version before the correction stays on the lake, whole.
                and not (study_state.is_corrected and study_state.is_fetched)
                then 'pull_quarantined'
            when not study_state.is_fetched then 'pull_missing'
            when study_state.intake_status = 'quarantined' then 'intake_quarantined'
            when study_state.intake_status = 'rejected' then 'intake_rejected'
            when study_state.intake_status = 'missing' then 'intake_missing'
            when not study_state.has_volume then 'intake_rejected'
            when study_state.segmentation_status = 'quarantined' then 'segmentation_quarantined'
            when study_state.segmentation_status = 'rejected' then 'segmentation_rejected'
            when
                study_state.segmentation_status = 'missing' or not study_state.has_segmentation
                then 'segmentation_missing'
            when study_state.quality_status = 'quarantined' then 'quality_quarantined'
            when study_state.verdict is null then 'quality_missing'
            when study_state.verdict = 'hold' then 'quality_hold'
            when study_state.last_decision = 'accept' then null
            when study_state.last_decision = 'reject' then 'review_rejected'
            -- Of two readers one has answered, or they disagree.
            when study_state.last_decision = 'undecided' then 'review_pending'
            when cohort_rule.accept = 'reviewed' then 'review_pending'
            when study_state.has_reject then 'review_rejected'
            when study_state.verdict = 'pass' then null
            else 'review_pending'
        end as image_reason,
        case
            when study_state.radiomics_status = 'quarantined' then 'radiomics_quarantined'
            when not study_state.has_features then 'radiomics_missing'
            when study_state.is_held_back then 'expectation_failed'
            when study_state.n_records = 0 then 'clinical_missing'
            when study_state.n_accepted_records = 0 then 'clinical_rejected'
            when study_state.record_key is null then 'clinical_ambiguous'
            when
                cohort_rule.reading = 'normal'
                and coalesce(study_state.reading, '') != 'normal'
                then 'reading_not_normal'
            when
                study_state.cac_total is null or study_state.cac_days is null
                then 'cac_missing'
            when
                least(
                    study_state.cac_total,
                    study_state.cac_lm,
                    study_state.cac_lad,
                    study_state.cac_lcx,
                    study_state.cac_rca
                ) < 0
                or coalesce(study_state.cac_lm, 0)
                + coalesce(study_state.cac_lad, 0)
                + coalesce(study_state.cac_lcx, 0)
                + coalesce(study_state.cac_rca, 0)
                -- Rounded scores of four arteries may exceed the rounded total by 2.
                > study_state.cac_total + 2
                then 'cac_impossible'
            when study_state.cac_days > cohort_rule.cac_max_days then 'cac_too_far'
        end as later_reason,
    from core.study_state as study_state
    cross join meta.cohort_rule as cohort_rule
),

ranked as (
    select
        study_key,
        patient_key,
        study_date_shifted,
        coalesce(image_reason, later_reason) as reason,
        -- The first of the patient's studies that every rule lets in.
        row_number() over (
            partition by coalesce(patient_key, study_key), coalesce(image_reason, later_reason)
            order by study_date_shifted, study_key
        ) as place,
    from first_reasons
),

decided as (
    select
        study_key,
        patient_key,
        case
            when reason is not null then reason
            when place > 1 then 'patient_included'
            else 'included'
        end as reason,
        study_date_shifted,
    from ranked
)

select
    decided.study_key,
    decided.patient_key,
    decided.reason,
    cohort_reason.stage,
    cohort_reason."position" as reason_position,
    decided.reason = 'included' as is_included,
    case
        when decided.reason like '%quarantined' then study_state.problem
        when decided.reason = 'expectation_failed' then study_state.held_back_because
        when decided.reason like 'pull%' then array_to_string(study_state.pull_reasons, ', ')
        when decided.reason like 'intake%' then array_to_string(study_state.intake_reasons, ', ')
        when decided.reason like 'segmentation%'
            then array_to_string(study_state.segmentation_reasons, ', ')
        when decided.reason in ('quality_hold', 'review_pending')
            then array_to_string(study_state.quality_flags, ', ')
        when decided.reason = 'clinical_rejected'
            then array_to_string(study_state.registry_reasons, ', ')
        when decided.reason = 'reading_not_normal' then coalesce(study_state.reading, '')
        when decided.reason = 'cac_too_far' then study_state.cac_days || ' days'
        else ''
    end as detail,
    decided.study_date_shifted,
from decided
inner join core.study_state as study_state
    on decided.study_key = study_state.study_key
left join core.cohort_reason as cohort_reason
    on decided.reason = cohort_reason.reason
