-- One row is one segment of one study: the features that do not depend on bins.
-- grain: study_key segment
-- stored: view
-- checked: with meta.study_rows
select *,
from ${feature_once}
