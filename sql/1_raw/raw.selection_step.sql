-- One row is one event of the choice of features for one cohort and profile.
-- grain: cohort_hash profile step feature partner
select *,
from ${selection_step}
