-- One row is one report or CT beside one study: the calcium that it shows, and whether it counts.
-- grain: study_key source_key
-- stored: view
-- checked: with meta.study_rows
select *,
from ${calcium_source}
