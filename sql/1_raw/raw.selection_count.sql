-- One row is one step of the choice of features for one cohort.
-- grain: cohort_hash step
select *,
from ${selection_count}
