-- the flow holds the studies that the archive named, each once
-- suite: snapshot
-- consequence: stop
select
    coalesce(study.study_key, flow.study_key) as study_key,
    study.study_key is null as is_unknown_study,
from core.study as study
full outer join core.cohort_flow as flow
    on study.study_key = flow.study_key
where study.study_key is null or flow.study_key is null
