-- One row is one measure of the elastic net, on patients that neither tuning nor fit has seen.
-- grain: cohort_hash segment configuration metric
-- checked: with raw.better_model
select
    cohort_hash,
    segment,
    configuration,
    metric,
    "value",
    low,
    high,
    n,
from raw.better_model
