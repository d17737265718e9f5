-- One row is one measure of the pooled predictions of a group of patients, or a paired difference.
-- grain: cohort_hash profile segment grouping group_name configuration compared_with measure
select *,
from ${group_performance}
