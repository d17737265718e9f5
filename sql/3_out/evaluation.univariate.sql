-- One row is one feature tested alone against one outcome in one segment.
-- grain: cohort_hash profile segment outcome feature
-- checked: with raw.univariate
select
    cohort_hash,
    profile,
    segment,
    outcome,
    feature,
    is_discovery,
    n,
    rho,
    p_value,
    p_adjusted,
from raw.univariate
