-- One row is one study that the archive named: may it be predicted, or the first reason why not.
-- grain: study_key
-- by: study_key
with judged as (
    select
        study_key,
        case
            when not has_features then 'no_features'
            when is_held_back then 'expectation_failed'
            when coalesce(verdict, '') = 'hold' then 'quality_hold'
            when last_decision = 'accept' then null
            when last_decision = 'undecided' then 'review_pending'
            when has_reject then 'review_rejected'
            when coalesce(verdict, '') != 'pass' then 'review_pending'
        end as image_reason,
        case
            when coalesce(reading, 'normal') != 'normal' then 'reading_not_normal'
        end as reading_reason,
    from core.study_state
)

select
    study_key,
    coalesce(image_reason, reading_reason) is null as is_predictable,
    coalesce(image_reason, reading_reason, '') as reason,
from judged
