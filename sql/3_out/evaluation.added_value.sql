-- One row is one measure of a configuration's pooled predictions, or a paired difference of two.
-- grain: cohort_hash profile segment configuration compared_with measure
-- checked: with raw.added_value
select
    cohort_hash,
    profile,
    segment,
    configuration,
    compared_with,
    measure,
    "value",
    low,
    high,
    std_error,
    p_value,
    method,
    n,
    n_events,
from raw.added_value
