-- One row is one combined test of one cohort, profile, segment and configuration, as exported.
-- grain: cohort_hash profile segment configuration test
-- checked: with raw.combined_test
select
    combined.cohort_hash,
    combined.profile,
    combined.segment,
    combined.configuration,
    combined.test,
    combined.statistic,
    combined.df,
    combined.threshold,
    combined.p_value,
    combined.p_error,
    combined.n_valid,
    combined.median_r,
    combined.median_p,
from evaluation.combined_test as combined
