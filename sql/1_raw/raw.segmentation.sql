-- One row is one segmented study.
-- grain: study_key
select *,
from ${segmentation}
