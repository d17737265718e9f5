-- One row is one feature tested alone against one outcome in one segment.
-- grain: cohort_hash profile segment outcome feature
select *,
from ${univariate}
