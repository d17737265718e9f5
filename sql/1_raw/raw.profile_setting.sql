-- One row is one statistical setting of one profile of one evaluated cohort.
-- grain: cohort_hash profile stage setting
select *,
from ${profile_setting}
