-- One row is one study of one frozen cohort.
-- grain: cohort_hash study_key
select *,
from ${cohort_member}
