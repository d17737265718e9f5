-- One row is one feature's stability in one segment at one number of grey levels.
-- grain: cohort_hash family segment bins feature
-- stored: view
select *,
from ${feature_stability}
