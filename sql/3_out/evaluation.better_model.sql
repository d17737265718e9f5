-- One row is one measure of the better model in one segment and configuration.
-- grain: cohort_hash segment configuration metric
select
    cohort_hash,
    segment,
    configuration,
    metric,
    n,
    "value",
    low,
    high,
from raw.better_model
