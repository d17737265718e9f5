-- One row is one feature tested alone against one outcome in one segment.
-- grain: cohort_hash segment outcome feature
select
    cohort_hash,
    segment,
    outcome,
    feature,
    n,
    rho,
    p_value,
    p_adjusted,
    is_discovery,
from ${univariate}
