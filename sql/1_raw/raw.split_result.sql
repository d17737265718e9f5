-- One row is one outer run of the randomised evaluation.
-- grain: cohort_hash profile segment configuration outer
select *,
from ${split_result}
