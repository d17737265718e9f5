-- One row is one prediction as it was published, for one study and cohort.
-- grain: lake_path cohort_hash study_key segment configuration
-- stored: view
select *,
from ${prediction}
