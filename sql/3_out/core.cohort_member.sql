-- One row is one study of one frozen cohort, with the calcium of each artery and its class.
-- grain: cohort_hash study_key
-- checked: with raw.cohort_member
select
    member.cohort_hash,
    frozen.is_latest,
    member.study_key,
    member.patient_key,
    outcome.sex,
    outcome.race,
    outcome.age,
    outcome.bmi,
    outcome.lvef,
    outcome.smoking,
    outcome.diabetes,
    outcome.hypertension,
    outcome.hyperlipidemia,
    outcome.family_history,
    outcome.cac_total,
    -- The left main counts in the total only: nothing is fitted to it, so it is not frozen.
    clinical.cac_lm,
    outcome.cac_lad,
    outcome.cac_lcx,
    outcome.cac_rca,
    case
        when outcome.cac_total < ${no_calcium} then 0
        when outcome.cac_total <= ${class_limits}[1] then 1
        when outcome.cac_total <= ${class_limits}[2] then 2
        when outcome.cac_total <= ${class_limits}[3] then 3
        when outcome.cac_total is not null then 4
    end as berman_class,
    study.acquired_period,
    study.manufacturer,
    study.scanner_model,
from raw.cohort_member as member
inner join core.cohort_frozen as frozen
    on member.cohort_hash = frozen.cohort_hash
left join raw.cohort_outcome as outcome
    on
        member.cohort_hash = outcome.cohort_hash
        and member.study_key = outcome.study_key
left join core.clinical as clinical
    on member.study_key = clinical.study_key
left join core.study as study
    on member.study_key = study.study_key
