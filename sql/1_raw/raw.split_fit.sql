-- One row is one inner fit of the randomised evaluation.
-- grain: cohort_hash profile segment configuration outer inner
select *,
from ${split_fit}
