-- One row is one measure of a configuration's pooled predictions, or a paired difference of two.
-- grain: cohort_hash profile segment configuration compared_with measure
select *,
from ${added_value}
