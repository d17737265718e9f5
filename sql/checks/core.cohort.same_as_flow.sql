-- the cohort holds every study that the flow includes
-- suite: snapshot
-- consequence: stop
select flow.study_key,
from core.cohort_flow as flow
left join core.cohort as cohort
    on flow.study_key = cohort.study_key
where flow.is_included and cohort.study_key is null
