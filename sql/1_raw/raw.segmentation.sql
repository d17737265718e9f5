-- One row is one segmented study.
-- grain: study_key
-- by: study_key
select *,
from ${segmentation}
