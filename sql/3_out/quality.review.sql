-- One row is one decision of a physician on one study.
-- grain: study_key decided_at decision
select distinct
    study_key,
    decision,
    reason,
    reviewer,
    decided_at,
from raw.review
