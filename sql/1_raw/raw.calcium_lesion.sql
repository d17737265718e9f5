-- One row is one lesion of one CT beside one study: where it lies, how sure that is, its score.
-- grain: study_key source_key lesion
-- stored: view
-- checked: with meta.study_rows
select *,
from ${calcium_lesion}
