-- the value lies within its bounds, the corrected one in its interval
-- suite: predictions
-- consequence: quarantine
-- by: study_key
select
    study_key,
    segment,
    configuration,
from raw.prediction
where
    "value" not between value_low and value_high
    or corrected_value not between corrected_low and corrected_high
