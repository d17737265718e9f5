-- Predictions without a value and without the reason, or with bounds that exclude the value.
-- severity: report
select
    study_key,
    segment,
    configuration,
    "value",
    value_low,
    value_high,
from raw.prediction
where
    ("value" is null and coalesce(reason, '') = '')
    or "value" < value_low
    or "value" > value_high
