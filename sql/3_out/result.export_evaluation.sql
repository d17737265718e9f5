-- One row is one segment and configuration of one cohort and profile, as exported: did it predict?
-- grain: cohort_hash profile segment configuration
select
    overview.cohort_hash,
    overview.profile,
    overview.segment,
    overview.configuration,
    coalesce(cohort_frozen.is_latest, false) as is_latest,
    overview.is_underpowered,
    overview.has_withdrawn,
    cohort_frozen.n_studies,
    cohort_frozen.n_patients,
    overview.n_runs,
    overview.n_valid,
    overview.median_r,
    overview.quartile_1_r,
    overview.quartile_3_r,
    overview.median_p,
    overview.mean_n_terms,
    cohort_frozen.first_frozen_at,
    cohort_frozen.code_version,
from result.model_overview as overview
left join core.cohort_frozen as cohort_frozen
    on overview.cohort_hash = cohort_frozen.cohort_hash
