-- One row is one number of grey levels judged for one cohort.
-- grain: cohort_hash bins
select *,
from ${grey_level}
