-- One row is one decision of a physician on one study.
-- grain: lake_path study_key decided_at
select
    study_key,
    decision,
    reason,
    reviewer,
    decided_at,
    lake_path,
from ${review}
