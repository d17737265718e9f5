-- One row is one study of one frozen cohort with its covariates and outcomes.
-- grain: cohort_hash study_key
select *,
from ${cohort_outcome}
