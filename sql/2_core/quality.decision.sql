-- One row is one study that a physician has reviewed: the last decision.
-- grain: study_key
-- by: study_key
with decisions as (
    select distinct
        study_key,
        decision,
        reason,
        reviewer,
        decided_at,
    from raw.review
)

select
    study_key,
    decision,
    reason,
    reviewer,
    decided_at,
    count(*) over (partition by study_key) as n_decisions,
    bool_or(decision = 'reject') over (partition by study_key) as has_reject,
from decisions
qualify row_number() over (partition by study_key order by decided_at desc, decision desc) = 1
