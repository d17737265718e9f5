-- One row is one combined test over the outer runs.
-- grain: cohort_hash profile segment configuration test
-- checked: with raw.combined_test
select
    cohort_hash,
    profile,
    segment,
    configuration,
    test,
    statistic,
    df,
    threshold,
    p_value,
    p_error,
    p_adjusted,
    n_valid,
    median_r,
    median_p,
from raw.combined_test
