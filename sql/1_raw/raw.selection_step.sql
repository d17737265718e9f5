-- One row is one event of the choice of features for one cohort.
-- grain: cohort_hash step feature partner
select *,
from ${selection_step}
