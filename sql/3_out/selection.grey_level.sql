-- One row is one number of grey levels judged for one cohort and profile.
-- grain: cohort_hash profile bins
-- checked: with raw.grey_level
select
    cohort_hash,
    profile,
    bins,
    rule,
    is_survivor,
    is_chosen,
    is_runner_up,
    removed_by,
    why,
    n_features,
    n_identical,
    n_low_range,
    n_correlated_pairs,
    n_stable,
    n_distinct,
    low_range_change,
    pairs_change,
    rank_stability,
    mean_icc,
    bootstrap_share,
from raw.grey_level
