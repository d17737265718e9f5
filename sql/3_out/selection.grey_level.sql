-- One row is one number of grey levels judged for one cohort and profile.
-- grain: cohort_hash profile bins
-- checked: with raw.grey_level
select
    cohort_hash,
    profile,
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
