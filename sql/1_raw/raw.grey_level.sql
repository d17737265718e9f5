-- One row is one number of grey levels judged for one cohort.
-- grain: cohort_hash bins
select
    cohort_hash,
    bins,
    n_identical,
    n_low_range,
    rank_stability,
    n_correlated_pairs,
    bootstrap_share,
    is_survivor,
    is_chosen,
    is_runner_up,
from ${grey_level}
