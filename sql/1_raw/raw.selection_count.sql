-- One row is one step of the choice of features for one cohort and profile.
-- grain: cohort_hash profile step
select *,
from ${selection_count}
