-- One row is one number of grey levels judged for one cohort.
-- grain: cohort_hash bins
select
    cohort_hash,
    bins,
    is_survivor,
    is_chosen,
    is_runner_up,
    n_identical,
    n_low_range,
    n_correlated_pairs,
    rank_stability,
    bootstrap_share,
from raw.grey_level
