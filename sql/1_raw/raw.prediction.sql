-- One row is one prediction as it was published, for one study and cohort.
-- grain: lake_path cohort_hash study_key segment configuration
-- stored: view
-- checked: with meta.study_rows
select *,
from ${prediction}
