-- One row is one of the 17 segments of one study whose gates were measured.
-- grain: study_key segment
-- stored: view
-- checked: with meta.study_rows
select *,
from ${ejection_segment}
