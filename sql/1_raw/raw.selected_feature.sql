-- One row is one feature chosen for one cohort and profile.
-- grain: cohort_hash profile feature
select *,
from ${selected_feature}
