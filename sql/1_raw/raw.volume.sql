-- One row is one image object that intake judged.
-- grain: study_key object_key
select *,
from ${volume}
