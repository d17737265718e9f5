-- One row is one feature chosen for one cohort.
-- grain: cohort_hash feature
select *,
from ${selected_feature}
