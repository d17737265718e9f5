-- One row is one number of grey levels judged for one cohort and profile.
-- grain: cohort_hash profile bins
select *,
from ${grey_level}
