-- One row is one combined test over the outer runs.
-- grain: cohort_hash profile segment configuration test
select *,
from ${combined_test}
