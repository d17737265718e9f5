-- One row is one report or CT series beside one study that was looked at: kept, or why not.
-- grain: study_key source_key
-- stored: view
-- checked: with meta.study_rows
select *,
from ${companion}
