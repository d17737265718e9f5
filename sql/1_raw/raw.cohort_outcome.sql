-- One row is one study of one frozen cohort with its covariates and outcomes.
-- grain: cohort_hash study_key
select
    cohort_hash,
    study_key,
    sex,
    race,
    age,
    bmi,
    lvef,
    smoking,
    diabetes,
    hypertension,
    hyperlipidemia,
    family_history,
    cac_total,
    cac_lad,
    cac_lcx,
    cac_rca,
from ${cohort_outcome}
