-- every reason of the flow is in core.cohort_reason
-- suite: snapshot
-- consequence: stop
select
    study_key,
    reason,
from core.cohort_flow
where reason_position is null
