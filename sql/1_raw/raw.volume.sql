-- One row is one image object that intake judged.
-- grain: study_key object_key
-- stored: view
-- checked: with meta.study_rows
select *,
from ${volume}
