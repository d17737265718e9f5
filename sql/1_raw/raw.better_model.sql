-- One row is one measure of the better model in one segment and configuration.
-- grain: cohort_hash segment configuration metric
select *,
from ${better_model}
