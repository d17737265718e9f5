-- One row is one measure of the pooled predictions of a group of patients, or a paired difference.
-- grain: cohort_hash profile segment grouping group_name configuration compared_with measure
-- checked: with raw.group_performance
select
    cohort_hash,
    profile,
    segment,
    grouping,
    group_name,
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
from raw.group_performance
