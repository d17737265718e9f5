-- One row is one decision of a physician on one study.
-- grain: lake_path study_key decided_at
-- by: study_key
with answers as (
    select *,
    from ${review}
),

-- Of two readers who read blind, the first one's answer is not in the snapshot before the second's.
sealed as (
    select answers.study_key,
    from answers
    cross join meta.cohort_rule as cohort_rule
    where cohort_rule.readers > 1 and cohort_rule.is_blind
    group by answers.study_key
    having count(distinct answers.reviewer) = 1
)

select
    * replace (
        case when study_key in (from sealed) then 'sealed' else decision end as decision,
        case when study_key in (from sealed) then '' else reason end as reason
    ),
from answers
