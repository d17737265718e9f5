-- One row is one segment of one study at one number of grey levels.
-- grain: study_key segment bins
-- stored: view
-- checked: with meta.study_rows
select *,
from ${feature_binned}
