-- One row is one patient's out-of-sample prediction, pooled over the runs that had not seen him.
-- grain: cohort_hash profile segment configuration study_key
-- checked: with raw.pooled_prediction
select
    cohort_hash,
    study_key,
    profile,
    segment,
    configuration,
    n_runs,
    "value",
    outcome,
    score,
    p_any,
    p_at_least_100,
    p_above_400,
from raw.pooled_prediction
