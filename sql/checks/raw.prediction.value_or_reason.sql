-- there is a value, or a reason
-- suite: predictions
-- consequence: quarantine
select
    study_key,
    segment,
    configuration,
from raw.prediction
where coalesce(isfinite("value"), false) != (coalesce(reason, '') = '')
