-- One row is one observed class and how two configurations classify patients of it.
-- grain: cohort_hash profile segment configuration compared_with observed reference moved_to
select *,
from ${reclassification}
