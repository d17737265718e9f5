-- One row is one answer of a person about one lesion of one CT.
-- grain: lake_path study_key source_key lesion_key corrected_at
-- by: study_key
select *,
from ${calcium_correction}
