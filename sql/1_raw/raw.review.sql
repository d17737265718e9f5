-- One row is one decision of a physician on one study.
-- grain: lake_path study_key decided_at
-- by: study_key
select *,
from ${review}
