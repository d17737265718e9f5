-- One row is one segment and configuration evaluated with one seed of the splits.
-- grain: cohort_hash profile segment configuration seed
select *,
from ${split_seed}
