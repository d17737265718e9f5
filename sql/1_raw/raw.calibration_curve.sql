-- One row is one group of patients by prediction: what was predicted, what was seen.
-- grain: cohort_hash profile segment configuration event group_number
select *,
from ${calibration_curve}
