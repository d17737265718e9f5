-- a pooled prediction is the mean of a run at least, its probabilities lie between 0 and 1
-- suite: snapshot
-- consequence: warn
select
    cohort_hash,
    profile,
    segment,
    configuration,
    study_key,
from raw.pooled_prediction
where
    n_runs < 1
    or p_any not between 0 and 1
    or p_at_least_100 not between 0 and 1
    or p_above_400 not between 0 and 1
