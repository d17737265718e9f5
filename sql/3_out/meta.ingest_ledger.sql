-- One row is one study that the archive named: how far it came and what stopped it.
-- grain: study_key
-- by: study_key
with standing as (
    select
        study_key,
        list(stage order by stage) as quarantined_at,
        any_value(problem order by stage) as problem,
        any_value(way_out order by stage) as way_out,
        max(tries) as tries,
    from meta.quarantine
    group by study_key
)

select
    state.study_key,
    state.patient_key,
    state.pull_status,
    state.intake_status,
    state.segmentation_status,
    state.quality_status,
    state.radiomics_status,
    state.verdict,
    state.last_decision,
    flow.reason as cohort_reason,
    flow.detail as cohort_detail,
    coalesce(standing.quarantined_at, []) as quarantined_at,
    standing.problem,
    standing.way_out,
    coalesce(standing.tries, 0) as tries,
    state.study_date_shifted,
from core.study_state as state
inner join core.cohort_flow as flow
    on state.study_key = flow.study_key
left join standing
    on state.study_key = standing.study_key
