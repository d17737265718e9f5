-- One row is one group of patients by prediction: what was predicted, what was seen.
-- grain: cohort_hash profile segment configuration event group_number
-- checked: with raw.calibration_curve
select
    cohort_hash,
    profile,
    segment,
    configuration,
    event,
    group_number,
    n,
    predicted,
    observed,
    low,
    high,
from raw.calibration_curve
