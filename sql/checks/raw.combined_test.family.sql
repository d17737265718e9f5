-- the p-value of a test among all of its family is not below its own
-- suite: snapshot
-- consequence: warn
select
    cohort_hash,
    profile,
    segment,
    configuration,
    test,
    p_value,
    p_adjusted,
from raw.combined_test
where p_adjusted < p_value - 1e-12 or p_adjusted > 1
