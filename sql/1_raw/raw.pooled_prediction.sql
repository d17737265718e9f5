-- One row is one patient's out-of-sample prediction, pooled over the runs that had not seen him.
-- grain: cohort_hash profile segment configuration study_key
select *,
from ${pooled_prediction}
