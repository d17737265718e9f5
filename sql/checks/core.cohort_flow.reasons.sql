-- Studies whose reason is not in core.cohort_reason.
-- severity: stop
select
    study_key,
    reason,
from core.cohort_flow
where reason_position is null
