-- One row is one step of the cohort flow: how many studies leave, how many stay.
-- grain: position
with counted as (
    select
        reason,
        count(*) as n_studies,
        count(*) filter (where not is_included) as n_leaving,
    from core.cohort_flow
    group by reason
)

select
    cohort_reason."position",
    cohort_reason.stage,
    cohort_reason.reason,
    cohort_reason.description,
    coalesce(counted.n_studies, 0) as n_studies,
    sum(coalesce(counted.n_studies, 0)) over ()
    - sum(coalesce(counted.n_leaving, 0))
        over (order by cohort_reason."position")
        as n_left,
from core.cohort_reason as cohort_reason
left join counted
    on cohort_reason.reason = counted.reason
