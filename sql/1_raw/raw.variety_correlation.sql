-- One row is one averaged and one merged 3D feature of a family, for one cohort and profile.
-- grain: cohort_hash profile averaged merged
select *,
from ${variety_correlation}
