-- One row is one study of the cohort, with its covariates and outcomes.
-- grain: study_key
-- by: study_key
select
    flow.study_key,
    flow.patient_key,
    clinical.record_key,
    clinical.link,
    clinical.reading,
    clinical.sex,
    clinical.race,
    clinical.stress_agent,
    clinical.smoking,
    clinical.diabetes,
    clinical.hypertension,
    clinical.hyperlipidemia,
    clinical.family_history,
    clinical.age,
    clinical.bmi,
    clinical.lvef,
    clinical.cac_total,
    clinical.cac_lm,
    clinical.cac_lad,
    clinical.cac_lcx,
    clinical.cac_rca,
    study.acquired_period,
    study.manufacturer,
    study.scanner_model,
    flow.study_date_shifted,
from core.cohort_flow as flow
inner join core.clinical as clinical
    on flow.study_key = clinical.study_key
inner join core.study as study
    on flow.study_key = study.study_key
where flow.is_included
