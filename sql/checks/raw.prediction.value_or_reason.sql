-- a prediction has a value, or a reason why there is none
-- suite: predictions
-- consequence: quarantine
-- by: study_key
select
    study_key,
    segment,
    configuration,
from raw.prediction
where coalesce(isfinite("value"), false) != (coalesce(reason, '') = '')
