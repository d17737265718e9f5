-- One row is one observed class and how two configurations classify patients of it.
-- grain: cohort_hash profile segment configuration compared_with observed_class reference_class new_class
select *,
from ${reclassification}
